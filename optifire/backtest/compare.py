"""Two ledgers run by run: where they first differ, and how often they do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from optifire.backtest.digest import parts_of
from optifire.core.run import RunKind
from optifire.store.reader import LedgerReader

if TYPE_CHECKING:
    from pathlib import Path

    from optifire.core.ledger import RunRecord


@dataclass(frozen=True, slots=True)
class Difference:
    """One run that is not the same in both: which part, and what each ledger says of it.

    `part` is ``missing`` where only one of them has the run.
    """

    run_id: str
    part: str
    ours: str
    theirs: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many runs were compared, how many differ, and the first that does."""

    compared: int
    differing: int
    first: Difference | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """Which runs are compared: scheduled ones of some plugins within two instants."""

    plugins: Collection[str]
    first: datetime
    last: datetime

    def holds(self, record: RunRecord) -> bool:
        """Tell whether a run is to be compared."""
        key = record.run.key
        return (
            key.plugin_id in self.plugins
            and key.kind is RunKind.SCHEDULED
            and self.first <= key.due <= self.last
        )


async def compare(ours: Path, theirs: Path, scope: Scope) -> Comparison:
    """Compare two ledgers, live or replayed, run by run.

    Raises
    ------
    StoreError
        One of the files is not a ledger.
    """
    compared = 0
    found: list[Difference] = []
    async for difference in _pairs(ours, theirs, scope):
        compared += 1
        if difference is not None:
            found.append(difference)
    return Comparison(compared, len(found), found[0] if found else None)


async def differences(ours: Path, theirs: Path, scope: Scope) -> list[Difference]:
    """Give all runs that differ between two ledgers, by (due, turn, plugin id)."""
    return [one async for one in _pairs(ours, theirs, scope) if one is not None]


async def _within(records: AsyncIterator[RunRecord], scope: Scope) -> AsyncIterator[RunRecord]:
    async for record in records:
        if scope.holds(record):
            yield record


async def _pairs(ours: Path, theirs: Path, scope: Scope) -> AsyncIterator[Difference | None]:
    """Go through both ledgers by key: None for a run that is the same in both."""
    async with LedgerReader(ours) as mine, LedgerReader(theirs) as other:
        lefts, rights = _within(mine.records(), scope), _within(other.records(), scope)
        left, right = await anext(lefts, None), await anext(rights, None)
        while left is not None or right is not None:
            take_left, take_right = _which(left, right)
            yield _difference(left if take_left else None, right if take_right else None)
            if take_left:
                left = await anext(lefts, None)
            if take_right:
                right = await anext(rights, None)


def _which(left: RunRecord | None, right: RunRecord | None) -> tuple[bool, bool]:
    """Tell from which stream the next run comes; from both when they have the same key."""
    if left is None or right is None:
        return left is not None, right is not None
    mine, other = _order(left), _order(right)
    return mine <= other, other <= mine


def _order(record: RunRecord) -> tuple[datetime, int, str]:
    key = record.run.key
    return (key.due, key.turn, key.plugin_id)


def _difference(ours: RunRecord | None, theirs: RunRecord | None) -> Difference | None:
    """Give the first part in which two runs of one key differ."""
    if ours is None or theirs is None:
        there = ours or theirs
        assert there is not None  # noqa: S101 - one of the two was taken
        status = there.run.status.value
        mine, other = (status, "no such run") if ours else ("no such run", status)
        return Difference(there.run.run_id, "missing", mine, other)
    mine_parts, their_parts = parts_of(ours), parts_of(theirs)
    for name, mine_value in mine_parts.items():
        if mine_value != their_parts[name]:
            shown = _shown(name, ours), _shown(name, theirs)
            return Difference(ours.run.run_id, name, *shown)
    return None


def _shown(part: str, record: RunRecord) -> str:
    """Give one part of a run as a person reads it."""
    value = parts_of(record)[part]
    if part == "outputs":
        from optifire.workers.wire import to_json

        return str({key: to_json(each) for key, each in sorted(record.run.outputs.items())})
    return str(value)
