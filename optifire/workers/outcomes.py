"""Outcomes of attempts that gave no answer of their own, and what attempts used."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Final

from optifire.core.budget import Measured, Usage
from optifire.core.job import Effect
from optifire.core.ports import Outcome
from optifire.core.run import Failure, Reason, RunStatus

if TYPE_CHECKING:
    from optifire.core.errors import OptifireError
    from optifire.core.ports import RunRequest
    from optifire.workers import messages as say
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


def usage_of(exit_: say.Ended | None, rss: int, wall: float) -> Usage:
    """Give what the kernel summed up; peak memory is what lies above that of the first line."""
    if exit_ is None:
        return Usage(wall_ms=wall * 1e3)
    grown = max(0, exit_.peak - rss) / _MIB if rss else None
    return Usage(exit_.cpu * 1e3, grown, wall * 1e3, Measured.METERED)


def _crashed(code: str, detail: str) -> Outcome:
    failure = Failure("WorkerCrashed", detail)
    return Outcome(RunStatus.CRASHED, Reason(code, detail), failure=failure)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"  # a real-time signal has no name of its own
