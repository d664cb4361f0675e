"""Builds the catalog: choose, describe, make jobs, look names up; a fault stays with its plugin."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from optifire.core.errors import DependencyError, OptifireError
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
from optifire.core.ports import Description
from optifire.core.settings import Settings
from optifire.core.types import PluginId
from optifire.host.catalog import HOST_NAMES, Catalog, not_found
from optifire.host.descriptions import describe_all
from optifire.host.discovery import (
    Discovery,
)
from optifire.host.drafts import Draft, Ground, describe_drafts, make_job, maker_of
from optifire.host.features import Features
from optifire.host.findings import Finding, Level, error_of

__all__ = ["Ground", "build_catalog"]


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
        folded: Draft(PluginId(candidate.plugin_id), candidate)
        for folded, candidate in discovery.candidates.items()
    }
    for folded, name in features.named.items():
        drafts.setdefault(folded, Draft(PluginId(name), None))
    _decide(drafts, features)
    chosen = {key: draft.candidate for key, draft in drafts.items() if draft.enabled}
    await describe_drafts(drafts, {key: each for key, each in chosen.items() if each}, ground, last)
    maker = maker_of(ground, features, settings, variables)
    for draft in drafts.values():
        if draft.enabled and draft.error is None:
            await make_job(draft, maker, last)
            await asyncio.sleep(0)  # noqa: TID251 - no time passes; what is due has its turn
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
        missing=ground.missing or (),
    )


def _decide(drafts: Mapping[str, Draft], features: Features) -> None:
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


# --- who needs whom ---------------------------------------------------------------------------


async def _graph(drafts: Mapping[str, Draft], ground: Ground) -> Graph:
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


def _build(drafts: Mapping[str, Draft]) -> Graph:
    jobs = [draft.job for draft in drafts.values() if draft.job is not None]
    return build_graph(
        [
            Declaration(job.plugin_id, job.outputs, job.inputs, job.needs, job.priority)
            for job in jobs
        ],
        absent=[_absent(draft) for draft in drafts.values() if draft.job is None],
        host_names=HOST_NAMES,
    )


def _absent(draft: Draft) -> Absent:
    said = draft.description.metadata.get("outputs") if draft.description else ()
    outputs = tuple(each for each in said or () if isinstance(each, str))  # nobody checked it
    return Absent(draft.plugin_id, outputs, IS_NOT_LOADED if draft.enabled else IS_OFF)


def _refuse_faulty(draft: Draft, graph: Graph) -> None:
    """Turn faults of the graph into the error of the plugin that asks for the impossible."""
    faults = graph.faults.get(draft.plugin_id, ())
    if draft.job is None or not faults:
        return
    draft.error = _dependency_error(draft, faults)
    draft.job = None


def _dependency_error(draft: Draft, faults: tuple[Fault, ...]) -> OptifireError:
    """Name the plan or the line of features.yaml where it is one of these that asks for it."""
    where = str(draft.candidate.folder / "impl.py") if draft.candidate else draft.plugin_id
    said = draft.entry.get("dependencies") if draft.entry else None
    names = {need.name for need in said or ()}
    if draft.entry and any(not fault.name or fault.name in names for fault in faults):
        where = draft.entry.source("dependencies") or where
    return DependencyError(
        "; ".join(fault.message for fault in faults),
        where=where,
        remedy="; ".join(dict.fromkeys(fault.remedy for fault in faults)),
    )


def _keep_code(drafts: Mapping[str, Draft], ground: Ground, last: Catalog | None) -> None:
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
    drafts: Mapping[str, Draft], features: Features, discovery: Discovery, graph: Graph
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
