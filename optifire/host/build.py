"""Builds the catalog: choose, describe, make jobs, look names up; a fault stays with its plugin."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from optifire.core.calendar import Calendar
from optifire.core.errors import ContractError, DependencyError, OptifireError
from optifire.core.graph import (
    IS_NOT_LOADED,
    IS_OFF,
    Absent,
    Declaration,
    Fault,
    Graph,
    Trouble,
    build_graph,
)
from optifire.core.job import Job
from optifire.core.ports import Description
from optifire.core.reading import Rebuild
from optifire.core.settings import Settings
from optifire.core.types import PluginId, fold_id
from optifire.host.catalog import HOST_NAMES, Catalog, Listed, PluginState, not_found
from optifire.host.descriptions import Descriptions, describe_all
from optifire.host.discovery import (
    DEFAULT_FILE,
    Candidate,
    Discovery,
)
from optifire.host.documents import Document, read_document
from optifire.host.features import Entry, Features
from optifire.host.findings import Finding, Level, error_of
from optifire.host.jobs import Parts, build_job, check_description, plan_document
from optifire.host.kept_code import KeptCode

#: Gives a calendar by name; the second argument is the place that an error names.
CalendarLoader = Callable[[str, str], Awaitable[Calendar]]


@dataclass(frozen=True, slots=True)
class Ground:
    """What a catalog is built with, whatever the configuration says."""

    descriptions: Descriptions
    calendars: CalendarLoader
    rebuild: Rebuild | None = None
    kept_code: KeptCode | None = None


@dataclass(slots=True)
class _Draft:
    """One plugin on its way into the catalog."""

    plugin_id: PluginId
    candidate: Candidate | None
    enabled: bool = False
    description: Description | None = None
    entry: Entry | None = None
    job: Job | None = None
    error: OptifireError | None = None
    stale: str = ""
    notes: list[Finding] = field(default_factory=list)

    def listed(self) -> Listed:
        state = PluginState.ACTIVE if self.job else PluginState.UNLOADED
        reason = "" if self.job else "off"
        if self.error is not None:
            state, reason = PluginState.ERROR, str(self.error)
        return Listed(
            self.plugin_id,
            state,
            self.enabled,
            reason or self.stale,
            self.candidate,
            self.description,
            self.entry,
            self.error,
            self.stale,
        )


async def build_catalog(
    *,
    ground: Ground,
    features: Features,
    settings: Settings,
    discovery: Discovery,
    variables: Mapping[str, str] | None = None,
    config_hash: str = "",
    last: Catalog | None = None,
) -> Catalog:
    """Build the catalog of one configuration over what was discovered.

    Never raises for a plugin: one at fault has the state ``error`` with its reason, and the rest
    goes on. Where new code cannot be described and ``last`` still runs the old one, a kept copy
    of the old code goes on.
    """
    drafts = {
        folded: _Draft(PluginId(candidate.plugin_id), candidate)
        for folded, candidate in discovery.candidates.items()
    }
    for folded, name in features.named.items():
        drafts.setdefault(folded, _Draft(PluginId(name), None))
    _decide(drafts, features)
    chosen = {key: draft.candidate for key, draft in drafts.items() if draft.enabled}
    await _describe(drafts, {key: each for key, each in chosen.items() if each}, ground, last)
    maker = _Maker(ground, features, settings, variables or {})
    for draft in drafts.values():
        if draft.enabled and draft.error is None:
            await _make(draft, maker, last)
    graph = await _graph(drafts, ground)
    for draft in drafts.values():
        _refuse_faulty(draft, graph)
    _keep_code(drafts, ground, last)
    jobs = {draft.job.plugin_id: draft.job for draft in drafts.values() if draft.job is not None}
    return Catalog(
        environment=features.environment,
        jobs=MappingProxyType(dict(sorted(jobs.items()))),
        graph=graph,
        plugins=MappingProxyType({key: drafts[key].listed() for key in sorted(drafts)}),
        findings=_findings(drafts, features, discovery, graph),
        config_hash=config_hash,
        roots=discovery.roots,
    )


def _decide(drafts: Mapping[str, _Draft], features: Features) -> None:
    """Find out who is switched on; an enabled plugin that nobody has is an error of its own."""
    for draft in drafts.values():
        try:
            draft.entry = features.entry(draft.plugin_id)
            draft.enabled = draft.entry.enabled
        except OptifireError as error:
            draft.enabled, draft.error = True, error
            continue
        if draft.enabled and draft.candidate is None:
            known = [each.plugin_id for each in drafts.values() if each.candidate]
            missing = not_found(draft.plugin_id, known)
            draft.error = type(missing)(
                missing.message, where=features.where(draft.plugin_id), remedy=missing.remedy
            )


async def _describe(
    drafts: Mapping[str, _Draft],
    candidates: Mapping[str, Candidate],
    ground: Ground,
    last: Catalog | None,
) -> None:
    """Ask plugins what they are; where that fails, old code that still runs goes on."""
    for key, said in (await describe_all(ground.descriptions, candidates)).items():
        draft = drafts[key]
        fault: OptifireError | None = None
        if isinstance(said, Description):
            try:
                check_description(candidates[key], said)
            except OptifireError as error:
                fault = error
            draft.description = said
            draft.plugin_id = PluginId(said.plugin_id) if fault is None else draft.plugin_id
        else:
            fault = said
        if fault is not None and not (last and _go_on(draft, fault, last, ground.kept_code)):
            draft.error = draft.error or fault


def _go_on(draft: _Draft, fault: OptifireError, last: Catalog, kept: KeptCode | None) -> bool:
    """Put the code that runs now in place of the broken one; tell whether that could be done."""
    before = last.plugins.get(fold_id(draft.plugin_id))
    job = last.jobs.get(before.plugin_id) if before else None
    if before is None or job is None or draft.candidate is None or kept is None:
        return False
    copy = kept.find(job.code.checksum, draft.candidate.folder.name)
    if copy is None or before.candidate is None:
        return False
    draft.candidate = replace(
        draft.candidate,
        folder=copy,
        checksum=job.code.checksum,
        modules=job.code.modules,
        manifest=before.candidate.manifest,
        fault=None,
    )
    draft.description, draft.plugin_id = before.description, before.plugin_id
    draft.stale = f"the old code goes on, since the new one is at fault: {fault}"
    return True


async def load_one(
    candidate: Candidate,
    *,
    ground: Ground,
    features: Features,
    settings: Settings,
    variables: Mapping[str, str] | None = None,
) -> tuple[Listed, Job | None]:
    """Describe one plugin and make its job as if it were on, whether it is or not.

    Its needs are not looked up: who else runs is a question to the whole catalog.
    """
    draft = _Draft(PluginId(candidate.plugin_id), candidate, enabled=True)
    await _describe({candidate.plugin_id: draft}, {candidate.plugin_id: candidate}, ground, None)
    if draft.error is None:
        maker = _Maker(ground, features, settings, variables or {})
        draft.error = await maker.job_of(draft)
    return draft.listed(), draft.job


async def _make(draft: _Draft, maker: "_Maker", last: Catalog | None) -> None:
    """Make the job; where new code makes it impossible, old code that still runs goes on."""
    fault = await maker.job_of(draft)
    kept = maker.ground.kept_code
    if fault and last and _is_new_code(draft, last) and _go_on(draft, fault, last, kept):
        fault = await maker.job_of(draft)
    draft.error = fault


def _is_new_code(draft: _Draft, last: Catalog) -> bool:
    """Tell whether this plugin ran with other code in the last catalog."""
    job = last.jobs.get(draft.plugin_id)
    return (
        job is not None
        and draft.candidate is not None
        and (job.code.checksum != draft.candidate.checksum)
    )


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes the jobs of described plugins."""

    ground: Ground
    features: Features
    settings: Settings
    variables: Mapping[str, str]

    async def job_of(self, draft: _Draft) -> OptifireError | None:
        """Make the job of one plugin, or give what is wrong with it."""
        candidate, description = draft.candidate, draft.description
        if candidate is None or description is None:
            return None
        try:
            below = [plan_document(candidate, description), *_default_file(candidate)]
            entry = draft.entry = self.features.entry(draft.plugin_id, below)
            where = entry.source("calendar") or "market.calendar of config.yaml"
            name = entry.get("calendar") or self.settings.market.calendar
            parts = Parts(
                candidate=candidate,
                description=description,
                entry=entry,
                calendar=await self.ground.calendars(name, where),
                tz=entry.get("tz") or self.settings.market.tz,
                rebuild=self.ground.rebuild,
                variables=self.variables,
            )
            draft.job, notes = build_job(parts)
        except OptifireError as error:
            return error
        draft.notes += notes
        return None


