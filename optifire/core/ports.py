"""Every seam on one page: what the rooms ask of each other, with units and errors.

Protocols only. ``app.py`` and ``child.py`` hand each room its neighbours.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from optifire.core.budget import UNKNOWN_USAGE, Usage
from optifire.core.job import Job
from optifire.core.ledger import (
    AttemptRow,
    Batch,
    ConfigVersion,
    ContextValue,
    EventRow,
    Limits,
    LogRow,
    NoteRow,
    Recovered,
    Rejected,
    Rollup,
    RunFilter,
    RunRecord,
    RunRow,
    Statement,
)
from optifire.core.run import Failure, Reason, RunKey, RunStatus, Source
from optifire.core.types import Encoded, RunId

# --- time -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tick:
    """A stretch of market time to be accounted for: after ``since``, up to and with ``now``."""

    since: datetime
    now: datetime


class Clock(Protocol):
    """Where time comes from. All instants are UTC."""

    #: A run takes no time: started = finished = due, and nothing is ever late.
    timeless: bool

    def now(self) -> datetime:
        """Give the present instant."""

    async def wait(self, until: datetime | None) -> datetime:
        """Wait until an instant (None: until `wake`), and give the present then.

        Returns early when `wake` is called.
        """

    def wake(self) -> None:
        """End a `wait` early: the schedule, the catalog or a request has changed."""

    async def pause(self, seconds: float) -> None:
        """Let that much time pass for one run (between two attempts)."""


# --- workers ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Given:
    """One value of the shared context as a run is given it."""

    value: Encoded
    source: Source


@dataclass(frozen=True, slots=True)
class Event:
    """One event that a run was started by."""

    name: str
    data: Encoded
    source: str = ""


class View(Protocol):
    """What a run may see beyond what it was handed: the world as its cycle found it."""

    def names(self) -> Sequence[str]:
        """Give the names of all values that stood when the cycle began, sorted."""

    def value(self, name: str) -> Given | None:
        """Give one value of then, or None."""

    async def fetch(self, sql: str, params: Encoded, *, one: bool) -> Encoded:
        """Answer a query on the tables of then: MessagePack list of mappings column -> value.

        Raises `ContractError` naming the statement when it cannot be answered.
        """


#: Records the writes, statements and events of a part of a run.
Commit = Callable[["Outcome"], Awaitable[None]]


@dataclass(slots=True)
class RunRequest:
    """One attempt, as a worker is asked to make it.

    ``given`` holds the values of declared needs under every name they may be asked by;
    ``timeout`` is seconds of real time; ``replay`` means virtual time: no budgets, no machine.
    """

    key: RunKey
    run_id: RunId
    attempt: int
    job: Job
    started: datetime
    timeout: float
    given: Mapping[str, Given]
    view: View
    events: Sequence[Event] = ()
    replay: bool = False
    #: A cancelled attempt is killed at once, without the grace in which it could tidy up.
    abrupt: bool = False
    #: Records what a stream has made so far, as one transaction; raises `OptifireError` when it
    #: was not written. None for what records its effects with its result.
    commit: Commit | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """One event that a run wants published after its result is committed."""

    name: str
    data: Encoded
    source: str


@dataclass(slots=True)
class Outcome:
    """How one attempt ended, and everything it wants recorded.

    ``outputs`` are the keys of the result's data, ``writes`` those of ``context.data`` (a key in
    both has one value); ``reads`` the sources of what the run looked at beyond ``given``:
    undeclared context keys, and ``feed:<symbol>`` for recorded data.
    """

    status: RunStatus
    reason: Reason | None = None
    outputs: Mapping[str, Encoded] = field(default_factory=dict)
    writes: Mapping[str, Encoded] = field(default_factory=dict)
    statements: tuple[Statement, ...] = ()
    events: tuple[Published, ...] = ()
    reads: Mapping[str, Source] = field(default_factory=dict)
    undeclared: tuple[str, ...] = ()
    usage: Usage = UNKNOWN_USAGE
    failure: Failure | None = None
    degraded: bool = False
    log: bytes = b""


class Worker(Protocol):
    """Where attempts execute. A plugin cannot tell which one it had."""

    name: str

    async def start(self) -> None:
        """Make ready; raises `OptifireError` when this machine cannot."""

    async def run(self, request: RunRequest) -> Outcome:
        """Make one attempt. Never raises but for cancellation, which ends the attempt first.

        Ends ``timed_out`` when ``request.timeout`` has passed, whatever the plugin does.
        """

    async def stop(self) -> None:
        """End everything; no process is left behind."""


@dataclass(frozen=True, slots=True)
class Description:
    """What ``describe()`` and ``plan()`` of one plugin said, as plain values.

    ``plan["schedule"]`` holds words and ``{class, fields}`` mappings of APScheduler triggers.
    ``config_schema`` is the JSON schema of the plugin's configuration, where it says one;
    ``validates_config`` tells that it wants to check a configuration itself.
    """

    plugin_id: str
    class_name: str
    metadata: Mapping[str, Any]
    plan: Mapping[str, Any]
    hooks: tuple[str, ...] = ()
    config_schema: Mapping[str, Any] | None = None
    validates_config: bool = False


class Describer(Protocol):
    """Calls ``describe()`` and ``plan()`` away from the service."""

    async def warm(self, modules: Sequence[str]) -> None:
        """Make ready for plugins whose files import these modules at the top.

        Nobody needs it, and it spares each of them the time of importing them. Raises
        `OptifireError` when it cannot be done.
        """

    async def describe(self, folder: str) -> Description:
        """Load the plugin of a folder in a process of its own and ask it.

        Raises `PluginFault` with file and line when it cannot be loaded or what it says is not
        plain.
        """

    async def accept(self, folder: str, config: Mapping[str, Any]) -> None:
        """Have a plugin check its configuration in a process of its own.

        Raises `PluginFault` with what the plugin says against it.
        """


# --- the ledger -------------------------------------------------------------------------------


class TableReader(Protocol):
    """The tables as they stood at one point in the order of commits."""

    async def fetch(self, sql: str, params: Encoded, *, one: bool, plugin_id: str = "") -> Encoded:
        """Answer one query as a MessagePack list of mappings column -> value.

        ``plugin_id`` is who asks: it may read its own and the shared tables ("": those of every
        plugin). Raises `ContractError` naming the statement.
        """

    async def close(self) -> None:
        """Let the point in time go."""


class Store(Protocol):
    """The ledger: one writer, commits in the order they were given."""

    async def open(self) -> Recovered:
        """Open, migrate, take the lock, begin a new start number.

        Raises `LockedError` naming the holder, `StoreError` with file and remedy.
        """

    async def commit(self, batch: Batch, *, hold: bool = False) -> Sequence[Rejected]:
        """Write one transaction; durable when it returns.

        With ``hold`` the transaction stays open and the next commit goes on with it (a replay
        writes one transaction a cycle); a snapshot still shows what was committed before.
        A run whose table writes fail is stored ``failed`` and returned; the rest stands. Raises
        `StoreError` when nothing of the batch could be written (full disk, read-only file).
        """

    async def snapshot(self) -> TableReader:
        """Hold the tables as they are after every commit that has returned so far."""

    async def close(self, *, clean: bool = True) -> None:
        """Write the end of this start and let the file go."""


class Ledger(Protocol):
    """Reading the ledger, also while a service writes it."""

    async def runs(self, which: RunFilter) -> Sequence[RunRow]:
        """List runs, newest due first."""

    async def run(self, run_id: str) -> RunRow | None:
        """Give one run."""

    async def attempts(self, run_id: str) -> Sequence[AttemptRow]:
        """Give the attempts of one run, oldest first."""

    async def events(self, run_id: str) -> Sequence[EventRow]:
        """Give the events that one run published."""

    async def log(self, run_id: str) -> Sequence[LogRow]:
        """Give what the attempts of one run printed."""

    async def notes(self, *, kind: str | None, since: datetime | None) -> Sequence[NoteRow]:
        """List notes, newest first."""

    async def context(self) -> Sequence[ContextValue]:
        """Give the last committed shared context."""

    async def writes(self, run_id: str) -> Sequence[Statement]:
        """Give the table writes that one run made."""

    def records(self) -> AsyncIterator[RunRecord]:
        """Go through all runs with what they left, by (due, turn, plugin id), as of now."""

    async def statuses(self) -> Mapping[str, Mapping[str, int]]:
        """Count occurrences: plugin id -> status -> how many."""

    async def prunable(self, limits: Limits, most: int) -> Sequence[RunId]:
        """List runs beyond the limits that nothing needs any more, the earliest due first."""

    async def rollups(self, which: RunFilter) -> Sequence[Rollup]:
        """Give what ended runs came to by plugin, day and status, the latest day first.

        Those that are still there and those that were removed. Of the filter, plugin, status, days
        and limit count.
        """

    async def meta(self) -> Mapping[str, str]:
        """Give the facts about this ledger itself."""

    async def configs(
        self, *, hash_: str | None = None, limit: int = 50
    ) -> Sequence[ConfigVersion]:
        """List the accepted configurations (all, or those with one hash), newest first."""


# --- recorded data ----------------------------------------------------------------------------

#: A pandas DataFrame; this floor does not import pandas.
Frame = Any


class BarReader(Protocol):
    """Recorded data, point in time: nothing is given that was not known at ``asof``."""

    def bars(
        self, symbol: str, *, asof: datetime, limit: int | None, freq: str, stale_ok: bool
    ) -> Frame:
        """Give the latest bars known at an instant, oldest first, as a pandas DataFrame.

        Raises `NoData` when there is nothing, or the series has ended before ``asof``.
        """
