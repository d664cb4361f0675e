"""Answers to what a child asks during its run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from optifire.core.errors import OptifireError
from optifire.core.types import Encoded
from optifire.workers import messages as say

if TYPE_CHECKING:
    from optifire.core.ports import View
    from optifire.workers.live import Live


async def answered(live: Live, question: say.Question, view: View) -> None:
    """Answer one question from the view of the run; gives up when the child has ended."""
    if isinstance(question, say.AskNames):
        live.talk.send(say.Reply(names=list(view.names())))
    elif isinstance(question, say.AskValue):
        live.talk.send(say.Reply(given=view.value(question.name)))
    else:
        reply = await _rows(live, question, view)
        if reply is not None:
            live.talk.send(reply)


def refused(why: str) -> say.Reply:
    """Give the reply to a question that cannot be answered."""
    return say.Reply(error=(why, "context", "Ask in run(), and keep the answer on `self`"))


async def _rows(live: Live, question: say.AskRows, view: View) -> say.Reply | None:
    """Answer a query, but not beyond the end of who asked."""
    query = asyncio.ensure_future(
        view.fetch(question.sql, Encoded(question.params), one=question.one)
    )
    both: set[asyncio.Future[Any]] = {query, live.ended}
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not query.done():
            return None
        return say.Reply(rows=query.result())
    except OptifireError as error:
        return say.Reply(error=(error.message, error.where, error.remedy))
    finally:
        if not query.done():
            query.cancel()
            await asyncio.wait({query})
