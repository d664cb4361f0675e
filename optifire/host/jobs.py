"""From a description and the operator's entry to a `Job`; whatever does not fit names its place."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType

from optifire.core.budget import Budget, budget_for
from optifire.core.calendar import Calendar
from optifire.core.errors import ConfigError
from optifire.core.graph import combine_needs
from optifire.core.job import (
    DEFAULT_PRIORITY,
    DEFAULT_TIMEOUT,
    TIMEOUTS,
    Code,
    Effect,
    Job,
    Misfire,
    Need,
    Overlap,
    Placement,
    parse_need,
)
from optifire.core.permissions import NOTHING, Grants
from optifire.core.ports import Description
from optifire.core.reading import Rebuild
from optifire.core.sandboxing import OPEN, Sandboxing
from optifire.core.schedule import Schedule, parse_schedule
from optifire.core.session import SESSION_EVENTS
from optifire.core.types import Category, PluginId
from optifire.core.words import require_zone
from optifire.host.discovery import Candidate
from optifire.host.features import Entry
from optifire.host.findings import Finding, Level
from optifire.host.granting import NOTHING_RESERVED, Reserved, grants_of
from optifire.host.plugin_config import plugin_config
from optifire.host.sandboxing import sandboxing_notes, sandboxing_of

EXEC_DEADLINE = 60.0
#: A period below which a process of its own for each run would be most of the work, in seconds.
OFTEN = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Parts:
    """All that a job is made of."""

    candidate: Candidate
    description: Description
    entry: Entry
    calendar: Calendar
    tz: str | None = None
    rebuild: Rebuild | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    reserved: Reserved = NOTHING_RESERVED
    #: The layers of the sandbox that this machine lacks; None: nobody lays one.
    missing: tuple[str, ...] | None = None
    grants: Grants = NOTHING
    sandboxing: Sandboxing = OPEN

    @property
    def category(self) -> str:
        """The plugin's category."""
        return str(self.description.metadata.get("category") or Category.INFRA)

    @property
    def impl(self) -> str:
        """The file that a fault of the plugin itself is about."""
        return str(self.candidate.folder / "impl.py")


def build_job(parts: Parts) -> tuple[Job, tuple[Finding, ...]]:
    """Make the job of one plugin, and what somebody should know about it.

    Raises
    ------
    OptifireError
        The plugin or its configuration is at fault; the error names plugin, file and key.
    """
    entry, metadata = parts.entry, parts.description.metadata
    grants, granting = grants_of(metadata, entry, parts.impl, parts.reserved)
    sandboxing = sandboxing_of(parts.candidate, entry, parts.missing)
    parts = replace(parts, grants=grants, sandboxing=sandboxing)
    schedule, listens = _schedule(parts)
    _check_jitter(parts, schedule)
    placement, notes = _placement(parts, schedule)
    retries, more = _retries(parts)
    misfire = entry.get("misfire")
    deadline = entry.get("deadline")
    if deadline is None and parts.category == Category.EXEC:
        deadline = EXEC_DEADLINE
    timeout = entry.get("timeout") or TIMEOUTS.get(parts.category, DEFAULT_TIMEOUT)
    job = Job(
        plugin_id=PluginId(parts.description.plugin_id),
        version=str(metadata.get("version") or ""),
        category=parts.category,
        schedule=schedule,
        code=_code(parts),
        listens=listens,
        needs=_needs(parts),
        inputs=tuple(metadata.get("inputs") or ()),
        outputs=tuple(metadata.get("outputs") or ()),
        misfire=Misfire(misfire) if misfire is not None else None,
        overlap=_overlap(parts),
        deadline=deadline,
        timeout=timeout,
        retries=retries,
        effect=_effect(parts),
        priority=entry.get("priority") or DEFAULT_PRIORITY,
        placement=placement,
        budget=_budget(parts),
        jitter=entry.get("jitter") or 0.0,
        intraday=entry.get("intraday") is True,
        observes_machine=metadata.get("observes") == "machine",
        config=MappingProxyType(
            plugin_config(entry, parts.variables, parts.description.config_schema, parts.impl)
        ),
        config_hash=config_hash(entry),
        hooks=parts.description.hooks,
        grants=grants,
        sandbox=sandboxing.laid,
        degraded=sandboxing.degraded,
    )
    asked = sandboxing_notes(entry, parts.missing)
    return job, (*granting, *asked, *_forced(parts), *notes, *more)


def _code(parts: Parts) -> Code:
    candidate = parts.candidate
    return Code(
        str(candidate.folder),
        parts.description.class_name,
        candidate.checksum,
        candidate.modules,
        candidate.origin,
    )


def _schedule(parts: Parts) -> tuple[Schedule, frozenset[str]]:
    """Give the schedule, session events included, and the other events that start the job."""
    words, triggers = parts.entry.get("schedule"), parts.entry.get("triggers") or ()
    if words is None and not triggers:
        raise ConfigError(
            "the plan says neither schedule nor triggers",
            where=parts.impl,
            remedy='Say when it runs; "@manual" is for a job that never runs by itself',
        )
    if zone := parts.entry.get("tz"):
        require_zone(zone, parts.entry.source("tz"))
    schedule = parse_schedule(
        list(words) if isinstance(words, tuple) else words or "@event",
        calendar=parts.calendar,
        tz=parts.tz,
        half_day=parts.entry.get("half_day") or "follow",
        events=tuple(dict.fromkeys(name for name in triggers if name in SESSION_EVENTS)),
        rebuild=parts.rebuild,
        where=parts.entry.source("schedule") or parts.entry.source("triggers") or parts.impl,
    )
    return schedule, frozenset(triggers) - frozenset(SESSION_EVENTS)


