"""A job: a plugin as switched on, and everything the service must know to run it.

A job is an immutable snapshot. A change of configuration or code makes a new one; a cycle keeps
the jobs that it began with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from optifire.core.budget import Budget
from optifire.core.errors import ContractError
from optifire.core.permissions import NOTHING, Grants
from optifire.core.schedule import Schedule
from optifire.core.types import Category, PluginId


class Misfire(StrEnum):
    """What becomes of an occurrence that is found later than its grace."""

    SKIP = "skip"
    LATEST = "latest"
    ALL = "all"


class Overlap(StrEnum):
    """What becomes of an occurrence while an earlier run of the same job goes on."""

    SKIP = "skip"
    BUFFER_ONE = "buffer_one"
    BUFFER_ALL = "buffer_all"
    CANCEL_OTHER = "cancel_other"
    TERMINATE_OTHER = "terminate_other"
    ALLOW_ALL = "allow_all"


class Effect(StrEnum):
    """What running twice would do to the world outside the record."""

    #: Nothing: only the record changes.
    PURE = "pure"
    #: Outside effects are keyed by the run's key, so twice is as good as once.
    IDEMPOTENT = "idempotent"
    #: Never twice.
    EFFECTFUL = "effectful"


class Placement(StrEnum):
    """Where attempts execute."""

    INLINE = "inline"
    ISOLATED = "isolated"
    RESIDENT = "resident"


#: Seconds that a run may take unless the plan says otherwise, by category; 60 for all others.
TIMEOUTS: Mapping[str, float] = MappingProxyType(
    {
        Category.EXEC: 10.0,
        Category.RISK: 10.0,
        Category.ALPHA: 60.0,
        Category.FE: 60.0,
        Category.ML: 600.0,
        Category.AI: 600.0,
    }
)
DEFAULT_TIMEOUT = 60.0
DEFAULT_PRIORITY = 50
#: Occurrences that ``misfire: all`` runs at most; the older ones are coalesced.
MOST_CAUGHT_UP = 100
#: Turns that one instant may have; an event after that is refused as a loop.
MOST_TURNS = 16


class NeedMode(StrEnum):
    """How strictly a need binds the one who needs."""

    #: A fresh value must be there, else the run is skipped.
    VALUE = "value"
    #: Waits for the producer's run; a missing value does not skip.
    OPTIONAL = "optional"
    #: Order only: waits for the producer's run to end, in whatever way.
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a job needs: a plugin id or a data name, and how fresh it must be.

    ``max_age`` is event time, ``max_sessions`` counts sessions; with neither, fresh means "from
    the producer's latest occurrence".
    """

    name: str
    mode: NeedMode = NeedMode.VALUE
    max_age: timedelta | None = None
    max_sessions: int | None = None


@dataclass(frozen=True, slots=True)
class Code:
    """Where a plugin's code is, and which code it is.

    ``checksum`` is the SHA-256 over all files of the folder, ``modules`` the third-party modules
    that its files import at the top (a plugin without any runs in the light zygote).
    """

    folder: str
    class_name: str
    checksum: str
    modules: tuple[str, ...] = ()
    origin: str = "builtin"


