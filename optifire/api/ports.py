"""What the API asks of the service: answers as JSON can say them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from optifire.core.run import RunStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from optifire.core.access import Caller

Shape = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunsAsked:
    """Which runs to list, newest due first; ``cursor`` is the ``next`` of the page before."""

    plugin: str | None = None
    status: RunStatus | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 50
    cursor: str | None = None


class Reads(Protocol):
    """What can be read; an id that nobody has raises `NotFoundError`."""

    def alive(self) -> Shape:
        """Give what everybody may know: ``live``, ``ready``, ``state`` and ``level``."""

    async def checks(self) -> Shape:
        """Give the health of the service with every check and its reasons."""

    async def status(self) -> Shape:
        """Give the state of the service, as ``optifire status`` does."""

    async def plugins(self) -> Sequence[Shape]:
        """Give one item for each plugin there is, on or off."""

    async def plugin(self, plugin_id: str) -> Shape:
        """Give everything about one plugin, with the source of each value; secrets masked."""

    async def upcoming(self, hours: float, limit: int) -> Sequence[Shape]:
        """Give what is due in the next hours."""

    async def why(self, plugin_id: str, at: datetime | None) -> Shape:
        """Give why a plugin ran or did not, now or at another time."""

    async def graph(self) -> Shape:
        """Give who needs whom."""

    async def flags(self) -> Mapping[str, bool]:
        """Give for each plugin whether it is on."""

    def metrics(self) -> str:
        """Give what the service counts and measures, in the text format of Prometheus."""


class Records(Protocol):
    """What can be read from the ledger and other files of a home."""

    async def runs(self, asked: RunsAsked) -> Shape:
        """Give ``items`` and the cursor of the ``next`` page, None after the last."""

    async def run(self, run_id: str, *, logs: bool) -> Shape:
        """Give one run with attempts, events and lineage."""

    async def cycles(self, limit: int, cursor: str | None) -> Shape:
        """Give ``items``, the latest due first, and the cursor of the ``next`` page."""

    async def config(self) -> Shape:
        """Give the settings with their sources, and the versions that were accepted."""

    async def budgets(self, days: int) -> Sequence[Shape]:
        """Give what runs used against their budgets."""

    async def audit(self, limit: int, cursor: str | None) -> Shape:
        """Give what was asked to be changed over the API, and what was refused, by pages."""

    def tokens(self) -> Sequence[Shape]:
        """Give every token without its secret."""


class Changes(Protocol):
    """What can be changed; each change is in the ledger with its author before it is made."""

    async def toggle(self, plugin_id: str, *, enabled: bool, by: Caller) -> Shape:
        """Switch a plugin on or off in features.yaml, and go over to that."""

    async def run_now(self, plugin_id: str, *, why: str, force: bool, by: Caller) -> Shape:
        """Run a plugin now and give its record when it has ended."""

    async def cancel(self, run_id: str, *, why: str, by: Caller) -> Shape:
        """End a run in progress."""

    async def pause(self, plugin_id: str | None, *, why: str, by: Caller) -> Shape:
        """Keep a plugin (None: all of them) from running until it is resumed."""

    async def resume(self, plugin_id: str | None, *, why: str, by: Caller) -> Shape:
        """Let a plugin (None: all of them) run again."""
