"""Outcomes of attempts that gave no answer of their own, and what attempts used."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from optifire.core.budget import UNKNOWN_USAGE, Measured, Usage
from optifire.core.job import Effect
from optifire.core.ports import Outcome
from optifire.core.run import Failure, Reason, RunStatus

if TYPE_CHECKING:
    from optifire.core.errors import OptifireError
    from optifire.core.limits import Limits
    from optifire.core.ports import RunRequest
    from optifire.workers import messages as say
    from optifire.workers.floor import Floor
    from optifire.workers.live import Live

_MIB: Final = float(1 << 20)


def not_made(error: OptifireError) -> Outcome:
    """Give the outcome of an attempt that could not be started."""
    failure = Failure(type(error).__name__, str(error), retryable=error.retryable)
    return Outcome(RunStatus.FAILED, Reason("not started", str(error)), failure=failure)


def timed_out(request: RunRequest) -> Outcome:
    """Give the outcome of an attempt that took too long; of an effectful one nobody can tell."""
    said = f"took longer than its timeout of {request.timeout:g} s"
    effectful = request.job.effect is Effect.EFFECTFUL and not request.replay
    status = RunStatus.UNKNOWN if effectful else RunStatus.TIMED_OUT
    return Outcome(status, Reason("timeout", said), failure=Failure("RunTimeoutError", said))


def without_answer(live: Live, request: RunRequest) -> Outcome:
    """Give the outcome of an attempt whose process has ended and said nothing."""
    exit_ = live.ended.result()
    if live.overdue:
        return timed_out(request)
    if live.talk.garbage:
        return _crashed("garbage", f"what it sent is no answer: {live.talk.garbage}")
    if exit_ is None:
        return _crashed("zygote", live.why_lost)
    if os.WIFSIGNALED(exit_.status):
        return _crashed("signal", f"killed by {_signal_name(os.WTERMSIG(exit_.status))}")
    code = os.waitstatus_to_exitcode(exit_.status)
    return _crashed("exit", f"ended with code {code} and no answer")


def within(outcome: Outcome, live: Live, limits: Limits | None) -> Outcome:
    """Give the outcome that the limits leave: over budget if a hard one was passed.

    The figures decide, not whether it was seen in time: a run that passed a hard limit and ended
    before it could be stopped is over budget as well, and what it handed over is not kept.
    """
    if live.seen is not UNKNOWN_USAGE:
        outcome.usage = at_least(outcome.usage, live.seen)
    if limits is None or live.overdue:
        return outcome
    what = live.breach or limits.hard_breach(outcome.usage) or _stopped_by_kernel(outcome, live)
    if not what:
        return outcome
    return over_budget(outcome, limits, what, live.tasks)


def at_least(usage: Usage, seen: Usage) -> Usage:
    """Give what was used, and no less than what was seen while it was."""
    cpu, mem = (usage.cpu_ms, seen.cpu_ms), (usage.mem_mb, seen.mem_mb)
    return replace(
        usage,
        cpu_ms=max((each for each in cpu if each is not None), default=None),
        mem_mb=max((each for each in mem if each is not None), default=None),
    )


def over_budget(outcome: Outcome, limits: Limits, what: str, tasks: int = 0) -> Outcome:
    """Give the outcome of an attempt that went over a hard limit: ``cpu``, ``memory``, ...

    ``tasks`` are the processes and threads that it had.
    """
    said, trace = limits.told(what, outcome.usage, tasks), ""
    if outcome.failure is not None:
        trace, refusal = outcome.failure.traceback, outcome.failure.message
        if what == "memory" and refusal and outcome.failure.type.endswith("MemoryError"):
            said = f"{said} ({refusal})"
    return Outcome(
        RunStatus.OVER_BUDGET,
        Reason(what, said),
        usage=outcome.usage,
        failure=Failure("BudgetExceeded", said, trace),
        log=outcome.log,
    )


def _stopped_by_kernel(outcome: Outcome, live: Live) -> str:
    """Name the limit at which the kernel refused memory, or stopped the process itself."""
    if outcome.status is RunStatus.OVER_BUDGET:
        return "memory"
    exit_ = live.ended.result()
    if exit_ is None or not os.WIFSIGNALED(exit_.status):
        return ""
    return "cpu" if os.WTERMSIG(exit_.status) == signal.SIGXCPU else ""


def usage_of(
    exit_: say.Ended | None,
    started: say.Started | None,
    wall: float,
    floor: Floor | None = None,
    own: float | None = None,
    more: int = 0,
) -> Usage:
    """Give what the kernel summed up, less what a run takes that does nothing.

    Peak memory is what lies above that of the first line, and processor time what was taken after
    it. Of processor time the end of a process takes a part that varies with what else the machine
    does; ``own``, the seconds that the child has read from its clock around the attempt, is
    without it. That is taken as long as it leaves no more than twice the floor unexplained: a
    plugin could say anything, and what processes took that it waited for is in the sum alone.
    ``more`` are bytes to be added to the peak, those of shared files (see `shared_bytes`).
    """
    if exit_ is None:
        return Usage(wall_ms=wall * 1e3)
    peak = floor.peak if floor is not None else 0
    grown = max(0, exit_.peak - started.rss - peak + more) / _MIB if started is not None else None
    taken = exit_.cpu - started.cpu if started is not None else exit_.cpu
    return Usage(_cpu(taken, floor, own) * 1e3, grown, wall * 1e3, Measured.METERED)


def shared_bytes(live: Live, started: say.Started | None, done: say.Done | None) -> int:
    """Give what shared files change about the peak of a run, in bytes.

    What it handed over in files is its own, though it never lay in its resident memory; what it
    was lent is not.
    """
    if started is None:
        return 0
    if done is None:
        return -spared(live, live.shared - started.shared)
    return done.handed - spared(live, done.shared)


def spared(live: Live, shared: int) -> int:
    """Give the resident bytes of a child that lie in files which it was lent.

    They are those in files of memory, as the child says, or what has come to those in files of any
    kind, as is seen from here; never more than the size of what was lent.
    """
    return max(0, min(live.talk.lent_bytes, shared))


def _cpu(total: float, floor: Floor | None, own: float | None) -> float:
    """Give processor seconds of a plugin out of those of its process."""
    if floor is None:
        return total
    if own is None:
        return max(0.0, total - floor.cpu)
    return min(total, max(0.0, own - floor.attempt, total - 2 * floor.cpu))


def _crashed(code: str, detail: str) -> Outcome:
    failure = Failure("WorkerCrashed", detail)
    return Outcome(RunStatus.CRASHED, Reason(code, detail), failure=failure)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"  # a real-time signal has no name of its own
