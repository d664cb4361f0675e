"""When a plugin that keeps failing is kept from running, and when it is tried again.

Pure: a `Standing` goes in, another comes out; nothing here reads a clock or writes a row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from optifire.core.calendar import Calendar, CalendarRangeError
from optifire.core.run import RunKind, RunStatus
from optifire.core.settings import QUARANTINE_AFTER
from optifire.core.types import RunId

if TYPE_CHECKING:
    from collections.abc import Iterable

    from optifire.core.ledger import RunRow

#: Between two trials, at least.
BETWEEN_TRIALS: Final = timedelta(hours=1)
#: A trial that starts so soon after its due instant counts from that: an hourly job is tried each
#: hour, whether it then starts a little earlier or later.
PUNCTUAL: Final = timedelta(minutes=5)
#: Ends that speak against a plugin; ``unknown`` is what the timeout of an effectful run is called.
FAILURES: Final = frozenset(
    {
        RunStatus.FAILED,
        RunStatus.TIMED_OUT,
        RunStatus.OVER_BUDGET,
        RunStatus.CRASHED,
        RunStatus.UNKNOWN,
    }
)
#: Kinds of runs that are told: those of the schedule, and by hand.
TOLD: Final = frozenset({RunKind.SCHEDULED, RunKind.MANUAL})
_LONGEST_WHY: Final = 160
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Standing:
    """How the runs of one plugin have ended lately.

    Attributes
    ----------
    failures
        How many in a row, retries of one run counted as one; the last success begins anew.
    since
        When the first of these ended.
    why
        How the last of these ended.
    held
        Since when it is quarantined, None while it is not.
    tried
        When its latest trial was due, or started if it was late; None before the first.
    trial
        The trial in progress.
    """

    failures: int = 0
    since: datetime | None = None
    why: str = ""
    held: datetime | None = None
    tried: datetime | None = None
    trial: RunId | None = None


#: Nothing speaks against it.
GOOD: Final = Standing()


def after(standing: Standing, row: RunRow, at: datetime, most: int = QUARANTINE_AFTER) -> Standing:
    """Give the standing after the end of a run.

    A success lifts whatever there was; a failure counts, and the ``most``-th in a row quarantines.
    Every other end (skipped, refused, cancelled, lost) says nothing of the plugin, and of a trial
    only that it is over.
    """
    if row.key.kind not in TOLD:
        return standing
    if row.status is RunStatus.SUCCEEDED:
        return GOOD
    trial = None if standing.trial == row.run_id else standing.trial
    if row.status not in FAILURES:
        return standing if trial == standing.trial else replace(standing, trial=trial)
    failures = standing.failures + 1
    held = standing.held or (at if failures >= most else None)
    return Standing(failures, standing.since or at, _how(row), held, standing.tried, trial)


def begun(standing: Standing, row: RunRow, at: datetime) -> Standing:
    """Give the standing when an attempt starts: of a quarantined plugin that is a trial.

    A run by hand is none: it is always allowed.
    """
    if standing.held is None or row.key.kind is RunKind.MANUAL:
        return standing
    due = row.key.due
    return replace(standing, tried=due if at - due <= PUNCTUAL else at, trial=row.run_id)


def recalled(rows: Iterable[RunRow], since: datetime, most: int = QUARANTINE_AFTER) -> Standing:
    """Give the standing that runs have led to, of which any started after ``since`` count.

    ``rows`` are in any order; one that has not ended is taken to go on.
    """
    told = [row for row in rows if row.started_at is not None and row.started_at > since]
    standing = GOOD
    for row in sorted(told, key=lambda row: row.finished_at or _NEVER):
        assert row.started_at is not None  # noqa: S101 - asked above
        if standing.held is not None and row.started_at >= standing.held:
            standing = begun(standing, row, row.started_at)
        if row.finished_at is not None:
            standing = after(standing, row, row.finished_at, most)
    return standing


def next_trial(standing: Standing, calendar: Calendar) -> datetime | None:
    """Give the instant from which on the next occurrence is a trial, None while none is needed.

    The first trial waits until the market is closed, each further one for an hour after the one
    before. A market that never closes has the hour from the first on.
    """
    if standing.held is None:
        return None
    if standing.tried is not None:
        return standing.tried + BETWEEN_TRIALS
    if calendar.always_open:
        return standing.held + BETWEEN_TRIALS
    try:
        session = calendar.session_at(standing.held)
    except CalendarRangeError:  # nobody knows the sessions of that day
        return standing.held + BETWEEN_TRIALS
    return standing.held if session is None else session.close


def may_run(standing: Standing, run_id: str, now: datetime, calendar: Calendar) -> bool:
    """Tell whether an occurrence may run: nobody holds the plugin, or this is its trial."""
    if standing.trial is not None:
        return standing.trial == run_id
    instant = next_trial(standing, calendar)
    return instant is None or instant <= now


def sentence(standing: Standing, calendar: Calendar) -> str:
    """Say why a plugin is quarantined, and how it gets out."""
    first = standing.since or standing.held
    number = "1 run" if standing.failures == 1 else f"{standing.failures} runs in a row"
    told = f"{number} went wrong since {_stamp(first)}, the last one: {standing.why}"
    if standing.trial is not None:
        return f"{told}; {standing.trial} is its trial"
    instant = next_trial(standing, calendar)
    return f"{told}; its first occurrence from {_stamp(instant)} on is a trial"


def _how(row: RunRow) -> str:
    """Give how a run ended in one line of bounded length."""
    said = row.status.value.replace("_", " ")
    what = str(row.reason) if row.reason else ""
    if row.failure is not None:
        what = f"{row.failure.type}: {row.failure.message}"
    line = " ".join(what.split())
    short = line if len(line) <= _LONGEST_WHY else f"{line[: _LONGEST_WHY - 3]}..."
    return f"{said} ({short})" if short else said


def _stamp(instant: datetime | None) -> str:
    return "an unknown instant" if instant is None else f"{instant:%Y-%m-%dT%H:%M:%SZ}"
