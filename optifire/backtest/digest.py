"""One canonical line a run, and the digest of a ledger.

A line holds what the schedule and the plugins decided, and nothing that the machine measured:
no times but ``due``, no usage, no worker, no log, no message beyond an error's class and text.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from optifire.workers.wire import canonical

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from optifire.core.ledger import RunRecord
    from optifire.core.run import Source
    from optifire.core.types import Encoded

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)

#: What the parts of a line are called, in their order.
PARTS = (
    "due", "turn", "plugin_id", "kind", "trigger", "version", "status", "reason", "error",
    "attempts", "span", "degraded", "outputs", "writes", "events", "inputs",
)  # fmt: skip


def micros(instant: datetime) -> int:
    """Give an instant as microseconds since the epoch."""
    return (instant - _EPOCH) // _TICK


def parts_of(record: RunRecord) -> Mapping[str, object]:
    """Give the comparable parts of one run by name, each encodable."""
    row = record.run
    failure = row.failure
    values = (
        micros(row.key.due),
        row.key.turn,
        row.key.plugin_id,
        row.key.kind.value,
        row.trigger,
        row.version,
        row.status.value,
        row.reason.code if row.reason else "",
        [failure.type, failure.message] if failure else None,
        row.attempts,
        [micros(row.first) if row.first else None, row.count],
        row.degraded,
        {key: _hash(row.outputs[key]) for key in sorted(row.outputs)},
        [[one.sql, _hash(one.params)] for one in record.statements],
        [[one.name, one.source, _hash(one.data)] for one in record.events],
        {name: _lineage(row.inputs[name]) for name in sorted(row.inputs)},
    )
    return dict(zip(PARTS, values, strict=True))


def line_of(record: RunRecord) -> bytes:
    """Give the canonical line of one run as MessagePack."""
    return msgspec.msgpack.encode(list(parts_of(record).values()))


def _hash(value: Encoded) -> bytes:
    """Give the content hash of a value, whatever order its mappings were built in."""
    return hashlib.sha256(canonical(value)).digest()


def _lineage(source: Source) -> list[object]:
    """Give where an input came from: a run's key (which its id spells out), or the data's hash."""
    return [source.run_id, micros(source.as_of), source.origin]


async def digest_of_records(records: AsyncIterator[RunRecord]) -> str:
    """Give the digest of records that come by (due, turn, plugin id)."""
    total = hashlib.sha256()
    async for record in records:
        total.update(line_of(record))
    return total.hexdigest()
