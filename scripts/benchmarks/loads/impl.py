"""Uses what it is told to use, and says by its own clock how much that was.

Imports stand where they are needed: those at the top would be part of every run's figures.
"""

from __future__ import annotations

import asyncio
import time
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from optifire.plugins import Plugin, PluginMetadata, PluginResult

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20
#: Megabytes that a bomb takes at most: it has been stopped long before.
MOST_MB = 400


class Loads(Plugin):
    """Does one of the functions below."""

    def describe(self) -> PluginMetadata:
        """Say what it is."""
        return PluginMetadata.create(plugin_id="loads", version="1.0.0", description="Uses much")

    def plan(self) -> dict[str, Any]:
        """Never run by itself."""
        return {"schedule": "@manual"}

    async def run(self, context: Any) -> PluginResult:  # noqa: ANN401 - as plugins are written
        """Do what the configuration names."""
        config = dict(context.config)
        do = config.pop("do")
        if do == "take_turns":
            return PluginResult(success=True, data={"used": await take_turns(**config)})
        return PluginResult(success=True, data={"used": LOADS[do](**config)})


def nothing() -> float:
    """Do nothing; a first run pays for loading the plugin."""
    return 0.0


def burn(ms: float) -> float:
    """Use processor time; gives the milliseconds."""
    began = time.process_time()
    while (used := (time.process_time() - began) * 1e3) < ms:
        pass
    return used


async def take_turns(ms: float, turn_ms: float) -> float:
    """Use processor time in turns with whoever else is there; gives the milliseconds."""
    used = 0.0
    while used < ms:
        began = time.thread_time()
        while (took := (time.thread_time() - began) * 1e3) < turn_ms:
            pass
        used += took
        await asyncio.sleep(0)
    return used


def hold(mb: int) -> float:
    """Hold memory for a moment; gives the megabytes."""
    return len(bytearray(b"x") * (mb * MIB)) / MIB


def bomb(stamps: str) -> float:
    """Take memory of one's own, a megabyte at a time; when it had each stands in a file."""
    with _Stamps(stamps) as kept:
        held = []
        for _ in range(MOST_MB):
            held.append(bytearray(b"x") * MIB)
            kept.stamp()
        return len(held)


def shared_bomb(stamps: str) -> float:
    """Take shared memory, which is in no data segment, in the same way."""
    import mmap

    with _Stamps(stamps) as kept:
        held = mmap.mmap(-1, MOST_MB * MIB)
        for mb in range(MOST_MB):
            held[mb * MIB : (mb + 1) * MIB] = b"x" * MIB
            kept.stamp()
        return len(held) / MIB


class _Stamps:
    """A file to which instants (seconds of the monotonic clock, the machine's) are added."""

    def __init__(self, path: str) -> None:
        self._file = Path(path).open("wb", buffering=0)  # noqa: SIM115 - closed by __exit__

    def stamp(self) -> None:
        """Add the present instant."""
        self._file.write(array("d", [time.monotonic()]).tobytes())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


LOADS: dict[str, Callable[..., float]] = {
    "nothing": nothing,
    "burn": burn,
    "hold": hold,
    "bomb": bomb,
    "shared_bomb": shared_bomb,
}
