"""What happens, as it happens: every event once, in the order in which it became durable."""

from typing import Annotated, Any

from litestar import Request
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, QueryParameter, SkipValidation

from optifire.api.feed import Feed
from optifire.api.gate import asking, caller_of
from optifire.api.plain import get
from optifire.api.stream import EVENT_STREAM, Asked, EventStream
from optifire.api.tail import EventKind, Wanted
from optifire.core.access import Role
from optifire.core.run import RunStatus

Desk = NamedDependency[SkipValidation[Feed]]

LastId = Annotated[
    str | None,
    HeaderParameter(name="Last-Event-ID", description="The id of the last event that was seen."),
]
Plugins = Annotated[list[str] | None, QueryParameter(description="Only of these plugins.")]
Statuses = Annotated[
    list[RunStatus] | None, QueryParameter(description="Only runs that became this.")
]
Kinds = Annotated[
    list[EventKind] | None, QueryParameter(description="Only of these kinds; gaps always.")
]
#: The answer, as the document describes it.
ANSWER = {200: ResponseSpec(str, media_type=EVENT_STREAM, generate_examples=False)}


@get(
    "/events",
    role=Role.VIEWER,
    media_type=EVENT_STREAM,
    responses=ANSWER,
    summary="What happens, as Server-Sent Events that can be resumed",
)
async def events(
    feed: Desk,
    request: Request[Any, Any, Any],
    last_id: LastId = None,
    plugin: Plugins = None,
    status: Statuses = None,
    kind: Kinds = None,
) -> EventStream:
    """Give starts and ends of runs, what they publish, and notes, each once it is committed.

    With `Last-Event-ID` it goes on behind that event, also after a restart of the service. Where
    events are missing an event `gap` says so.
    """
    caller = caller_of(request)
    feed.admit(caller.token_id)
    wanted = Wanted(
        frozenset(plugin or ()),
        frozenset(kind or ()),
        frozenset(status or ()),
        admin=caller.role.covers(Role.ADMIN),
    )
    asked = Asked(caller.token_id, last_id or "", wanted, asking(request).holds)
    return EventStream(feed, asked)