def _default_file(candidate: Candidate) -> list[Document]:
    """Give the plugin's own default file, an entry of features.yaml without ``enabled``."""
    file = candidate.folder / DEFAULT_FILE
    if not file.exists():
        return []
    document = read_document(file)
    if "enabled" in document.data:
        raise ContractError(
            "a plugin cannot switch itself on",
            where=document.where(("enabled",)),
            remedy="Remove enabled",
        )
    return [document]


# --- who needs whom ---------------------------------------------------------------------------


async def _graph(drafts: Mapping[str, _Draft], ground: Ground) -> Graph:
    """Look all names up; plugins that are off are asked only if a name is still open."""
    graph = _build(drafts)
    open_names = [
        each for faults in graph.faults.values() for each in faults
        if each.trouble is Trouble.MISSING
    ]  # fmt: skip
    if not open_names and not graph.notes:
        return graph
    idle = {
        key: draft.candidate
        for key, draft in drafts.items()
        if not draft.enabled and draft.candidate and draft.candidate.fault is None
    }
    if not idle:
        return graph
    for key, said in (await describe_all(ground.descriptions, idle)).items():
        if isinstance(said, Description):
            drafts[key].description = said
    return _build(drafts)


def _build(drafts: Mapping[str, _Draft]) -> Graph:
    jobs = [draft.job for draft in drafts.values() if draft.job is not None]
    return build_graph(
        [
            Declaration(job.plugin_id, job.outputs, job.inputs, job.needs, job.priority)
            for job in jobs
        ],
        absent=[_absent(draft) for draft in drafts.values() if draft.job is None],
        host_names=HOST_NAMES,
    )


