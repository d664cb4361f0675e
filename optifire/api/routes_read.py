"""What can be read: each route asks the service once and says what it was told."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from litestar import Response
from litestar.di import NamedDependency
from litestar.exceptions import ValidationException
from litestar.params import FromPath, FromQuery, QueryParameter, SkipValidation

from optifire.api.plain import get
from optifire.api.ports import Reads, Records, RunsAsked
from optifire.core.access import Role
from optifire.core.run import RunStatus

Desk = NamedDependency[SkipValidation[Reads]]
Files = NamedDependency[SkipValidation[Records]]
Shape = dict[str, Any]
OK, UNAVAILABLE = HTTPStatus.OK.value, HTTPStatus.SERVICE_UNAVAILABLE.value
#: Runs, hours and days that one answer covers at most.
MOST_RUNS, MOST_HOURS, MOST_DAYS, MOST_COMING = 500, 24 * 366, 36_525, 1000

#: The media type of the text format of Prometheus; the charset is added.
PROMETHEUS = "text/plain; version=0.0.4"

Instant = Annotated[
    str | None,
    QueryParameter(
        description="An instant with its offset, such as 2018-11-23T18:00:00Z.",
        format="date-time",
    ),
]


@get("/health", public=True, summary="Whether the service is live; open to everybody")
async def health(reads: Desk) -> Response[Shape]:
    """Give liveness, readiness and level, without reasons; 503 when a part of it has crashed."""
    return _vital(reads.alive(), "live")


@get("/health/ready", public=True, summary="Whether it takes up what falls due; open as well")
async def ready(reads: Desk) -> Response[Shape]:
    """Give the same; 503 when the service is not at work or something is red."""
    return _vital(reads.alive(), "ready")


@get("/health/checks", role=Role.VIEWER, summary="Every check with its reasons")
async def checks(reads: Desk) -> Shape:
    """Give what `optifire health --json` gives."""
    return await reads.checks()


@get("/status", role=Role.VIEWER, summary="How the service is, with reasons")
async def status(reads: Desk) -> Shape:
    """Give what `optifire status --json` gives."""
    return await reads.status()


@get("/plugins", role=Role.VIEWER, summary="Every plugin there is, on or off")
async def plugins(reads: Desk) -> Shape:
    """Give state, origin and reason of each plugin."""
    return {"items": await reads.plugins()}


@get("/plugins/{plugin_id:str}", role=Role.VIEWER, summary="Everything about one plugin")
async def plugin(reads: Desk, plugin_id: FromPath[str]) -> Shape:
    """Give what it says of itself, what holds for it, and where each value comes from."""
    return await reads.plugin(plugin_id)


@get("/runs", role=Role.VIEWER, summary="Runs, the latest due first, by pages")
async def runs(
    records: Files,
    plugin: FromQuery[str | None] = None,
    status: FromQuery[RunStatus | None] = None,
    since: Instant = None,
    until: Instant = None,
    limit: Annotated[int, QueryParameter(ge=1, le=MOST_RUNS)] = 50,
    cursor: Annotated[str | None, QueryParameter(description="`next` of the page before.")] = None,
) -> Shape:
    """Give run records as `items`, and as `next` the cursor of the page after."""
    asked = RunsAsked(plugin, status, _utc(since, "since"), _utc(until, "until"), limit, cursor)
    return await records.runs(asked)


@get("/runs/{run_id:str}", role=Role.VIEWER, summary="One run: record, attempts, lineage")
async def run(records: Files, run_id: FromPath[str], *, logs: FromQuery[bool] = False) -> Shape:
    """Give what `optifire run-info RUN --json` gives; with `logs` also what it printed."""
    return await records.run(run_id, logs=logs)


@get("/cycles", role=Role.VIEWER, summary="What was due at one instant, by pages")
async def cycles(
    records: Files,
    limit: Annotated[int, QueryParameter(ge=1, le=MOST_RUNS)] = 50,
    cursor: Annotated[str | None, QueryParameter(description="`next` of the page before.")] = None,
) -> Shape:
    """Give due instant, turn, and how many runs have which status; the latest due first."""
    return await records.cycles(limit, cursor)


@get("/next", role=Role.VIEWER, summary="What is due in the next hours")
async def upcoming(
    reads: Desk,
    hours: Annotated[float, QueryParameter(gt=0, le=MOST_HOURS)] = 24.0,
    limit: Annotated[int, QueryParameter(ge=1, le=MOST_COMING)] = MOST_COMING,
) -> Shape:
    """Give plugin, due instant and trigger of each occurrence, soonest first."""
    return {"items": await reads.upcoming(hours, limit)}


@get("/why/{plugin_id:str}", role=Role.VIEWER, summary="Why a plugin ran or did not")
async def why(reads: Desk, plugin_id: FromPath[str], at: Instant = None) -> Shape:
    """Give the last due occurrence, what it waited for, status, reason, and what is next."""
    return await reads.why(plugin_id, _utc(at, "at"))


@get("/graph", role=Role.VIEWER, summary="Who needs whom")
async def graph(reads: Desk) -> Shape:
    """Give plugins, producers before consumers, and an edge for each need."""
    return await reads.graph()


@get("/config", role=Role.VIEWER, summary="Every setting with its source, and all versions")
async def config(records: Files) -> Shape:
    """Give the settings of the system and the versions that were accepted, with authors."""
    return await records.config()


@get("/config/flags", role=Role.VIEWER, summary="Which plugins are on")
async def flags(reads: Desk) -> Shape:
    """Give true or false for each plugin."""
    return {"flags": await reads.flags()}


@get("/budgets", role=Role.VIEWER, summary="What runs used against their budgets")
async def budgets(
    records: Files, days: Annotated[int, QueryParameter(ge=1, le=MOST_DAYS)] = 30
) -> Shape:
    """Give what `optifire budgets show --json` gives."""
    return {"items": await records.budgets(days)}


@get(
    "/metrics",
    role=Role.VIEWER,
    media_type=PROMETHEUS,
    summary="What the service counts and measures, for Prometheus",
)
async def metrics(reads: Desk) -> str:
    """Give what `optifire metrics` prints."""
    return reads.metrics()


@get("/audit", role=Role.ADMIN, summary="What was asked to be changed over the API")
async def audit(
    records: Files,
    limit: Annotated[int, QueryParameter(ge=1, le=MOST_RUNS)] = 50,
    cursor: Annotated[str | None, QueryParameter(description="`next` of the page before.")] = None,
) -> Shape:
    """Give instant, subject and text of each change and each refusal, newest first."""
    return await records.audit(limit, cursor)


@get("/tokens", role=Role.ADMIN, summary="Who has tokens")
async def tokens(records: Files) -> Shape:
    """Give id, name, role and instants of each token, and no secret."""
    return {"items": records.tokens()}


def _vital(said: Shape, name: str) -> Response[Shape]:
    return Response(said, status_code=OK if said[name] else UNAVAILABLE)


def _utc(text: str | None, name: str) -> datetime | None:
    """Give an instant in UTC; one without an offset could be meant in any zone."""
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is not None:
            return instant.astimezone(UTC)
        message = "has no offset; write 2018-11-23T18:00:00Z"
    except ValueError:
        message = "is no instant; write 2018-11-23T18:00:00Z"
    except OverflowError:
        message = "lies outside the years 1 to 9999 in UTC"
    raise ValidationException(extra=[{"key": name, "message": message}])


READS = (
    health, ready, checks, status, plugins, plugin, runs, run, cycles, upcoming, why, graph, config,
    flags, budgets, metrics, audit, tokens,
)  # fmt: skip
