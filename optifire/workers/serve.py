"""The child's side of a run: takes an order from its socket, makes the attempt, answers."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from optifire.core.errors import PluginFault
from optifire.sdk.scope import in_scope
from optifire.workers import messages as say
from optifire.workers.asking import Asking
from optifire.workers.attempt import ended_by, finished
from optifire.workers.confining import confine, confine_question, told
from optifire.workers.context import (
    Surroundings,
    context_of,
    data_folder,
    scope_of,
    temp_folder,
)
from optifire.workers.describing import accepted, described
from optifire.workers.effects import Kept
from optifire.workers.guard import fence
from optifire.workers.limits import attempt_within
from optifire.workers.loading import Loaded, instance, load, running
from optifire.workers.seeding import reseed
from optifire.workers.statm import in_memory_files
from optifire.workers.staying import Staying

if TYPE_CHECKING:
    from optifire.core.ports import Outcome
    from optifire.sdk.plugin import Plugin
    from optifire.sdk.scope import Scope
    from optifire.workers.line import Line
    from optifire.workers.printed import PipeWriter
    from optifire.workers.sandbox import Ready


class Attempts:
    """Makes the attempts that arrive at one child: one, or many with loaded plugins kept.

    ``ready`` is what the child has made for a sandbox beforehand.
    """

    def __init__(
        self,
        line: Line,
        printed: PipeWriter,
        surroundings: Surroundings,
        loop: asyncio.AbstractEventLoop,
        ready: Ready | None = None,
    ) -> None:
        self._line = line
        self._printed = printed
        self._around = surroundings
        self._loop = loop
        self._ready = ready
        self._asking = Asking(line, loop, staying=False)
        self._shared = 0
        self._many = False
        #: Seconds of processor time that the sandbox took, which are not the plugin's.
        self._laying = 0.0
        self._kept: dict[tuple[str, str, bool], Loaded] = {}

    def serve(self, rss: int, shared: int, *, many: bool) -> None:
        """Answer orders until the service hangs up, or one of them.

        The first one is acknowledged before anything is done about it: whoever waits for it, for
        hours if need be, is charged from here on.
        """
        self._many = many
        acknowledged = False
        while (message := self._line.receive()) is not None:
            if not acknowledged:
                self._line.send(say.Started(rss, time.process_time(), shared))
                acknowledged = True
            answer = self._answer(message)
            if isinstance(answer, say.Done):
                self._line.send_done(answer)
            else:
                self._line.send(answer)
            if not many:
                return

    def _answer(self, message: say.ToChild) -> say.FromChild:
        if isinstance(message, say.Describe | say.Accept):
            return self._asked(message)
        if isinstance(message, say.Enter):
            return Staying(self._line, self._printed, self._around, self._loop).serve(message)
        if isinstance(message, say.Order):
            self._line.fresh()
            began = time.process_time()
            outcome = attempt_within(message.limits, lambda: self._attempt(message))
            with suppress(OSError, ValueError):  # the plugin may have closed its output
                sys.stdout.flush()
            lost, self._printed.lost = self._printed.lost, 0
            cpu = time.process_time() - began - self._laying
            return say.Done(outcome, lost, cpu, shared=self._shared)
        raise ValueError(f"a reply that nobody asked for: {message!r}")

    def _asked(self, question: say.Describe | say.Accept) -> say.FromChild:
        try:
            confine_question(question, self._around)
        except PluginFault as error:
            return say.Faulty(error.message, error.where, error.remedy)
        if isinstance(question, say.Describe):
            return described(question.folder, self._around.trigger)
        return accepted(question.folder, self._around.decode(question.config))

    def _attempt(self, order: say.Order) -> Outcome:
        kept, scope = Kept(), scope_of(order, self._around)
        reseed(order.run_id)
        try:
            self._confine(order)
            with in_scope(scope):
                loaded = self._loaded(order)
                with running(loaded):
                    return self._run(order, instance(loaded), kept, scope)
        except PluginFault as error:
            return told(ended_by(error, kept, scope, order.folder), error, order)
        finally:
            if (unframed := sys.modules.get("optifire.workers.unframed")) is not None:
                unframed.let_go()

    def _confine(self, order: say.Order) -> None:
        """Lay the sandbox, after the limits, which cannot be changed any more then."""
        if order.sandbox is None and self._ready is not None:
            self._ready.close()
        if order.sandbox is not None and not self._many:
            began = time.process_time()
            confine(order, self._around, self._ready)
            self._laying = time.process_time() - began

    def _run(self, order: say.Order, plugin: Plugin, kept: Kept, scope: Scope) -> Outcome:
        context = context_of(order, self._line, kept, scope, self._around, self._asking.fetch)
        if order.replay:
            files = os.path.realpath(order.home)
            own = (
                data_folder(files, order.plugin_id),
                temp_folder(files, order.run_id, order.attempt),
            )
            fence.raise_for((order.folder, files, *self._around.roots), own)
        try:
            result = self._drive(plugin, context)
            return finished(result, kept, scope)
        except BaseException as error:  # noqa: BLE001 - whatever the plugin raised is its outcome
            return told(ended_by(error, kept, scope, order.folder), error, order)
        finally:
            fence.lower()
            self._shared = in_memory_files() if self._line.lent else 0  # before the context lets go

    def _drive(self, plugin: Plugin, context: object) -> object:
        asyncio.set_event_loop(self._loop)
        try:
            return self._loop.run_until_complete(plugin.run(context))  # type: ignore[arg-type]
        finally:
            self._cancel_rest()

    def _cancel_rest(self) -> None:
        """End the tasks that the plugin left behind; they belong to the run."""
        rest = asyncio.all_tasks(self._loop)
        for task in rest:
            task.cancel()
        if rest:
            self._loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))

    def _loaded(self, order: say.Order) -> Loaded:
        key = (order.folder, order.checksum, order.replay)
        loaded = self._kept.get(key)
        if loaded is None:
            loaded = self._kept[key] = load(
                order.folder, replay=order.replay, checksum=order.checksum
            )
        return loaded
