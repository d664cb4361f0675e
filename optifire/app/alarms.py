"""What is worth an alert: of what was committed, and of health. Pure; the wall clock comes in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

from optifire.app.staleness import is_session
from optifire.core.alerts import Alert, Topic
from optifire.core.run import RunKind, RunStatus
from optifire.core.types import Category
from optifire.runtime.standings import QUARANTINED, RELEASED
from optifire.store.codec import iso

if TYPE_CHECKING:
    from optifire.core.ledger import Batch, NoteRow, RunRow

#: The kind of note that each start writes, and what it says after an end that was no stop.
START, UNCLEAN = "start", "after an unclean end"
#: Categories whose trouble is worth waking somebody.
VITAL: Final = frozenset({Category.RISK.value, Category.EXEC.value})
#: From so many unclean starts within a day on, somebody is woken.
OFTEN: Final = 4
#: Looks in a row at which a check is red before that is told, and is not before that is over.
RED_LOOKS, WELL_LOOKS = 2, 30
#: What to do about a check that is red.
REMEDIES: Final[Mapping[str, str]] = {
    "parts": "Restart the service, and report this as a bug",
    "configuration": "Mend the file and line that it names; the last good ones go on",
    "ledger": "Make room on the disk, or make the file writable; it goes on by itself",
    "zygotes": "See `optifire doctor` for memory and processes of the machine",
    "calendars": "Run `pip install -U exchange_calendars`, and restart the service",
    "backup": "Stop the service and restore the newest backup: `optifire restore`",
    "event_loop": "See `optifire status` for an inline plugin, and what else the machine does",
    "memory": "Lower budgets or system.concurrency, or give the machine more memory",
    "disk": "Make room on the disk of the ledger",
}

#: What the cause of a check's alert begins with.
_HEALTH: Final = f"{Topic.HEALTH}:"

#: Gives the category of a plugin, "" where it is not known.
CategoryOf = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Alarms:
    """Finds alerts in what is committed.

    Attributes
    ----------
    category_of
        Gives the category of a plugin.
    unclean
        When earlier starts within the last day followed an unclean end.
    """

    category_of: CategoryOf
    unclean: Sequence[datetime] = ()

    def of_batch(self, batch: Batch, now: datetime) -> Iterator[Alert]:
        """Give the alerts in a committed batch."""
        for row in batch.runs:
            if row.status is RunStatus.MISSED:
                yield from self._missed(row, now)
            elif row.status is RunStatus.OVER_BUDGET or (row.breaches and row.finished_at):
                yield self._budget(row, now)
        for note in batch.notes:
            if note.kind == START and note.text == UNCLEAN:
                yield from self._recovery(note, now)
            elif note.kind in {QUARANTINED, RELEASED}:
                yield self._quarantine(note, now)

    def _missed(self, row: RunRow, now: datetime) -> Iterator[Alert]:
        plugin_id = row.key.plugin_id
        vital = self.category_of(plugin_id) in VITAL
        if row.key.kind is not RunKind.SCHEDULED or not (vital or is_session(row.trigger)):
            return
        due = iso(row.key.due)
        span = f"{row.count} times, from {iso(row.first or row.key.due)} to {due}"
        yield Alert(
            Topic.MISSED,
            f"missed:{plugin_id}",
            now,
            what=f"{plugin_id} was missed",
            why=f"{row.trigger}, due {span if row.count > 1 else due}: {row.reason or 'too late'}",
            remedy=f"See `optifire why {plugin_id}`; `optifire run {plugin_id}` makes it now",
            urgent=vital,
        )

    def _budget(self, row: RunRow, now: datetime) -> Alert:
        plugin_id, stopped = row.key.plugin_id, row.status is RunStatus.OVER_BUDGET
        reason = f": {row.reason}" if row.reason else ""
        return Alert(
            Topic.BUDGET,
            f"{'stopped' if stopped else 'budget'}:{plugin_id}",
            now,
            what=f"{plugin_id} {'was stopped far over' if stopped else 'went over'} its budget",
            why=f"{row.run_id}{reason}{_figures(row)}",
            remedy=f"See `optifire budgets show` and `optifire run-info {row.run_id}`",
            urgent=stopped and self.category_of(plugin_id) in VITAL,
        )

    def _quarantine(self, note: NoteRow, now: datetime) -> Alert:
        plugin_id, over = note.subject, note.kind == RELEASED
        mend = f"Mend {plugin_id} or its settings, which lets it run at once"
        return Alert(
            Topic.QUARANTINE,
            f"quarantine:{plugin_id}",
            now,
            what=f"{plugin_id} is {'no longer ' if over else ''}quarantined",
            why=note.text,
            remedy="Nothing; it runs again" if over else f"{mend}; see `optifire why {plugin_id}`",
            urgent=self.category_of(plugin_id) in VITAL,
            lasting=True,
            over=over,
        )

    def _recovery(self, note: NoteRow, now: datetime) -> Iterator[Alert]:
        number = len(self.unclean) + 1
        # The first, second, fourth, eighth: a service that cannot stay up does not flood anybody.
        if number & (number - 1):
            return
        times = f"; {number} such starts within a day" if number > 1 else ""
        yield Alert(
            Topic.RECOVERY,
            f"recovery:{note.subject}",
            now,
            what="the service is back after an unclean end",
            why=f"it had ended without being stopped: a crash, a power cut, kill -9{times}",
            remedy="See `optifire runs --status lost`, `optifire runs --status missed` and the log",
            urgent=number >= OFTEN,
        )


def _figures(row: RunRow) -> str:
    """Give what a run used against its budget, as far as both are known."""
    used, budget = row.usage, row.budget
    if budget is None:
        return ""
    said = []
    if used.cpu_ms is not None:
        said.append(f"{used.cpu_ms:,.0f} of {budget.cpu_ms:,.0f} ms")
    if used.mem_mb is not None:
        said.append(f"{used.mem_mb:,.0f} of {budget.mem_mb:,.0f} MB")
    return f"; used {', '.join(said)}" if said else ""


@dataclass(slots=True)
class RedChecks:
    """Tells when a check of health turns red, and when that is over: at the second look, and late.

    What is red for a moment wakes nobody, and what flickers is not over yet.
    """

    _red: dict[str, int] = field(default_factory=dict, init=False)
    _well: dict[str, int] = field(default_factory=dict, init=False)

    def recall(self, causes: Iterable[str]) -> None:
        """Take what was told before a restart as red still, so that its end is told after it."""
        for cause in causes:
            if cause.startswith(_HEALTH):
                self._red[cause.removeprefix(_HEALTH)] = RED_LOOKS

    def see(self, red: Mapping[str, Sequence[str]], now: datetime) -> Iterator[Alert]:
        """Take in one look: the checks that are red, with their reasons."""
        for check in [*self._red]:
            if check not in red:
                yield from self._seen_well(check, now)
        for check, reasons in red.items():
            self._well.pop(check, None)
            looks = self._red[check] = self._red.get(check, 0) + 1
            if looks == RED_LOOKS:
                yield self._alert(check, now, f"health is red: {check}", "; ".join(reasons))

    def _seen_well(self, check: str, now: datetime) -> Iterator[Alert]:
        if self._red[check] < RED_LOOKS:
            del self._red[check]
            return
        looks = self._well[check] = self._well.get(check, 0) + 1
        if looks >= WELL_LOOKS:
            del self._red[check], self._well[check]
            why = f"it was not red at {WELL_LOOKS} looks in a row"
            yield self._alert(check, now, f"all clear: {check} is no longer red", why, over=True)

    @staticmethod
    def _alert(check: str, now: datetime, what: str, why: str, *, over: bool = False) -> Alert:
        see = "`optifire health` says how it is now"
        remedy = "Nothing" if over else REMEDIES.get(check, "Read the reason")
        return Alert(
            Topic.HEALTH,
            f"{_HEALTH}{check}",
            now,
            what=what,
            why=why,
            remedy=f"{remedy}; {see}",
            urgent=True,
            lasting=True,
            over=over,
        )
