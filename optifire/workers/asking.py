"""The child's side of ``context.http``: the service is asked, and the plugin's loop goes on."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING, Final

from optifire.core.errors import ContractError
from optifire.workers import messages as say
from optifire.workers.fetching import response_of

if TYPE_CHECKING:
    from optifire.sdk.http import Call, Response
    from optifire.workers.line import Line

#: Calls that are open at once; more wait here. The service takes a few more before it refuses.
MOST_OPEN: Final = 4


class Asking:
    """Asks the service to fetch, over the run's socket; every answer carries its call's number.

    Parameters
    ----------
    staying
        The socket is read all the time by somebody who calls `take`; otherwise it is read here,
        while a call is open.
    """

    def __init__(self, line: Line, loop: asyncio.AbstractEventLoop, *, staying: bool) -> None:
        self._line = line
        self._loop = loop
        self._staying = staying
        self._numbers = count(1)
        self._slots = asyncio.Semaphore(MOST_OPEN)
        self._open: dict[int, asyncio.Future[say.Fetched]] = {}

    async def fetch(self, call: Call) -> Response:
        """Have the service make a call; raises what it raised there."""
        if asyncio.get_running_loop() is not self._loop:
            raise ContractError(
                "context.http is asked from another event loop than that of run()",
                where="context.http",
                remedy="Fetch in run(), and hand what came to the thread",
            )
        async with self._slots:
            number = next(self._numbers)
            self._listen()
            answer = self._open[number] = self._loop.create_future()
            try:
                self._line.send(say.AskFetch(number, call))
                return response_of(await answer)
            finally:
                del self._open[number]
                self._rest()

    def take(self, message: say.Fetched) -> None:
        """Take in an answer; one that nobody waits for any more is dropped."""
        answer = self._open.get(message.number)
        if answer is not None and not answer.done():
            answer.set_result(message)

    def _listen(self) -> None:
        if not self._open and not self._staying:
            self._line.put_off = self._soon
            self._loop.add_reader(self._line.descriptor, self._readable)

    def _rest(self) -> None:
        if not self._open and not self._staying:
            self._loop.remove_reader(self._line.descriptor)

    def _soon(self, message: say.ToChild) -> None:
        self._loop.call_soon_threadsafe(self._heard, message)

    def _readable(self) -> None:
        arrived = self._line.arrived()
        if arrived is None:
            self._loop.remove_reader(self._line.descriptor)
            self._hung_up()
            return
        for message in arrived:
            self._heard(message)

    def _heard(self, message: say.ToChild) -> None:
        if not isinstance(message, say.Fetched):
            raise TypeError(f"nobody asked for {type(message).__name__}")
        self.take(message)

    def _hung_up(self) -> None:
        for answer in self._open.values():
            if not answer.done():
                error = ContractError("the service has hung up", where="context.http")
                answer.set_exception(error)
