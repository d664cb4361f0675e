"""Names for the plain values that travel between the rooms."""

from enum import StrEnum
from functools import lru_cache
from typing import NewType

PluginId = NewType("PluginId", str)
RunId = NewType("RunId", str)

#: One value encoded as MessagePack; only workers look inside (frames are extension values). A large
#: one may be a read-only view of such bytes in a file that processes share: it has their length,
#: hashes and is written as they are, and ``bytes()`` of it is a copy.
Encoded = NewType("Encoded", bytes)


class Category(StrEnum):
    """The categories that OptiFIRE knows; free text is allowed beside them."""

    ALPHA = "alpha"
    FE = "fe"
    RISK = "risk"
    ML = "ml"
    AI = "ai"
    EXEC = "exec"
    UX = "ux"
    DIAG = "diag"
    INFRA = "infra"


class Environment(StrEnum):
    """Where a service stands: recorded data at a pace, the wall clock, or real money."""

    DEMO = "demo"
    PAPER = "paper"
    LIVE = "live"


@lru_cache(maxsize=4096)  # a reload asks for each pair of plugins
def fold_id(plugin_id: str) -> str:
    """Give the form in which ids are compared: lower case, with ``-``, ``_`` and ``.`` folded."""
    return plugin_id.lower().replace("-", "_").replace(".", "_")
