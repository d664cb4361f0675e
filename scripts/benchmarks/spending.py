"""Runs that use what they are told to use, isolated or inline."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks import ours
from benchmarks.measure import require
from optifire.core.job import Code, Placement
from optifire.core.ports import RunRequest, Worker
from optifire.core.run import RunKey, RunStatus
from optifire.core.types import PluginId
from optifire.runtime.blackboard import CycleView, RunView

if TYPE_CHECKING:
    from optifire.core.budget import Budget
    from optifire.core.ports import Outcome

DUE = datetime(2018, 11, 23, 18, tzinfo=UTC)
FOLDER = Path(__file__).with_name("loads")


def asked(
    do: str,
    *,
    number: int = 0,
    budget: Budget = ours.ROOMY,
    placement: Placement = Placement.ISOLATED,
    **config: object,
) -> RunRequest:
    """Ask for a run of one of the loads."""
    job = ours.job_of("loads", FOLDER, ours.schedule_of("@manual"), placement=placement)
    job = replace(
        job,
        plugin_id=PluginId(f"loads_{number}"),
        code=Code(str(FOLDER), "Loads", "bench"),
        config={"do": do, **config},
        budget=budget,
    )
    key = RunKey(job.plugin_id, DUE)
    view = RunView(CycleView({}, None), job.plugin_id)
    return RunRequest(key, key.run_id, 1, job, DUE, 30.0, {}, view)


def used(outcome: Outcome) -> Any:  # noqa: ANN401 - what the load gives
    """Give what a run says that it used."""
    require(outcome.status, RunStatus.SUCCEEDED, f"{outcome.reason} {outcome.failure}")
    return msgspec.msgpack.decode(outcome.outputs["used"])


def figure(value: float | None) -> float:
    """Give a figure of a run; one that nobody measured ends the bench."""
    if value is None:
        raise RuntimeError("the run has no figure")
    return value


async def stopped(worker: Worker, request: RunRequest) -> tuple[Outcome, float]:
    """Make a run that is to be stopped; gives its outcome and when its process was gone."""
    outcome = await worker.run(request)
    gone = time.monotonic()
    require(outcome.status, RunStatus.OVER_BUDGET, f"{outcome.reason} {outcome.failure}")
    return outcome, gone
