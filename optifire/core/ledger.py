"""The rows of the ledger as values: what is written, and in which unit.

A `Batch` is one transaction. Rows are mutable slots classes on purpose: one object accompanies a
run from due to done, and making a new one at each step costs more than the run's own bookkeeping.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from optifire.core.budget import UNKNOWN_USAGE, Budget, Usage
from optifire.core.run import Failure, Reason, RunKey, RunKind, RunStatus, Source, check_move
from optifire.core.types import Encoded, PluginId, RunId


@dataclass(slots=True)
class RunRow:
    """One occurrence: one row, one terminal status.

    A span (``coalesced``, or a stretch of ``missed``) stands for ``count`` occurrences from
    ``first`` to the key's due; for all others ``count`` is 1. ``trigger`` is the schedule word or
    event that asked for it, ``pull`` when another job needed it, ``wake`` never. ``held`` is what
    it was held to, as JSON (`core.held.Held`); empty when it never started, and in a replay.
    """

    key: RunKey
    run_id: RunId
    status: RunStatus
    trigger: str = ""
    version: str = ""
    reason: Reason | None = None
    attempts: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    worker: str = ""
    usage: Usage = UNKNOWN_USAGE
    budget: Budget | None = None
    breaches: tuple[str, ...] = ()
    degraded: bool = False
    outputs: Mapping[str, Encoded] = field(default_factory=dict)
    inputs: Mapping[str, Source] = field(default_factory=dict)
    failure: Failure | None = None
    note: str = ""
    first: datetime | None = None
    count: int = 1
    held: str = ""

    def move(self, status: RunStatus, reason: Reason | None = None) -> None:
        """Go to another status; an illegal move raises `StateError` naming both."""
        check_move(self.status, status, self.run_id)
        self.status = status
        self.reason = reason


def new_run(key: RunKey, status: RunStatus = RunStatus.DUE, trigger: str = "") -> RunRow:
    """Make the row of an occurrence, with the id that follows from its key."""
    return RunRow(key=key, run_id=key.run_id, status=status, trigger=trigger)


@dataclass(slots=True)
class AttemptRow:
    """One start of a run: when, in which worker, how it ended, and what it used."""

    run_id: RunId
    number: int
    status: RunStatus
    started_at: datetime
    finished_at: datetime | None = None
    worker: str = ""
    reason: Reason | None = None
    usage: Usage = UNKNOWN_USAGE
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """One write of a plugin: SQL and its parameters, as MessagePack."""

    sql: str
    params: Encoded


@dataclass(frozen=True, slots=True)
class TableWrites:
    """All writes of one run, applied under one savepoint in their order.

    ``add_only`` keeps them from the plugin's own tables, which hold what later runs have left.
    """

    run_id: RunId
    plugin_id: PluginId
    at: datetime
    statements: tuple[Statement, ...]
    add_only: bool = False


@dataclass(frozen=True, slots=True)
class ContextValue:
    """One published value of the shared context under one name, full or bare.

    ``as_of`` is the due instant of the run that made it.
    """

    name: str
    producer: PluginId
    key: str
    run_id: RunId
    as_of: datetime
    turn: int
    value: Encoded


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event published by a run; ``taken`` when no listener is still to be started by it."""

    run_id: RunId
    seq: int
    due: datetime
    turn: int
    name: str
    source: str
    data: Encoded
    taken: bool = True


@dataclass(frozen=True, slots=True)
class NoteRow:
    """Something that explains runs or their absence, as one row.

    ``kind``: ``enabled``, ``disabled``, ``manual``, ``holiday``, ``left_out``, ``start``,
    ``resident``, ``demoted``, ``quarantined``, ``released``, ``changed`` (code or settings of a
    plugin), ``paused``, ``resumed``, ``restart``, ``restored``, ``backfill``, ``warning``,
    ``state`` (of a plugin, step by step), ``api`` (a change asked for over HTTP, or refused),
    ``clock`` (it jumped, or the machine slept). ``subject`` is a plugin id (``*`` for all of them),
    a setting, a run id, a calendar and date, a file, or which way the clock went.
    """

    at: datetime
    kind: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class LogRow:
    """What an attempt printed and logged, at most 64 KB."""

    run_id: RunId
    attempt: int
    text: bytes


