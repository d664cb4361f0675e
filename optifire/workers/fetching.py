"""The calls of ``context.http`` that one child has open, in the service; they end with it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from optifire.core.errors import (
    ContractError,
    NotInReplay,
    OptifireError,
    ProviderConnectionError,
    ProviderDataError,
    SecurityError,
)
from optifire.sdk.http import Headers, Response
from optifire.workers import messages as say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optifire.core.job import Job
    from optifire.workers.outward import Outward
    from optifire.workers.talk import Talk

#: Calls that one child may have open; `optifire.workers.asking` keeps well below.
MOST_OPEN: Final = 8
#: The errors that travel as themselves.
KINDS: Final[Mapping[str, type[OptifireError]]] = {
    kind.__name__: kind
    for kind in (
        ContractError, NotInReplay, ProviderConnectionError, ProviderDataError, SecurityError,
    )
}  # fmt: skip


class Fetches:
    """Makes the calls of one child; the job says what it is granted."""

    def __init__(self, outward: Outward, talk: Talk, job: Job) -> None:
        self._outward = outward
        self._talk = talk
        self._job = job
        self._open: set[asyncio.Task[None]] = set()

    def begin(self, asked: say.AskFetch, *, replay: bool = False) -> None:
        """Make a call and send what came of it, meanwhile."""
        if replay:
            self._talk.send(not_in_replay(asked))
        elif len(self._open) >= MOST_OPEN:
            error = ContractError(f"{MOST_OPEN} calls are open already", where="context.http")
            self._talk.send(fault(asked.number, error))
        else:
            task = asyncio.get_running_loop().create_task(self._make(asked))
            self._open.add(task)
            task.add_done_callback(self._open.discard)

    async def _make(self, asked: say.AskFetch) -> None:
        try:
            answer = await self._outward.fetch(asked.call, self._job)
        except OptifireError as error:
            self._talk.send(fault(asked.number, error))
        else:
            fields = tuple(answer.headers.items())
            self._talk.send(
                say.Fetched(asked.number, answer.status, answer.url, fields, answer.content)
            )

    async def close(self) -> None:
        """End every call that is open."""
        going_on = set(self._open)
        for task in going_on:
            task.cancel()
        if going_on:
            await asyncio.wait(going_on)


def not_in_replay(asked: say.AskFetch) -> say.Fetched:
    """Give the answer to a call in a replay, which the child refuses by itself."""
    error = NotInReplay("context.http is not part of a replay", where=asked.call.url)
    return fault(asked.number, error)


def fault(number: int, error: OptifireError) -> say.Fetched:
    """Give an error as it travels."""
    kind = type(error).__name__
    return say.Fetched(number, error=(kind, error.message, error.where, error.remedy))


def response_of(fetched: say.Fetched) -> Response:
    """Give the answer that travelled, or raise the error that did."""
    if fetched.error is not None:
        kind, message, where, remedy = fetched.error
        raise KINDS.get(kind, OptifireError)(message, where=where, remedy=remedy)
    return Response(fetched.status, fetched.url, Headers(fetched.fields), fetched.content)
