"""How runs that ended stand in the log, and which values never do."""

import logging
from datetime import UTC, datetime

import pytest

from optifire.app.joining import Configuration
from optifire.app.speaking import secrets_of, tell_ends
from optifire.core.budget import Usage
from optifire.core.ledger import Batch, RunRow, new_run
from optifire.core.run import TERMINAL, Failure, Reason, RunKey, RunStatus
from optifire.core.settings import Settings
from optifire.core.types import Environment, PluginId
from optifire.host.features import Features

KEY = RunKey(PluginId("alpha_x"), datetime(2018, 11, 23, 14, 30, tzinfo=UTC))


def ended(status: RunStatus, reason: Reason | None = None) -> RunRow:
    row = new_run(KEY, status)
    row.reason = reason
    return row


def told(row: RunRow, caplog: pytest.LogCaptureFixture) -> logging.LogRecord:
    caplog.clear()
    with caplog.at_level("DEBUG", "optifire.runs"):
        tell_ends(Batch(runs=[row]))
    (record,) = caplog.records
    return record


def test_a_failure_is_a_warning_with_run_and_error(caplog: pytest.LogCaptureFixture) -> None:
    row = ended(RunStatus.FAILED, Reason("error", "ValueError"))
    row.failure = Failure("ValueError", "odd price")
    row.usage = Usage(cpu_ms=12.5)
    record = told(row, caplog)
    assert record.levelname == "WARNING"
    assert record.getMessage() == "failed; error: ValueError; ValueError: odd price"
    said = vars(record)
    assert (said["run_id"], said["plugin_id"]) == (KEY.run_id, "alpha_x")
    assert (said["due"], said["cpu_ms"]) == ("2018-11-23T14:30:00Z", 12.5)


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_what_happens_every_day_is_not_said_at_info(
    status: RunStatus, caplog: pytest.LogCaptureFixture
) -> None:
    everyday = {RunStatus.SUCCEEDED, RunStatus.SKIPPED, RunStatus.COALESCED}
    assert (told(ended(status), caplog).levelno < logging.INFO) == (status in everyday)


def test_a_success_over_its_budget_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    row = ended(RunStatus.SUCCEEDED)
    row.breaches = ("cpu", "memory")
    record = told(row, caplog)
    assert record.levelname == "WARNING"
    assert record.getMessage() == "succeeded; over its budget of cpu, memory"


def test_what_a_quarantine_refuses_is_not_said_again_and_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    row = ended(RunStatus.REFUSED, Reason("quarantined", "5 failures"))
    assert told(row, caplog).levelno < logging.INFO
    assert told(ended(RunStatus.REFUSED, Reason("store")), caplog).levelname == "WARNING"


def test_a_stretch_says_how_many_it_stands_for(caplog: pytest.LogCaptureFixture) -> None:
    row = ended(RunStatus.MISSED)
    row.count = 3
    assert told(row, caplog).getMessage() == "missed; 3 occurrences"


def test_runs_that_go_on_are_not_told_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        tell_ends(Batch(runs=[ended(RunStatus.RUNNING), ended(RunStatus.DUE)]))
    assert caplog.records == []


def test_secrets_are_those_of_the_file_and_variables_named_like_one() -> None:
    variables = {
        "PLAIN": "kept-in-the-file",
        "BROKER_API_KEY": "a-long-key-from-outside",
        "USE_TOKEN": "true",
        "HOME": "/home/somebody",
    }
    features = Features(Environment.DEMO, "", (), auto_load=True, files=())
    configuration = Configuration(features, Settings(), variables, {}, frozenset({"PLAIN"}))
    assert set(secrets_of(configuration)) == {"kept-in-the-file", "a-long-key-from-outside"}