@dataclass(frozen=True, slots=True)
class Job:
    """A plugin as switched on: when it runs, what it needs, what it may use, where it executes.

    ``schedule`` already holds the host's session events among the plan's triggers; ``listens`` are
    the other bus events. ``timeout`` and ``deadline`` are seconds; ``deadline`` counts from due.
    """

    plugin_id: PluginId
    version: str
    category: str
    schedule: Schedule
    code: Code
    listens: frozenset[str] = frozenset()
    needs: tuple[Need, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    misfire: Misfire | None = None
    overlap: Overlap = Overlap.SKIP
    deadline: float | None = None
    timeout: float = DEFAULT_TIMEOUT
    retries: int = 0
    effect: Effect = Effect.PURE
    priority: int = DEFAULT_PRIORITY
    placement: Placement = Placement.ISOLATED
    budget: Budget = field(default_factory=Budget)
    jitter: float = 0.0
    intraday: bool = False
    observes_machine: bool = False
    config: Mapping[str, Any] = field(default_factory=dict)
    config_hash: str = ""
    #: What the plugin declares and the operator grants.
    grants: Grants = NOTHING
    #: Whether the layers of the sandbox are to go around its runs, and whether this machine lacks
    #: some and nobody has accepted that.
    sandbox: bool = False
    degraded: bool = False
    #: The hooks that the plugin defines itself: `initialize`, `start`, `stop`, `cleanup`,
    #: `handle_event`.
    hooks: tuple[str, ...] = ()

    @property
    def handles_events(self) -> bool:
        """Whether bus events are told to it, instead of starting runs."""
        return "handle_event" in self.hooks

    @property
    def is_risk(self) -> bool:
        """Whether risk defaults apply."""
        return self.category == Category.RISK

    @property
    def is_exec(self) -> bool:
        """Whether the rules of order execution apply."""
        return self.category == Category.EXEC


_AGE_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_NEED_KEYS = frozenset({"needs", "after", "optional", "max_age"})
_NEED_REMEDY = (
    'Write a name, {"needs": NAME, "max_age": "1d"}, {"after": NAME} or {"optional": NAME}'
)


def parse_age(text: str, where: str = "") -> tuple[timedelta | None, int | None]:
    """Read ``"90m"``, ``"1d"`` or ``"2 sessions"``: (elapsed time, None) or (None, sessions)."""
    count, _, unit = text.strip().lower().partition(" ")
    if unit in {"session", "sessions"} and count.isdecimal():
        return None, int(count)
    number, unit = text.strip()[:-1], text.strip()[-1:].lower()
    if number.isdecimal() and unit in _AGE_UNITS:
        seconds = int(number) * _AGE_UNITS[unit]
        if 0 < seconds <= timedelta.max.total_seconds():
            return timedelta(seconds=seconds), None
    raise ContractError(
        f"{text!r} is not an age",
        where=where,
        remedy='Write a number and a unit (s, m, h, d, w), as in "90m", or "1 session"',
    )


def parse_need(spec: object, where: str = "") -> Need:
    """Read one entry of ``dependencies``: a name, or a mapping as `semantics` defines it.

    Raises
    ------
    ContractError
        Naming the entry when it is none of the known forms.
    """
    if isinstance(spec, str) and spec:
        return Need(spec)
    if not isinstance(spec, Mapping) or not spec or not set(spec) <= _NEED_KEYS:
        raise ContractError(f"{spec!r} is not a dependency", where=where, remedy=_NEED_REMEDY)
    forms = [key for key in ("needs", "after", "optional") if key in spec]
    if len(forms) != 1:
        raise ContractError(f"{dict(spec)!r} must say one thing", where=where, remedy=_NEED_REMEDY)
    return _need_of_form(forms[0], spec, where)


def _need_of_form(form: str, spec: Mapping[object, object], where: str) -> Need:
    """Read a mapping that has exactly one of the three forms."""
    inner = spec[form]
    if form == "optional" and isinstance(inner, Mapping) and "needs" in inner and len(spec) == 1:
        base = parse_need(inner, where)
        return Need(base.name, NeedMode.OPTIONAL, base.max_age, base.max_sessions)
    if not isinstance(inner, str) or not inner or (form == "after" and "max_age" in spec):
        raise ContractError(f"{dict(spec)!r} is not a dependency", where=where, remedy=_NEED_REMEDY)
    mode = {"needs": NeedMode.VALUE, "after": NeedMode.AFTER, "optional": NeedMode.OPTIONAL}[form]
    age: timedelta | None = None
    sessions: int | None = None
    if "max_age" in spec:
        age, sessions = parse_age(str(spec["max_age"]), where)
    return Need(inner, mode, age, sessions)
