"""The service's side of one resident: a plugin's process that lives from start to stop."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from optifire.core.budget import Measured, Usage
from optifire.core.held import STREAM_WINDOW
from optifire.core.limits import MIB
from optifire.core.ports import Outcome
from optifire.core.run import Failure, Reason, RunStatus
from optifire.workers import messages as say
from optifire.workers.dialogue import Dialogue
from optifire.workers.fetching import Fetches
from optifire.workers.outcomes import over_budget, spared, timed_out, within, without_answer
from optifire.workers.printed import with_loss

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from optifire.core.job import Job
    from optifire.core.limits import Limits
    from optifire.core.ports import Commit, Event, RunRequest, View
    from optifire.core.types import PluginId
    from optifire.workers.live import Live
    from optifire.workers.outward import Outward
    from optifire.workers.watching import Watching

log = logging.getLogger("optifire.residents")
#: Characters of what an event has had printed that are logged, at most.
LONGEST_NOTE: Final = 2_000
#: Seconds that the first hooks of a plugin may take, and its last ones.
START_TIMEOUT: Final = 30.0
STOP_TIMEOUT: Final = 5.0
#: The hooks by which a plugin begins and ends.
FIRST: Final = ("initialize", "start")
LAST: Final = ("stop", "cleanup")
#: A process is replaced when it holds this share of its memory limit after a run, and twice what
#: it held after its first one: it has grown, and is not just large.
GROWN: Final = 0.75


class Resident:
    """One plugin's process, and what goes on in it: runs one after another, events, hooks.

    Attributes
    ----------
    job
        The plugin as it was when this began.
    runs
        How many runs it has made.
    config
        The configuration that it began with, as it travels.
    """

    def __init__(
        self,
        job: Job,
        live: Live,
        watching: Watching,
        limits: Limits,
        outward: Outward,
        on_gone: Callable[[Resident], None],
    ) -> None:
        self.job = job
        self.runs = 0
        self._live = live
        self._limits = limits
        self._dialogue = Dialogue(live, watching, limits, Fetches(outward, live.talk, job))
        self._dialogue.on_gone = lambda: on_gone(self)
        self.config: bytes | None = None
        self._first_held = 0.0
        self._held = 0.0

    # --- what it is ------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """Give its process id, 0 while that is not known."""
        return self._live.pid

    @property
    def alive(self) -> bool:
        """Tell whether it can be asked for anything."""
        return self._dialogue.alive

    @property
    def busy(self) -> bool:
        """Tell whether something is asked of it now."""
        return self._dialogue.busy

    @property
    def grown(self) -> str:
        """Say how much it has grown, if that is too much to go on with it; else nothing."""
        limit = self._limits.mem_limit_mb
        if self._held < GROWN * limit or self._held < 2 * self._first_held:
            return ""
        return (
            f"it holds {self._held:,.0f} MB of its limit of {limit:,.0f} MB after "
            f"{self.runs:,} runs, and held {self._first_held:,.0f} MB after the first"
        )

    def serves(self, job: Job) -> bool:
        """Tell whether this is the process for a job, and not for an earlier state of it."""
        mine = self.job
        return (mine.code, mine.config_hash, mine.budget, mine.grants) == (
            job.code,
            job.config_hash,
            job.budget,
            job.grants,
        )

    # --- beginning and end -----------------------------------------------------------------

    async def enter(self, order: say.Order, view: View | None) -> Failure | None:
        """Load the plugin and call its first hooks; gives why it cannot go on."""
        self._dialogue.view = view
        hooks = [hook for hook in FIRST if hook in self.job.hooks]
        order.limits = self._limits
        self.config = order.config
        self._live.stop_after(START_TIMEOUT)
        entered = await self._dialogue.ask(say.Enter(order, hooks), say.Entered, START_TIMEOUT)
        self._live.disarm()
        self._dialogue.view = None
        return entered.failure if entered is not None else self.why_gone("it was starting")

    async def leave(self) -> Failure | None:
        """Call the last hooks and end the process; it is gone when this returns."""
        failure: Failure | None = None
        try:
            if self.alive:
                self._dialogue.leaving()
                hooks = [hook for hook in LAST if hook in self.job.hooks]
                left = await self._dialogue.ask(say.Leave(hooks), say.Left, STOP_TIMEOUT)
                failure = left.failure if left is not None else self.why_gone("it was stopping")
                self._live.answered()
                with suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(self._live.ended), STOP_TIMEOUT)
        finally:
            await self.end()
        return failure

    async def end(self) -> None:
        """End the process at once."""
        await self._dialogue.end()

    def why_gone(self, doing: str) -> Failure:
        """Say why there was no answer: the process is over its limits, too late or gone."""
        live = self._live
        if live.breach:
            said = f"went over its {live.breach} limit"
        elif live.overdue:
            said = "took too long"
        else:
            said = live.talk.garbage or live.why_lost or "its process ended"
        return Failure("ResidentEnded", f"{said} while {doing}")

    # --- what is asked of it ---------------------------------------------------------------

    async def run(self, request: RunRequest, order: say.Order) -> Outcome:
        """Make one attempt; cancelling it ends the process."""
        loop, dialogue = asyncio.get_running_loop(), self._dialogue
        began = loop.time()
        dialogue.view, dialogue.commit = request.view, metered(dialogue, request.commit)
        cpu, waited = dialogue.cpu(), dialogue.waited()
        if order.stream:
            done = await self._stream(order, request)
        else:
            done = await dialogue.ask(order, say.Done, request.timeout, cpu=cpu)
        dialogue.view = dialogue.commit = None
        wall = (loop.time() - began) * 1e3
        if done is None:
            outcome = await self._unanswered(request, cpu + waited, wall)
        else:
            self.runs += 1
            outcome = self._judged(done, cpu, wall, stream=order.stream)
        outcome.log = with_loss(self._live.log(), done.lost if done is not None else 0)
        return outcome

    async def _stream(self, order: say.Order, request: RunRequest) -> say.Done | None:
        """Give how a stream ended; one that is told to end may call its last hooks before."""
        ask = self._dialogue.ask
        try:
            done: say.Done | None = await ask(
                order, say.Done, request.timeout, window=STREAM_WINDOW, kill=request.abrupt
            )
        except asyncio.CancelledError:
            leaving = asyncio.ensure_future(self.leave())
            while not leaving.done():  # no process is left behind, however often this is told
                with suppress(asyncio.CancelledError):
                    await asyncio.shield(leaving)
            raise
        return done

    async def tell(self, event: Event, at: datetime) -> Failure | None:
        """Give an event to ``handle_event``; gives what came of it, None if all is well."""
        told = await self._dialogue.ask(say.Tell(event, at), say.Told, self.job.timeout)
        if not self.job.schedule.continuous:  # what a stream prints is kept with its next part
            note_printed(self.job.plugin_id, event.name, self._live.log())
        return told.failure if told is not None else self.why_gone(f"it handled {event.name}")

    # --- figures ---------------------------------------------------------------------------

    def _judged(self, done: say.Done, before: float, wall: float, *, stream: bool) -> Outcome:
        """Give the outcome of a run that answered, with what it used.

        Processor time is what the child says, as long as it leaves less than a millisecond
        unexplained of what its process had.
        """
        outcome = done.outcome
        cpu = max(done.cpu, self._dialogue.cpu() - before - 1e-3)
        before_it = self._dialogue.rss + spared(self._live, done.shared)
        held = max(0, done.peak - before_it + done.handed) / MIB if done.peak else None
        outcome.usage = Usage(cpu * 1e3, held, wall, Measured.EXACT)
        self._held = held or 0.0
        self._first_held = self._first_held or self._held
        what = self._limits.hard_breach(outcome.usage)
        if outcome.failure is not None and "MemoryError" in outcome.failure.traceback:
            what = "memory"
        if not what or (what == "cpu" and stream):  # that of a stream is watched by the minute
            return outcome
        return over_budget(outcome, self._limits, what)

    async def _unanswered(self, request: RunRequest, before: float, wall: float) -> Outcome:
        """Give the outcome of a run whose process has ended and said nothing."""
        gone = await asyncio.shield(self._live.ended)
        if gone is None and self._live.overdue:
            return timed_out(request)
        outcome = without_answer(self._live, request)
        if gone is not None:
            peak = max(0, gone.peak - self._dialogue.rss) / MIB
            outcome.usage = Usage(max(0.0, gone.cpu - before) * 1e3, peak, wall, Measured.METERED)
        else:
            outcome.usage = Usage(wall_ms=wall)
        return within(outcome, self._live, self._limits)


def config_for(job: Job, resident: Resident | None) -> bytes | None:
    """Give a job's configuration as it travels, where it is known to be that of its process."""
    if resident is None:
        return None
    mine = resident.job
    same = job is mine or (job.config_hash and job.config_hash == mine.config_hash)
    return resident.config if same else None


