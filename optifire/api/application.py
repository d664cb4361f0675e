"""The application: routes, their guard, errors, and the gate before all of it."""

from litestar import Litestar
from litestar.di import Provide

from optifire.api.bodies import StrictRequest
from optifire.api.document import document
from optifire.api.etags import Tagged
from optifire.api.feed import Feed
from optifire.api.gate import Gate, Identifies, permit
from optifire.api.plain import PlainLitestar
from optifire.api.ports import Changes, Reads, Records
from optifire.api.problems import HANDLERS
from optifire.api.rate import RateLimit
from optifire.api.routes_change import CHANGES
from optifire.api.routes_events import events
from optifire.api.routes_read import READS

#: Bytes of the longest body; a reason is far shorter.
LONGEST_BODY = 64 << 10


def litestar_app(reads: Reads, records: Records, changes: Changes, feed: Feed) -> Litestar:
    """Give the application without its gate."""
    return PlainLitestar(
        route_handlers=[*READS, *CHANGES, events, document],
        dependencies={
            "reads": Provide(lambda: reads, sync_to_thread=False),
            "records": Provide(lambda: records, sync_to_thread=False),
            "changes": Provide(lambda: changes, sync_to_thread=False),
            "feed": Provide(lambda: feed, sync_to_thread=False),
        },
        guards=[permit],
        exception_handlers=dict(HANDLERS),
        request_class=StrictRequest,
        openapi_config=None,
        request_max_body_size=LONGEST_BODY,
        logging_config=None,
    )


def application(app: Litestar, tokens: Identifies, limit: RateLimit) -> Gate:
    """Put the gate before an application."""
    return Gate(Tagged(app), tokens, limit)
