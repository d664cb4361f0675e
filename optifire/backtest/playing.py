"""From a home and options to a finished replay: reads the configuration, joins the parts."""

from __future__ import annotations

import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from optifire.app.joining import Catalogs, read_configuration
from optifire.app.speaking import secrets_of
from optifire.app.working import worker_settings
from optifire.backtest.replay import Progress, Replay, ReplayOptions, ReplayResult
from optifire.core.errors import ConfigError
from optifire.core.graph import Absent, Declaration, build_graph
from optifire.host.catalog import HOST_NAMES, Catalog
from optifire.ops.masking import Masker
from optifire.runtime.clock import wall_now
from optifire.runtime.engine import Program
from optifire.store.sqlite import SqliteStore
from optifire.workers.isolated import IsolatedWorker, WorkerSettings
from optifire.workers.pooled import PooledWorker
from optifire.workers.sandbox import missing, offered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from optifire.core.job import Job
    from optifire.core.types import PluginId
    from optifire.host.home import Home

#: Why a job that looks at the running machine is not played.
OBSERVES = "observes the machine, which is not part of a replay"


async def replay(
    home: Home,
    options: ReplayOptions,
    progress: Callable[[Progress], None] = lambda _: None,
) -> ReplayResult:
    """Play the home's plugins over recorded days.

    Raises
    ------
    ConfigError
        The configuration is wrong, a plugin is not switched on, or the days are not covered.
    ReplayError
        The ledger is finished or another replay's, or a run hit the safety limit.
    """
    async with AsyncExitStack() as resources:
        configuration = read_configuration(home)
        settings = worker_settings(
            home, configuration.settings, replay=True, shift_after=options.shift_after
        )
        describer = IsolatedWorker(settings)
        resources.push_async_callback(describer.stop)
        catalogs = Catalogs(home, describer, missing(offered()))
        catalog = await catalogs.build(configuration)
        calendar = await catalogs.calendars.market(configuration.settings)
        jobs = chosen(catalog, options.plugins)
        left_out = reasons_left_out(catalog) if options.plugins is None else {}
        if options.db is None:
            folder = resources.enter_context(tempfile.TemporaryDirectory(prefix="optifire-"))
            path = Path(folder) / "replay.db"
        else:
            path = options.db
        worker = describer if options.isolated else _pooled(settings, options, jobs)
        ledger = SqliteStore(path, clock=wall_now, synchronous="NORMAL", journal=False)
        playing = Replay(
            program_of(
                {each: job for each, job in jobs.items() if not why_live_only(job)}, catalog
            ),
            calendar,
            options,
            worker,
            ledger,
            progress=progress,
            left_out=left_out,
            mask=Masker(secrets_of(configuration)),
        )
        return await playing.run()


def _pooled(
    settings: WorkerSettings, options: ReplayOptions, jobs: Mapping[PluginId, Job]
) -> PooledWorker:
    """Give long-lived workers that have imported what these jobs import at the top."""
    modules = sorted({module for job in jobs.values() for module in job.code.modules})
    return PooledWorker(settings, size=options.workers, modules=modules)


def chosen(catalog: Catalog, plugins: tuple[str, ...] | None) -> Mapping[PluginId, Job]:
    """Give the jobs to play: all that are switched on, or those named, with a check of each.

    Raises
    ------
    ConfigError
        A plugin that was named is not switched on or has no part in a replay; a plugin at fault
        raises its own error.
    """
    if plugins is None:
        return catalog.jobs
    found: dict[PluginId, Job] = {}
    for name in plugins:
        listed = catalog.find(name)
        if listed.error is not None:
            raise listed.error
        if listed.plugin_id not in catalog.jobs:
            raise ConfigError(
                f"{listed.plugin_id} is switched off",
                where="--plugins",
                remedy=f"Run `optifire plugins enable {listed.plugin_id}` first",
            )
        job = catalog.jobs[listed.plugin_id]
        if why := why_live_only(job):
            raise ConfigError(f"{listed.plugin_id} {why}", where="--plugins", remedy="Leave it out")
        found[listed.plugin_id] = job
    return found


def reasons_left_out(catalog: Catalog) -> Mapping[PluginId, str]:
    """Give why plugins that are switched on have no part in a replay, by id."""
    at_fault = {
        listed.plugin_id: f"at fault: {listed.error}"
        for listed in catalog.plugins.values()
        if listed.enabled and listed.error is not None
    }
    live_only = {each: why_live_only(job) for each, job in catalog.jobs.items()}
    return at_fault | {each: why for each, why in live_only.items() if why}


def why_live_only(job: Job) -> str:
    """Say why a job has no part in any replay; nothing if it has."""
    if job.observes_machine:
        return OBSERVES
    if job.schedule.continuous:
        return "is a stream, which goes on by itself"
    if job.hooks:
        return f"lives from start to stop (it has {job.hooks[0]}()), which no replay does"
    return ""


def program_of(jobs: Mapping[PluginId, Job], catalog: Catalog) -> Program:
    """Give the program of some jobs; what they need of the others is absent, and says so."""
    graph = build_graph(
        [
            Declaration(job.plugin_id, job.outputs, job.inputs, job.needs, job.priority)
            for job in jobs.values()
        ],
        absent=[
            Absent(job.plugin_id, job.outputs, "has no part in this replay")
            for job in catalog.jobs.values()
            if job.plugin_id not in jobs
        ],
        host_names=HOST_NAMES,
    )
    return Program({each: jobs[each] for each in graph.order}, graph)