def metered(dialogue: Dialogue, commit: Commit | None) -> Commit | None:
    """Give each part of a stream what it used and printed since the part before."""
    if commit is None:
        return None
    before = dialogue.cpu()

    async def measured(part: Outcome) -> None:
        nonlocal before
        began, before = before, dialogue.cpu()
        part.usage = Usage((before - began) * 1e3, measured=Measured.EXACT)
        part.log = dialogue.live.log() + part.log
        await commit(part)

    return measured


def note_printed(plugin_id: PluginId, event: str, printed: bytes) -> None:
    """Log what ``handle_event`` has printed: it is no run, so no record holds it."""
    text = printed.decode("utf-8", "replace").strip()
    if text:
        shown = text if len(text) <= LONGEST_NOTE else f"{text[:LONGEST_NOTE]} [...]"
        log.info("handle_event(%r) printed: %s", event, shown, extra={"plugin_id": plugin_id})


def not_started(failure: Failure) -> Outcome:
    """Give the outcome of a run whose plugin could not be started."""
    reason = Reason("hook", f"it could not be started: {failure.type}: {failure.message}")
    return Outcome(RunStatus.FAILED, reason, failure=failure)


def hooks_of(job: Job) -> Sequence[str]:
    """Name the hooks of a plugin that belong to its beginning and end."""
    return [hook for hook in (*FIRST, *LAST) if hook in job.hooks]
