"""Secrets in what is said about runs."""

from datetime import UTC, datetime

from optifire.core.ledger import AttemptRow, Batch, LogRow, NoteRow, new_run
from optifire.core.run import Failure, Reason, RunKey, RunStatus
from optifire.core.types import PluginId
from optifire.runtime.hiding import hide

NOW = datetime(2018, 11, 23, 14, 30, tzinfo=UTC)
KEY = RunKey(PluginId("alpha_x"), NOW)
RAISED = Failure("ValueError", "a key", "Traceback with a key")


def mask(text: str) -> str:
    return text.replace("key", "***")


def test_reasons_errors_and_notes_are_masked_and_codes_and_classes_are_not() -> None:
    run = new_run(KEY, RunStatus.FAILED)
    run.reason, run.failure, run.note = Reason("key", "bad key"), RAISED, "its key"
    attempt = AttemptRow(KEY.run_id, 1, RunStatus.FAILED, NOW, failure=RAISED)
    batch = Batch(runs=[run], attempts=[attempt], notes=[NoteRow(NOW, "manual", "key", "my key")])
    hide(batch, mask)
    hidden = Failure("ValueError", "a ***", "Traceback with a ***")
    assert (run.reason, run.failure, run.note) == (Reason("key", "bad ***"), hidden, "its ***")
    assert attempt.failure == hidden
    assert [(note.subject, note.text) for note in batch.notes] == [("key", "my ***")]


def test_printed_bytes_that_are_no_text_stay_as_they_are() -> None:
    batch = Batch(logs=[LogRow(KEY.run_id, 1, b"\xff key \x00\xc3")])
    hide(batch, mask)
    assert batch.logs[0].text == b"\xff *** \x00\xc3"