def _absent(draft: _Draft) -> Absent:
    outputs = draft.description.metadata.get("outputs") if draft.description else ()
    why = IS_NOT_LOADED if draft.enabled else IS_OFF
    return Absent(draft.plugin_id, tuple(outputs or ()), why)


def _refuse_faulty(draft: _Draft, graph: Graph) -> None:
    """Turn faults of the graph into the error of the plugin that asks for the impossible."""
    faults = graph.faults.get(draft.plugin_id, ())
    if draft.job is None or not faults:
        return
    draft.error = _dependency_error(draft, faults)
    draft.job = None


def _dependency_error(draft: _Draft, faults: tuple[Fault, ...]) -> OptifireError:
    source = draft.entry.source("dependencies") if draft.entry else ""
    impl = str(draft.candidate.folder / "impl.py") if draft.candidate else ""
    return DependencyError(
        "; ".join(fault.message for fault in faults),
        where=source or impl,
        remedy="; ".join(dict.fromkeys(fault.remedy for fault in faults)),
    )


def _keep_code(drafts: Mapping[str, _Draft], ground: Ground, last: Catalog | None) -> None:
    """Keep a copy of all code that runs.

    Others go, but for those of the last catalog, whose cycles may still run. Only who has a last
    one removes any: a command beside a service must not take away what the service runs on.
    """
    if ground.kept_code is None:
        return
    running = [each for each in drafts.values() if each.job is not None]
    for draft in running:
        if draft.candidate is not None and not draft.stale:
            ground.kept_code.keep(draft.candidate)
    if last is not None:
        used = {draft.candidate.checksum for draft in running if draft.candidate}
        ground.kept_code.prune(used | {job.code.checksum for job in last.jobs.values()})


def _findings(
    drafts: Mapping[str, _Draft], features: Features, discovery: Discovery, graph: Graph
) -> tuple[Finding, ...]:
    """Collect all findings: errors, then warnings, then notes, each by place."""
    found = list(discovery.findings)
    for draft in drafts.values():
        found += draft.notes
        if draft.error is not None:
            found.append(error_of("load", draft.error, draft.plugin_id))
        elif not draft.enabled and draft.candidate is not None and draft.candidate.fault:
            fault = error_of("discovery", draft.candidate.fault, draft.plugin_id)
            found.append(replace(fault, level=Level.WARNING))
        if draft.stale:
            remedy = "Correct the new code"
            found.append(Finding("code", Level.WARNING, draft.plugin_id, draft.stale, remedy))
        if draft.job is not None:
            found += [
                Finding("schedule", Level.WARNING, draft.plugin_id, text)
                for text in draft.job.schedule.warnings
            ]
    found += [
        Finding("inputs", Level.NOTE, note.plugin_id, note.message, note.remedy)
        for note in graph.notes
    ]
    found += features.unused_variables(draft.plugin_id for draft in drafts.values())
    order = list(Level)
    return tuple(sorted(found, key=lambda each: (order.index(each.level), each.where, each.rule)))
