"""Ledger rows to and from tuples, in the column order of queries.sql."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from optifire.core.budget import UNKNOWN_USAGE, Budget, Measured, Usage
from optifire.core.ledger import (
    AttemptRow,
    ConfigVersion,
    ContextValue,
    EventRow,
    LogRow,
    NoteRow,
    Rollup,
    RunRow,
)
from optifire.core.run import Failure, Reason, RunKey, RunKind, RunStatus
from optifire.core.types import Encoded, PluginId, RunId
from optifire.store import codec
from optifire.store.codec import from_us, maybe_instant, maybe_us, to_us

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: One row as SQLite takes and gives it.
Row = tuple[Any, ...]

#: Microseconds of a day of UTC: it has no leap seconds here.
DAY_US = 86_400_000_000

#: Above this many bytes a value lives in a file of its own.
BLOB_LIMIT = 64 * 1024

#: Places in a run's tuple.
PLUGIN_ID, DUE, TURN, KIND, STATUS, REASON_CODE, REASON_DETAIL = 0, 1, 2, 3, 4, 7, 8
OUTPUTS, FAILURE, HELD, ID = 21, 23, 27, 28
#: Where a list of runs has the names and hashes of large outputs.
LARGE = 29
#: Places in an attempt's tuple that a rejection changes (see `failed_attempt`).
ATTEMPT_STATUS, ATTEMPT_CODE, ATTEMPT_DETAIL, ATTEMPT_FAILURE = 1, 5, 6, 11

_RUN_ID = re.compile(
    r"(?P<plugin>.+)@(?P<at>\d{8}T\d{6}(?:\.\d{6})?)Z(?:\.t(?P<turn>\d+))?(?:~(?P<kind>[a-z]+))?",
    re.DOTALL,
)


def parse_run_id(run_id: str) -> RunKey | None:
    """Give the key that a run id follows from, None when it is no run id."""
    match = _RUN_ID.fullmatch(run_id)
    if match is None:
        return None
    form = "%Y%m%dT%H%M%S.%f" if "." in match["at"] else "%Y%m%dT%H%M%S"
    try:
        due = datetime.strptime(match["at"], form).replace(tzinfo=UTC)
        kind = RunKind(match["kind"] or RunKind.SCHEDULED)
    except ValueError:
        return None
    key = RunKey(PluginId(match["plugin"]), due, int(match["turn"] or 0), kind)
    return key if key.run_id == run_id else None


def encode_key(key: RunKey) -> Row:
    """Give the columns that make an occurrence itself."""
    return key.plugin_id, to_us(key.due), key.turn, key.kind.value


def decode_key(row: Row) -> RunKey:
    """Make a key from the first four columns of a run."""
    return RunKey(PluginId(row[0]), from_us(row[1]), row[2], RunKind(row[3]))


#: Gives the plain text of a StrEnum member, five times quicker than its ``value``.
_text = str.__str__


def encode_run(run: RunRow) -> Row:
    """Give the tuple of a run, without its number, and with the text of what held it.

    Outputs above `BLOB_LIMIT` are left out (see `large_outputs`).
    """
    key, usage, reason, budget = run.key, run.usage, run.reason, run.budget
    return (
        key.plugin_id,
        to_us(key.due),
        key.turn,
        _text(key.kind),
        _text(run.status),
        run.trigger,
        run.version,
        None if reason is None else reason.code,
        None if reason is None else codec.clean(reason.detail),
        run.attempts,
        maybe_us(run.started_at),
        maybe_us(run.finished_at),
        run.worker,
        usage.cpu_ms,
        usage.mem_mb,
        usage.wall_ms,
        _text(usage.measured),
        None if budget is None else budget.cpu_ms,
        None if budget is None else budget.mem_mb,
        ",".join(run.breaches),
        run.degraded,
        _encode_outputs(run.outputs) if run.outputs else None,
        codec.encode_sources(run.inputs) if run.inputs else None,
        codec.encode_failure(run.failure),
        codec.clean(run.note),
        maybe_us(run.first),
        run.count,
        run.held or None,
    )


def _encode_outputs(outputs: Mapping[str, Encoded]) -> bytes | None:
    if _has_large(outputs):
        outputs = {name: value for name, value in outputs.items() if len(value) <= BLOB_LIMIT}
    return codec.encode_values(outputs)


def _has_large(outputs: Mapping[str, Encoded]) -> bool:
    return max(map(len, outputs.values())) > BLOB_LIMIT


def large_outputs(run: RunRow) -> list[tuple[RunId, str, Encoded]]:
    """List (run id, name, value) of the outputs that need a file."""
    if not run.outputs or not _has_large(run.outputs):
        return []
    return [
        (run.run_id, name, value) for name, value in run.outputs.items() if len(value) > BLOB_LIMIT
    ]


def failed_run(row: Row, failure: Failure) -> Row:
    """Give a run's tuple as that of a failed run, without outputs."""
    changed = list(row)
    changed[STATUS] = RunStatus.FAILED.value
    changed[REASON_CODE], changed[REASON_DETAIL] = "error", codec.clean(failure.message)
    changed[OUTPUTS] = None
    changed[FAILURE] = codec.encode_failure(failure)
    return tuple(changed)


