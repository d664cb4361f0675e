"""Keeps secrets out of what is recorded about runs: reasons, errors, notes and printed lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optifire.core.ledger import AttemptRow, Batch, RunRow

#: Gives a text without secrets.
Mask = Callable[[str], str]


def hide(batch: Batch, mask: Mask) -> None:
    """Mask what a batch says in words; outputs, tables and events are data, and stay as they are.

    What was printed need not be text: bytes that are none stay the same bytes.
    """
    for run in batch.runs:
        _hide_end(run, mask)
        if run.note:
            run.note = mask(run.note)
    for attempt in batch.attempts:
        _hide_end(attempt, mask)
    batch.notes = [replace(note, text=mask(note.text)) for note in batch.notes]
    for number, log in enumerate(batch.logs):
        text = log.text.decode(errors="surrogateescape")
        masked = mask(text)
        if masked != text:
            batch.logs[number] = replace(log, text=masked.encode(errors="surrogateescape"))


def _hide_end(row: RunRow | AttemptRow, mask: Mask) -> None:
    """Mask why a run or an attempt ended as it did."""
    if row.reason is not None and row.reason.detail:
        row.reason = replace(row.reason, detail=mask(row.reason.detail))
    failure = row.failure
    if failure is not None:
        row.failure = replace(
            failure, message=mask(failure.message), traceback=mask(failure.traceback)
        )
