"""Runs and attempts: what became of each occurrence, and which moves are legal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from optifire.core.errors import StateError
from optifire.core.types import PluginId, RunId

if TYPE_CHECKING:
    from collections.abc import Mapping


class RunKind(StrEnum):
    """Why an occurrence exists; only ``scheduled`` ones count as the schedule's own."""

    SCHEDULED = "scheduled"
    MANUAL = "manual"
    BACKFILL = "backfill"
    SHADOW = "shadow"


class RunStatus(StrEnum):
    """Every status that a run can have; all but the first two are terminal."""

    #: Expected, not started yet (or waiting for its next attempt).
    DUE = "due"
    #: An attempt has been written down and started.
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    #: The plugin raised, said ``success=False`` or broke the contract.
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    OVER_BUDGET = "over_budget"
    #: The process of the attempt died without an answer.
    CRASHED = "crashed"
    CANCELLED = "cancelled"
    #: Idle work that had to make way, and could not be tried again before the market opened.
    PREEMPTED = "preempted"
    #: An effectful run whose outcome outside nobody can tell.
    UNKNOWN = "unknown"
    #: The service died while it ran.
    LOST = "lost"
    #: Found later than its grace, and its misfire rule says not to run it.
    MISSED = "missed"
    #: One row for a stretch of late occurrences that the latest one stands for.
    COALESCED = "coalesced"
    SKIPPED = "skipped"
    REFUSED = "refused"


_ENDS_OF_AN_ATTEMPT = frozenset(
    {
        RunStatus.SUCCEEDED,
        RunStatus.FAILED,
        RunStatus.TIMED_OUT,
        RunStatus.OVER_BUDGET,
        RunStatus.CRASHED,
        RunStatus.CANCELLED,
        RunStatus.PREEMPTED,
        RunStatus.UNKNOWN,
        RunStatus.LOST,
        RunStatus.SKIPPED,
    }
)
_NON_RUNS = frozenset({RunStatus.MISSED, RunStatus.COALESCED, RunStatus.SKIPPED, RunStatus.REFUSED})

#: Which status may follow which; a status without an entry is terminal and never changes.
NEXT: Mapping[RunStatus, frozenset[RunStatus]] = {
    RunStatus.DUE: frozenset(
        {RunStatus.RUNNING, RunStatus.CANCELLED, RunStatus.LOST, RunStatus.PREEMPTED}
    )
    | _NON_RUNS,
    RunStatus.RUNNING: _ENDS_OF_AN_ATTEMPT | {RunStatus.DUE},
}
TERMINAL: frozenset[RunStatus] = frozenset(RunStatus) - frozenset(NEXT)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a run ended as it did: a code for programs and a detail for people."""

    code: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" if self.detail else self.code


@dataclass(frozen=True, slots=True)
class RunKey:
    """What makes an occurrence itself: plugin, due instant (UTC), turn and kind."""

    plugin_id: PluginId
    due: datetime
    turn: int = 0
    kind: RunKind = RunKind.SCHEDULED

    @property
    def run_id(self) -> RunId:
        """The readable id that follows from the key, and from nothing else."""
        return run_id_of(self.plugin_id, self.due, self.turn, self.kind)


def run_id_of(plugin_id: str, due: datetime, turn: int, kind: RunKind) -> RunId:
    """Give the id of an occurrence, as in ``fe_garch@20181123T180000Z``.

    A turn above zero adds ``.t2``, a kind other than scheduled ``~manual``.
    """
    at = due.astimezone(UTC)
    fraction = f".{at.microsecond:06d}" if at.microsecond else ""
    later = f".t{turn}" if turn else ""
    special = "" if kind is RunKind.SCHEDULED else f"~{kind.value}"
    stamp = f"{at.year:04d}{at.month:02d}{at.day:02d}T{at.hour:02d}{at.minute:02d}{at.second:02d}"
    return RunId(f"{plugin_id}@{stamp}{fraction}Z{later}{special}")


@dataclass(frozen=True, slots=True)
class Failure:
    """How an attempt went wrong: class, message, traceback, and whether trying again may help."""

    type: str
    message: str
    traceback: str = ""
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """Where one input of a run came from: another run, or recorded data.

    ``run_id`` is None for data of the feed; ``origin`` then names provider and data hash.
    """

    run_id: RunId | None
    as_of: datetime
    origin: str = ""


def check_move(now: RunStatus, then: RunStatus, run_id: str) -> None:
    """Raise `StateError` naming both statuses when a run may not go from one to the other."""
    if then not in NEXT.get(now, frozenset()):
        raise StateError(
            f"a run that is {now} cannot become {then}",
            where=run_id,
            remedy="Terminal statuses never change; report this as a bug",
        )
