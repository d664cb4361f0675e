"""How an attempt ended: a plugin's result or error, as the outcome that is recorded."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from optifire.core.errors import ContractError, NoData, NotInReplay, OptifireError, is_retryable
from optifire.core.limits import HANDED_BYTES
from optifire.core.ports import Outcome
from optifire.core.run import Failure, Reason, RunStatus
from optifire.sdk.result import PluginResult
from optifire.workers.wire import canonical, encode_shared

if TYPE_CHECKING:
    from optifire.core.types import Encoded
    from optifire.sdk.scope import Scope
    from optifire.workers.effects import Kept

#: Characters of a traceback, and of a message, that are kept.
MAX_TRACEBACK: Final = 16_384
MAX_MESSAGE: Final = 4_096


def finished(result: object, kept: Kept, scope: Scope) -> Outcome:
    """Give the outcome of a run that returned.

    Raises
    ------
    ContractError
        When what it returned is no `PluginResult`, holds what cannot be recorded, or disagrees
        with what the run wrote to ``context.data``.
    """
    if not isinstance(result, PluginResult):
        raise ContractError(
            f"run() gave a {type(result).__name__}, not a PluginResult",
            where=scope.plugin_id,
            remedy="End run() with `return PluginResult(success=True, data={...})`",
        )
    if result.skip_reason is not None:
        return _without_effects(
            kept, scope, RunStatus.SKIPPED, Reason("plugin", result.skip_reason)
        )
    if result.success:
        return _succeeded(result, kept, scope)
    if scope.no_data:
        return _without_effects(
            kept, scope, RunStatus.SKIPPED, Reason("no data", scope.no_data[-1])
        )
    said = _clipped(str(result.error or "the plugin gave no reason"), MAX_MESSAGE)
    outcome = _without_effects(kept, scope, RunStatus.FAILED, Reason("reported", said))
    outcome.failure = Failure("PluginResult", said)
    return outcome


def ended_by(error: BaseException, kept: Kept, scope: Scope, folder: str) -> Outcome:
    """Give the outcome of a run that raised; the traceback begins in the plugin's own files."""
    if isinstance(error, NoData):
        reason = Reason("no data", _said(error))
        return _without_effects(kept, scope, RunStatus.SKIPPED, reason)
    if isinstance(error, NotInReplay):
        reason = Reason("live only", _said(error))
        return _without_effects(kept, scope, RunStatus.SKIPPED, reason)
    failure = failure_of(error, folder)
    code = "contract" if isinstance(error, ContractError) else "raised"
    reason = Reason(code, f"{failure.type}: {failure.message}")
    outcome = _without_effects(kept, scope, RunStatus.FAILED, reason)
    outcome.failure = failure
    return outcome


def failure_of(error: BaseException, folder: str) -> Failure:
    """Give class, message and traceback of an error, from the plugin's first frame on."""
    whole = traceback.TracebackException.from_exception(error)
    frames = list(whole.stack)
    own = next((n for n, frame in enumerate(frames) if frame.filename.startswith(folder)), 0)
    whole.stack = traceback.StackSummary.from_list(frames[own:])
    return Failure(
        type=type(error).__qualname__,
        message=_clipped(_message(error), MAX_MESSAGE),
        traceback=_clipped("".join(whole.format()), MAX_TRACEBACK),
        retryable=is_retryable(error),
    )


def _message(error: BaseException) -> str:
    """Give an error's own text; one whose text cannot be made says so."""
    try:
        return str(error)
    except Exception as worse:  # noqa: BLE001 - a plugin's error may do anything when it is asked
        return f"its message raised {type(worse).__name__}"


def _said(error: OptifireError) -> str:
    return f"{error.where}: {error.message}" if error.where else error.message


def _succeeded(result: PluginResult, kept: Kept, scope: Scope) -> Outcome:
    outputs = _outputs(result, scope.plugin_id)
    for key in outputs.keys() & kept.writes.keys() if kept.writes else ():
        if canonical(outputs[key]) != canonical(kept.writes[key]):
            raise ContractError(
                f"{key!r} has one value in the result and another in context.data",
                where=scope.plugin_id,
                remedy="Give a key in one of the two places, or the same value in both",
            )
    outcome = Outcome(
        RunStatus.SUCCEEDED,
        outputs=outputs,
        writes=kept.writes,
        statements=tuple(kept.statements),
        events=tuple(kept.events),
        reads=scope.reads,
        undeclared=tuple(kept.undeclared),
        degraded=bool(result.degraded),
    )
    _check_size(outcome, scope.plugin_id)
    return outcome


def _outputs(result: PluginResult, plugin_id: str) -> dict[str, Encoded]:
    if not isinstance(result.data, Mapping):
        raise ContractError(
            f"the result's data is a {type(result.data).__name__}, not a mapping",
            where=plugin_id,
            remedy='Write data={"name": value}',
        )
    outputs: dict[str, Encoded] = {}
    for key, value in result.data.items():
        if not key or type(key) is not str:
            raise ContractError(
                f"the result's key {key!r} is not text", where=plugin_id, remedy="Use text as keys"
            )
        outputs[key] = encode_shared(value, f'{plugin_id}: data["{key}"]')
    return outputs


def _check_size(outcome: Outcome, plugin_id: str) -> None:
    if not (outcome.outputs or outcome.writes or outcome.events or outcome.statements):
        return
    size = sum(map(len, outcome.outputs.values())) + sum(map(len, outcome.writes.values()))
    size += sum([len(event.data) for event in outcome.events])
    size += sum([len(statement.params) for statement in outcome.statements])
    if size > HANDED_BYTES:
        raise too_much(size, plugin_id)


def too_much(size: int, where: str = "") -> ContractError:
    """Give the error of a run that wants to hand over more bytes than a run may."""
    return ContractError(
        f"the run hands over {size:,} bytes",
        where=where,
        remedy=f"Keep what one run hands over under {HANDED_BYTES >> 20} MB",
    )


def _without_effects(kept: Kept, scope: Scope, status: RunStatus, reason: Reason) -> Outcome:
    """Give an outcome that wants nothing recorded but how it ended and what it looked at."""
    detail = _clipped(reason.detail, MAX_MESSAGE)
    return Outcome(
        status,
        Reason(reason.code, detail),
        reads=scope.reads,
        undeclared=tuple(kept.undeclared),
    )


def _clipped(text: str, most: int) -> str:
    """Give text of at most that many characters, without the middle if it was longer."""
    # A lone surrogate cannot be encoded, and a plugin's text may hold one.
    clean = text.encode("utf-8", "backslashreplace").decode()
    if len(clean) <= most:
        return clean
    half = most // 2
    return f"{clean[:half]}\n[...]\n{clean[-half:]}"
