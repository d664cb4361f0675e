"""The JSON shapes of a run, an attempt and an error, the same on the socket and in commands."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optifire.core.errors import OptifireError
    from optifire.core.ledger import AttemptRow, Rollup, RunRow
    from optifire.core.run import Failure, Source
    from optifire.core.types import Encoded

#: Gives an encoded value as JSON can say it.
ToJson = Callable[["Encoded"], Any]
#: Decimals of milliseconds and megabytes; clocks and the kernel know no more.
DECIMALS = 3


def finite(value: Any) -> Any:  # noqa: ANN401 - any plain value
    """Give a value with NaN and infinities as None: JSON knows neither."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return value


def instant_text(instant: datetime) -> str:
    """Give an instant in UTC, as in ``2018-11-23T18:00:00Z``; microseconds only if there are."""
    at = instant if instant.tzinfo is UTC else instant.astimezone(UTC)
    return f"{at.isoformat().removesuffix('+00:00')}Z"


def maybe_text(instant: datetime | None) -> str | None:
    """Give the instant's text, None for None."""
    return None if instant is None else instant_text(instant)


def record_of(row: RunRow, to_json: ToJson) -> dict[str, Any]:
    """Give a run record: the documented fields first, those added to them after."""
    usage = row.usage
    return {
        "run_id": row.run_id,
        "plugin_id": row.key.plugin_id,
        "due": instant_text(row.key.due),
        "started_at": maybe_text(row.started_at),
        "finished_at": maybe_text(row.finished_at),
        "status": row.status.value,
        "reason": None if row.reason is None else str(row.reason),
        "attempt": row.attempts,
        "worker": row.worker,
        "cpu_ms": _rounded(usage.cpu_ms),
        "mem_mb": _rounded(usage.mem_mb),
        "measured": usage.measured.value,
        "wall_ms": _rounded(usage.wall_ms),
        "outputs": {key: to_json(value) for key, value in row.outputs.items()},
        "inputs": {key: _source(source) for key, source in row.inputs.items()},
        "error": failure_text(row.failure),
        "turn": row.key.turn,
        "kind": row.key.kind.value,
        "trigger": row.trigger,
        "version": row.version,
        "budget": _budget(row),
        "breaches": list(row.breaches),
        "degraded": row.degraded,
        "note": row.note,
        "first": maybe_text(row.first),
        "count": row.count,
        "held": json.loads(row.held) if row.held else None,
    }


def attempt_of(row: AttemptRow) -> dict[str, Any]:
    """Give one attempt of a run, with the traceback where there is one."""
    return {
        "attempt": row.number,
        "status": row.status.value,
        "reason": None if row.reason is None else str(row.reason),
        "started_at": instant_text(row.started_at),
        "finished_at": maybe_text(row.finished_at),
        "worker": row.worker,
        "cpu_ms": _rounded(row.usage.cpu_ms),
        "mem_mb": _rounded(row.usage.mem_mb),
        "measured": row.usage.measured.value,
        "wall_ms": _rounded(row.usage.wall_ms),
        "error": failure_text(row.failure),
        "traceback": row.failure.traceback if row.failure else "",
    }


def rollup_of(rollup: Rollup) -> dict[str, Any]:
    """Give what the runs of a plugin came to on a UTC day, by status."""
    return {
        "day": rollup.day.isoformat(),
        "plugin_id": rollup.plugin_id,
        "status": rollup.status.value,
        "count": rollup.count,
        "attempts": rollup.attempts,
        "cpu_ms": _rounded(rollup.cpu_ms),
        "most_cpu_ms": _rounded(rollup.most_cpu_ms),
        "most_mem_mb": _rounded(rollup.most_mem_mb),
    }


def failure_text(failure: Failure | None) -> str | None:
    """Give class and message of what went wrong, as in ``ValueError: no bars``."""
    if failure is None:
        return None
    return f"{failure.type}: {failure.message}" if failure.message else failure.type


def error_of(error: OptifireError) -> dict[str, str]:
    """Give an error by type, what, where and remedy."""
    return {
        "type": type(error).__name__,
        "message": error.message,
        "where": error.where,
        "remedy": error.remedy,
    }


def _source(source: Source) -> dict[str, str | None]:
    found: Mapping[str, str | None] = {
        "run_id": source.run_id,
        "as_of": instant_text(source.as_of),
    }
    return {**found, "origin": source.origin} if source.origin else dict(found)


def _budget(row: RunRow) -> dict[str, float] | None:
    return (
        None if row.budget is None else {"cpu_ms": row.budget.cpu_ms, "mem_mb": row.budget.mem_mb}
    )


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else round(figure, DECIMALS)