def _check_jitter(parts: Parts, schedule: Schedule) -> None:
    on_session = [entry.word for entry in schedule.entries if entry.misfire == "skip"]
    if parts.entry.get("jitter") and on_session:
        raise ConfigError(
            f"jitter is never on session words, and {on_session[0]} is one",
            where=parts.entry.source("jitter"),
            remedy="Remove jitter",
        )


def _lives_on(parts: Parts, schedule: Schedule) -> str:
    """Say why a plugin needs a process that lives on; nothing if it does not."""
    if parts.description.hooks:
        return f"it has {parts.description.hooks[0]}()"
    if schedule.continuous:
        return "it is @continuous"
    period = schedule.shortest_period
    return f"it runs each {period.total_seconds():g} s" if period and period < OFTEN else ""


def _placement(parts: Parts, schedule: Schedule) -> tuple[Placement, tuple[Finding, ...]]:
    """Give where it executes: inline is for bundled plugins whose operator says so."""
    asked, source = parts.entry.get("isolation"), parts.entry.source("isolation")
    why = _lives_on(parts, schedule)
    if why and asked is not None and asked != Placement.RESIDENT:
        message = f"isolation: {asked} has no effect, since {why}; it runs resident"
        remedy = "Remove it, or write isolation: resident"
        return Placement.RESIDENT, (Finding("isolation", Level.WARNING, source, message, remedy),)
    if why or asked == Placement.RESIDENT:
        return Placement.RESIDENT, ()
    if asked != Placement.INLINE:
        return Placement.ISOLATED, ()
    if parts.candidate.builtin and source.startswith(str(parts.candidate.folder)):
        return Placement.ISOLATED, ()  # a plan may wish; features.yaml decides
    message, remedy = _not_inline(parts)
    if message:
        return Placement.ISOLATED, (Finding("isolation", Level.WARNING, source, message, remedy),)
    return Placement.INLINE, ()


def _not_inline(parts: Parts) -> tuple[str, str]:
    """Say why a plugin is not placed inline, and what to do; empty if it may be."""
    if not parts.candidate.builtin:
        message = "inline takes effect for bundled plugins only; it runs isolated"
        return message, "Write isolation: isolated"
    if parts.sandboxing.laid:
        message = "nothing contains an inline plugin, and sandbox: true wants it: it runs isolated"
        return message, "Remove isolation: inline, or sandbox: true"
    return "", ""


def _retries(parts: Parts) -> tuple[int, tuple[Finding, ...]]:
    retries = parts.entry.get("retries") or 0
    if retries and parts.category == Category.EXEC:
        where, message = parts.entry.source("retries"), "exec is never retried; retries is 0"
        return 0, (Finding("retries", Level.WARNING, where, message, "Remove retries"),)
    return retries, ()


def _overlap(parts: Parts) -> Overlap:
    asked = parts.entry.get("overlap")
    if asked is None:
        return Overlap.BUFFER_ONE if parts.category == Category.RISK else Overlap.SKIP
    overlap = Overlap(asked)
    where = parts.entry.source("overlap")
    if overlap is Overlap.ALLOW_ALL and parts.category == Category.EXEC:
        raise ConfigError("exec may not overlap itself", where=where, remedy="Write overlap: skip")
    if overlap is Overlap.TERMINATE_OTHER and _effect(parts) is Effect.EFFECTFUL:
        raise ConfigError(
            "an effectful run is never killed for another one",
            where=where,
            remedy="Write overlap: skip, buffer_one or cancel_other",
        )
    return overlap


def _effect(parts: Parts) -> Effect:
    """Give what running twice would do; who may trade never runs twice."""
    if parts.grants.trade:
        return Effect.EFFECTFUL
    asked = parts.entry.get("effect")
    if asked is None:
        return Effect.EFFECTFUL if parts.category == Category.EXEC else Effect.PURE
    return Effect(asked)


def _forced(parts: Parts) -> Iterator[Finding]:
    """Tell who asks for another effect than that of a plugin that may trade."""
    asked = parts.entry.get("effect")
    if parts.grants.trade and asked not in {None, Effect.EFFECTFUL}:
        message = f"a plugin that may trade is effectful; effect: {asked} changes nothing"
        where = parts.entry.source("effect")
        yield Finding("effect", Level.WARNING, where, message, "Write effect: effectful")


def _budget(parts: Parts) -> Budget:
    metadata = parts.description.metadata
    return budget_for(
        cpu_ms=parts.entry.get("budget.cpu_ms"),
        mem_mb=parts.entry.get("budget.mem_mb"),
        est_cpu_ms=metadata.get("est_cpu_ms"),
        est_mem_mb=metadata.get("est_mem_mb"),
    )


def _needs(parts: Parts) -> tuple[Need, ...]:
    """Join the dependencies of the metadata with those of the plan or of features.yaml."""
    stated = parts.description.metadata.get("dependencies") or ()
    own = [parse_need(each, f"{parts.impl}: describe(): dependencies") for each in stated]
    return combine_needs(own, parts.entry.get("dependencies") or ())


def config_hash(entry: Entry) -> str:
    """Give a short hash over everything that was decided for one plugin; no secret is in it."""
    said = sorted((".".join(path), repr(found.value)) for path, found in entry.leaves.items())
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]
