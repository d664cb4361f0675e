"""What can be changed: each change is written down with its author before it is made."""

from typing import Annotated, Any

import msgspec
from litestar import Request, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, SkipValidation

from optifire.api.gate import CALLER
from optifire.api.ports import Changes
from optifire.core.access import Caller, Role

Desk = NamedDependency[SkipValidation[Changes]]
Shape = dict[str, Any]
Asked = Request[Any, Any, Any]
#: The longest reason that is recorded.
Reason = Annotated[str, msgspec.Meta(max_length=500)]


class RunNow(msgspec.Struct, forbid_unknown_fields=True):
    """Why a run is asked for, and whether it may begin although another one goes on."""

    why: Reason = ""
    force: bool = False


class Cancel(msgspec.Struct, forbid_unknown_fields=True):
    """Why a run is ended."""

    why: Reason = ""


@post(
    "/config/flags/{plugin_id:str}/toggle",
    role=Role.OPERATOR,
    status_code=200,
    summary="Switch a plugin on or off",
)
async def toggle(
    changes: Desk, request: Asked, plugin_id: FromPath[str], *, enabled: FromQuery[bool]
) -> Shape:
    """Write it to features.yaml, where nothing else changes, and go over to it at once."""
    return await changes.toggle(plugin_id, enabled=enabled, by=_by(request))


@post("/plugins/{plugin_id:str}/run", role=Role.OPERATOR, status_code=200, summary="Run it now")
async def run_now(
    changes: Desk, request: Asked, plugin_id: FromPath[str], data: JSONBody[RunNow | None] = None
) -> Shape:
    """Give the record of the run when it has ended, however it ended."""
    said = data or RunNow()
    return await changes.run_now(plugin_id, why=said.why, force=said.force, by=_by(request))


@post("/runs/{run_id:str}/cancel", role=Role.OPERATOR, status_code=200, summary="End a run")
async def cancel(
    changes: Desk, request: Asked, run_id: FromPath[str], data: JSONBody[Cancel | None] = None
) -> Shape:
    """End a run in progress; the answer does not wait for its end."""
    return await changes.cancel(run_id, why=(data or Cancel()).why, by=_by(request))


def _by(request: Asked) -> Caller:
    """Give who asks; the gate has let nobody else through."""
    caller: Caller = request.scope[CALLER]  # type: ignore[literal-required]
    return caller


CHANGES = (toggle, run_now, cancel)
