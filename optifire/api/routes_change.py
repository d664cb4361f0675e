"""What can be changed: each change is written down with its author before it is made."""

from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, SkipValidation

from optifire.api.gate import caller_of
from optifire.api.plain import post
from optifire.api.ports import Changes
from optifire.core.access import Role

Desk = NamedDependency[SkipValidation[Changes]]
Shape = dict[str, Any]
Asked = Request[Any, Any, Any]
#: A reason as it is recorded and shown in terminals: one line, without control characters.
Reason = Annotated[str, msgspec.Meta(max_length=500, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]


class RunNow(msgspec.Struct, forbid_unknown_fields=True):
    """Why a run is asked for, and whether it may begin although another one goes on."""

    why: Reason = ""
    force: bool = False


class Said(msgspec.Struct, forbid_unknown_fields=True):
    """Why something is asked for."""

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
    return await changes.toggle(plugin_id, enabled=enabled, by=caller_of(request))


@post(
    "/plugins/{plugin_id:str}/run",
    role=Role.OPERATOR,
    status_code=200,
    summary="Run it now",
    body=RunNow,
)
async def run_now(
    changes: Desk, request: Asked, plugin_id: FromPath[str], data: JSONBody[RunNow | None] = None
) -> Shape:
    """Give the record of the run when it has ended, however it ended."""
    said = data or RunNow()
    return await changes.run_now(plugin_id, why=said.why, force=said.force, by=caller_of(request))


@post("/runs/{run_id:str}/cancel", role=Role.OPERATOR, status_code=200, summary="End a run")
async def cancel(
    changes: Desk, request: Asked, run_id: FromPath[str], data: JSONBody[Said | None] = None
) -> Shape:
    """End a run in progress, and wait up to 5 s for its end."""
    return await changes.cancel(run_id, why=(data or Said()).why, by=caller_of(request))


@post("/plugins/{plugin_id:str}/pause", role=Role.OPERATOR, status_code=200, summary="Pause it")
async def pause(
    changes: Desk, request: Asked, plugin_id: FromPath[str], data: JSONBody[Said | None] = None
) -> Shape:
    """Keep a plugin from running until it is resumed; a run that goes on may end."""
    return await changes.pause(plugin_id, why=(data or Said()).why, by=caller_of(request))


@post("/plugins/{plugin_id:str}/resume", role=Role.OPERATOR, status_code=200, summary="Resume it")
async def resume(
    changes: Desk, request: Asked, plugin_id: FromPath[str], data: JSONBody[Said | None] = None
) -> Shape:
    """Let a plugin run again from its next occurrence on."""
    return await changes.resume(plugin_id, why=(data or Said()).why, by=caller_of(request))


@post("/pause", role=Role.OPERATOR, status_code=200, summary="Pause all plugins")
async def pause_all(changes: Desk, request: Asked, data: JSONBody[Said | None] = None) -> Shape:
    """Keep all plugins from running until that is ended by `POST /resume`."""
    return await changes.pause(None, why=(data or Said()).why, by=caller_of(request))


@post("/resume", role=Role.OPERATOR, status_code=200, summary="End a pause of all plugins")
async def resume_all(changes: Desk, request: Asked, data: JSONBody[Said | None] = None) -> Shape:
    """Let all plugins run again; one that was paused by itself stays so."""
    return await changes.resume(None, why=(data or Said()).why, by=caller_of(request))


CHANGES = (toggle, run_now, cancel, pause, resume, pause_all, resume_all)
