"""Makes one attempt: from an admitted occurrence to its outcome. Never raises."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from optifire.core.errors import (
    ContractError,
    NoData,
    NotInReplay,
    PluginFault,
    ReplayError,
    is_retryable,
)
from optifire.core.job import Effect, Placement
from optifire.core.ports import Clock, Outcome, RunRequest, Worker
from optifire.core.run import Failure, Reason, RunKind, RunStatus
from optifire.runtime.retry import jitter_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from optifire.core.job import Job

log = logging.getLogger("optifire.runner")


class Runner:
    """Chooses the worker of a job and makes attempts in it.

    Parameters
    ----------
    workers
        One worker for each placement that this service offers.
    clock
        Lets the jitter of a job pass.
    held
        Says what holds the runs of a job, as text.
    """

    def __init__(
        self,
        workers: Mapping[Placement, Worker],
        clock: Clock,
        held: Callable[[Job], str] = lambda _: "",
    ) -> None:
        self._workers = workers
        self._clock = clock
        self.held = held

    def worker_of(self, placement: Placement) -> Worker | None:
        """Give the worker of a placement, None if there is none here."""
        return self._workers.get(placement)

    async def attempt(self, request: RunRequest) -> Outcome:
        """Make one attempt; a cancellation passes through after the attempt was ended.

        Raises
        ------
        ReplayError
            In a replay, when the safety limit of real time is hit: that makes no record.
        """
        job = request.job
        if job.jitter and request.attempt == 1:
            await self._clock.pause(jitter_seconds(request.run_id, job.jitter))
        worker = self._workers.get(job.placement)
        if worker is None:
            return failed(PluginFault(f"no {job.placement} worker here", where=job.plugin_id))
        try:
            outcome = await worker.run(request)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            of_run = {"run_id": request.run_id, "plugin_id": job.plugin_id}
            log.exception("worker %s failed around it", worker.name, extra=of_run)
            return failed(error)
        recorded = request.key.kind is RunKind.BACKFILL
        if outcome.status is RunStatus.TIMED_OUT and request.replay and not recorded:
            raise ReplayError(
                f"run took longer than {request.timeout:g} s of real time",
                where=request.run_id,
                remedy="Leave the plugin out with --plugins, or make it quicker",
            )
        if outcome.status is RunStatus.TIMED_OUT and job.effect is Effect.EFFECTFUL:
            outcome.status = RunStatus.UNKNOWN
        return outcome


def failed(error: BaseException) -> Outcome:
    """Give the outcome of an attempt that an error ended, by what the error means."""
    if isinstance(error, NoData):
        return Outcome(RunStatus.SKIPPED, Reason("no data", error.message))
    if isinstance(error, NotInReplay):
        return Outcome(RunStatus.SKIPPED, Reason("live only", error.message))
    code = "contract" if isinstance(error, ContractError) else "error"
    failure = Failure(type(error).__name__, str(error), retryable=is_retryable(error))
    return Outcome(RunStatus.FAILED, Reason(code, failure.type), failure=failure)
