"""What is named like a secret."""

import re
from typing import Final

_NAMES: Final = re.compile(r"secret|token|password|passwd|api_?key|private_?key", re.IGNORECASE)


def names_secret(name: str) -> bool:
    """Tell whether a variable or a key of this name holds a secret, by its words."""
    return _NAMES.search(name) is not None
