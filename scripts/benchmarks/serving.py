"""Floor or peer as a service of its own: ``python -m benchmarks.serving floor FOLDER [--once]``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> None:
    """Serve until killed; ``FOLDER/READY`` is there once the first run is recorded.

    Each imports only its own: what the other costs is not on its bill.
    """
    who, folder = arguments[0], Path(arguments[1])

    def ready() -> None:
        (folder / "READY").touch()

    if who == "floor":
        from benchmarks import floor

        asyncio.run(floor.serve(folder, ready, once="--once" in arguments))
    else:
        from benchmarks import peer

        asyncio.run(peer.serve(folder, ready))


if __name__ == "__main__":
    main(sys.argv[1:])
