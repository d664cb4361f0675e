"""What a ledger held when it was opened."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from optifire.core.ledger import EventRow, Recovered
from optifire.store.codec import from_us
from optifire.store.fetching import events_from, runs_from, values_from
from optifire.store.queries import query
from optifire.store.rows import DUE, ID, TURN, Row, decode_key

if TYPE_CHECKING:
    import sqlite3

    from optifire.core.types import PluginId
    from optifire.store.blobs import BlobFiles


def read_recovered(
    connection: sqlite3.Connection, blobs: BlobFiles, *, start: int, clean: bool
) -> Recovered:
    """Read context, open runs, cursors and waiting events."""

    def rows(name: str, *params: object) -> list[Row]:
        return connection.execute(query(name), params).fetchall()

    def events_of(found: list[Row]) -> list[EventRow]:
        return events_from(found, lambda row: decode_key(row[8:]).run_id, blobs.read)

    unfinished = rows("open_runs")
    moments = sorted({(row[DUE], row[TURN] - 1) for row in unfinished if row[TURN]})
    large = rows("run_blobs", json.dumps([row[ID] for row in unfinished])) if unfinished else []
    cursors: dict[PluginId, int] = {}
    for plugin_id, at in connection.execute(query("cursors")):
        if at is not None:
            cursors[plugin_id] = max(at, cursors.get(plugin_id, at))
    return Recovered(
        start=start,
        clean=clean,
        values=values_from(rows("context"), blobs.read),
        open_runs=runs_from(unfinished, large, blobs.read),
        cursors={plugin_id: from_us(at) for plugin_id, at in cursors.items()},
        waiting_events=events_of(rows("waiting_events")),
        answered_events=events_of([event for at in moments for event in rows("events_at", *at)]),
        meta=dict(rows("meta")),
    )