def failed_attempt(row: Row, failure: Failure) -> Row:
    """Give an attempt's tuple as that of a failed attempt."""
    changed = list(row)
    changed[ATTEMPT_STATUS] = RunStatus.FAILED.value
    changed[ATTEMPT_CODE], changed[ATTEMPT_DETAIL] = "error", codec.clean(failure.message)
    changed[ATTEMPT_FAILURE] = codec.encode_failure(failure)
    return tuple(changed)


def decode_run(row: Row, large: Mapping[str, Encoded]) -> RunRow:
    """Make a run from its tuple and its large outputs."""
    key = decode_key(row)
    return RunRow(
        key=key,
        run_id=key.run_id,
        status=RunStatus(row[STATUS]),
        trigger=row[5],
        version=row[6],
        reason=_reason(row[REASON_CODE], row[REASON_DETAIL]),
        attempts=row[9],
        started_at=maybe_instant(row[10]),
        finished_at=maybe_instant(row[11]),
        worker=row[12],
        usage=_usage(row[13:17]),
        budget=None if row[17] is None else Budget(row[17], row[18]),
        breaches=tuple(row[19].split(",")) if row[19] else (),
        degraded=bool(row[20]),
        outputs=codec.decode_values(row[OUTPUTS]) | dict(large),
        inputs=codec.decode_sources(row[22]),
        failure=codec.decode_failure(row[FAILURE]),
        note=row[24],
        first=maybe_instant(row[25]),
        count=row[26],
        held=row[HELD] or "",
    )


def _reason(code: str | None, detail: str | None) -> Reason | None:
    return None if code is None else Reason(code, detail or "")


def _usage(row: Row) -> Usage:
    usage = Usage(row[0], row[1], row[2], Measured(row[3]))
    return UNKNOWN_USAGE if usage == UNKNOWN_USAGE else usage


def encode_attempt(attempt: AttemptRow) -> Row:
    """Give the tuple of an attempt, without the numbers of its run and of the start."""
    usage, reason = attempt.usage, attempt.reason
    return (
        attempt.number,
        _text(attempt.status),
        to_us(attempt.started_at),
        maybe_us(attempt.finished_at),
        attempt.worker,
        None if reason is None else reason.code,
        None if reason is None else codec.clean(reason.detail),
        usage.cpu_ms,
        usage.mem_mb,
        usage.wall_ms,
        _text(usage.measured),
        codec.encode_failure(attempt.failure),
    )


def decode_attempt(run_id: RunId, row: Row) -> AttemptRow:
    """Make an attempt from its tuple."""
    return AttemptRow(
        run_id=run_id,
        number=row[0],
        status=RunStatus(row[1]),
        started_at=from_us(row[2]),
        finished_at=maybe_instant(row[3]),
        worker=row[4],
        reason=_reason(row[5], row[6]),
        usage=_usage(row[7:11]),
        failure=codec.decode_failure(row[11]),
    )


def encode_value(value: ContextValue, blob: str | None) -> Row:
    """Give the tuple of a context value; ``blob`` is the hash of its file, if it has one."""
    return (
        value.name,
        value.producer,
        value.key,
        value.run_id,
        to_us(value.as_of),
        value.turn,
        value.value if blob is None else None,
        blob,
    )


def decode_value(row: Row, stored: Encoded) -> ContextValue:
    """Make a context value from its tuple and its bytes."""
    return ContextValue(
        name=row[0],
        producer=PluginId(row[1]),
        key=row[2],
        run_id=RunId(row[3]),
        as_of=from_us(row[4]),
        turn=row[5],
        value=stored,
    )


def encode_event(event: EventRow, blob: str | None) -> Row:
    """Give the tuple of an event, without the number of its run."""
    return (
        event.seq,
        to_us(event.due),
        event.turn,
        event.name,
        event.source,
        event.data if blob is None else None,
        blob,
        event.taken,
    )


def decode_event(run_id: RunId, row: Row, stored: Encoded) -> EventRow:
    """Make an event from its tuple and its data."""
    return EventRow(
        run_id=run_id,
        seq=row[0],
        due=from_us(row[1]),
        turn=row[2],
        name=row[3],
        source=row[4],
        data=stored,
        taken=bool(row[7]),
    )


def encode_notes(notes: Sequence[NoteRow]) -> list[Row]:
    """Give the tuples of notes."""
    return [(to_us(n.at), n.kind, codec.clean(n.subject), codec.clean(n.text)) for n in notes]


def decode_note(row: Row) -> NoteRow:
    """Make a note from its tuple."""
    return NoteRow(from_us(row[0]), row[1], row[2], row[3])


def decode_log(run_id: RunId, row: Row) -> LogRow:
    """Make a log from its tuple."""
    return LogRow(run_id, row[0], row[1])


def encode_configs(versions: Sequence[ConfigVersion]) -> list[Row]:
    """Give the tuples of configuration versions."""
    return [(v.hash, to_us(v.at), v.author, codec.encode_texts(v.files)) for v in versions]


def decode_config(row: Row) -> ConfigVersion:
    """Make a configuration version from its tuple."""
    return ConfigVersion(row[0], from_us(row[1]), row[2], codec.decode_texts(row[3]))


def decode_rollup(row: Row) -> Rollup:
    """Make a roll-up from its columns."""
    plugin_id, day, status, *figures = row
    return Rollup(PluginId(plugin_id), from_us(day * DAY_US).date(), RunStatus(status), *figures)