@dataclass(frozen=True, slots=True)
class ConfigVersion:
    """One accepted version of the configuration, whole: file name -> its text."""

    hash: str
    at: datetime
    author: str
    files: Mapping[str, str]


#: A row of a table that all plugins share: the table, and the number of the row in it.
SharedRow = tuple[str, int]


@dataclass(slots=True)
class Batch:
    """One transaction: all of it is durable when the commit returns, or none of it."""

    runs: list[RunRow] = field(default_factory=list)
    attempts: list[AttemptRow] = field(default_factory=list)
    writes: list[TableWrites] = field(default_factory=list)
    values: list[ContextValue] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    notes: list[NoteRow] = field(default_factory=list)
    logs: list[LogRow] = field(default_factory=list)
    #: (due, turn) of the events whose listeners this transaction writes down.
    events_taken: list[tuple[datetime, int]] = field(default_factory=list)
    configs: list[ConfigVersion] = field(default_factory=list)
    #: Facts about this ledger itself, by name (parameters and digest of a replay).
    meta: dict[str, str] = field(default_factory=dict)
    #: Runs that have had their time: they go with all that hangs on them, into the roll-ups.
    pruned: list[RunId] = field(default_factory=list)
    #: Rows of shared tables that have had theirs.
    pruned_rows: list[SharedRow] = field(default_factory=list)

    def extend(self, other: Batch) -> None:
        """Take over the rows of another batch, after one's own."""
        self.runs += other.runs
        self.attempts += other.attempts
        self.writes += other.writes
        self.values += other.values
        self.events += other.events
        self.notes += other.notes
        self.logs += other.logs
        self.events_taken += other.events_taken
        self.configs += other.configs
        self.meta |= other.meta
        self.pruned += other.pruned
        self.pruned_rows += other.pruned_rows

    def __bool__(self) -> bool:
        """Tell whether there is anything to write."""
        return bool(
            self.runs
            or self.attempts
            or self.writes
            or self.values
            or self.events
            or self.notes
            or self.logs
            or self.events_taken
            or self.configs
            or self.meta
            or self.pruned
            or self.pruned_rows
        )


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run with everything it left: what digests and comparisons are made from."""

    run: RunRow
    events: Sequence[EventRow] = ()
    statements: Sequence[Statement] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """A run whose table writes failed: it was stored ``failed`` with this, its values dropped."""

    run_id: RunId
    failure: Failure


@dataclass(frozen=True, slots=True)
class Recovered:
    """What the ledger held when it was opened.

    Attributes
    ----------
    start
        The number of this service start; a write with an older one is refused.
    clean
        Whether the last start ended with a clean stop.
    values
        The last committed context.
    open_runs
        Runs without a terminal status, as stored.
    cursors
        For each plugin the latest instant up to which its schedule is accounted for.
    waiting_events
        Events whose listeners were not written down yet.
    answered_events
        Events that open runs were started by.
    meta
        Facts that the ledger keeps about itself, by name.
    """

    start: int
    clean: bool
    values: Sequence[ContextValue]
    open_runs: Sequence[RunRow]
    cursors: Mapping[PluginId, datetime]
    waiting_events: Sequence[EventRow]
    answered_events: Sequence[EventRow] = ()
    meta: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs to list, newest due first: all conditions hold together.

    ``after`` is the last run of the page before: the list goes on behind it, at equal due and turn
    by plugin id and kind.
    """

    plugin_id: str | None = None
    status: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 50
    kind: RunKind | None = None
    after: RunKey | None = None


@dataclass(frozen=True, slots=True)
class Rollup:
    """What the runs of one plugin came to on one UTC day of their due, by status.

    ``count`` are occurrences, ``cpu_ms`` is the processor time of all together; the largest
    figures are None where none was measured.
    """

    plugin_id: PluginId
    day: date
    status: RunStatus
    count: int
    attempts: int
    cpu_ms: float
    most_cpu_ms: float | None
    most_mem_mb: float | None


@dataclass(frozen=True, slots=True)
class Limits:
    """Which runs have had their time: due before an instant, or beyond the newest of a plugin.

    Attributes
    ----------
    before
        Runs due earlier may go.
    most
        So many runs of each plugin stay, the newest.
    least
        So many of each plugin, kind and status stay whatever their age: the schedule goes on from
        the latest, and whoever keeps failing is known by them.
    """

    before: datetime
    most: int
    least: int = 10
