"""What is worth an alert, and what is not."""

from datetime import UTC, datetime, timedelta

import pytest

from optifire.app.alarms import RED_LOOKS, REMEDIES, START, UNCLEAN, WELL_LOOKS, Alarms, RedChecks
from optifire.app.vitals import CHECKS
from optifire.core.alerts import Alert, Topic
from optifire.core.budget import Budget, Usage
from optifire.core.ledger import Batch, NoteRow, RunRow, new_run
from optifire.core.run import Reason, RunKey, RunKind, RunStatus
from optifire.core.types import PluginId

DUE = datetime(2026, 3, 9, 13, 30, tzinfo=UTC)
NOW = DUE + timedelta(hours=1)
CATEGORIES = {"order": "exec", "guard": "risk", "signal": "alpha"}


def alarms(*unclean: datetime) -> Alarms:
    return Alarms(lambda plugin_id: CATEGORIES.get(plugin_id, ""), unclean)


def row(
    plugin_id: str, status: RunStatus, trigger: str = "@open", kind: RunKind = RunKind.SCHEDULED
) -> RunRow:
    return new_run(RunKey(PluginId(plugin_id), DUE, 0, kind), status, trigger)


def found(*rows: RunRow) -> list[Alert]:
    return list(alarms().of_batch(Batch(runs=list(rows)), NOW))


def noted(kind: str, subject: str, text: str, *unclean: datetime) -> list[Alert]:
    return list(alarms(*unclean).of_batch(Batch(notes=[NoteRow(DUE, kind, subject, text)]), NOW))


@pytest.mark.parametrize(
    ("plugin_id", "trigger", "told", "urgent"),
    [
        ("signal", "@open", True, False),
        ("signal", "@close-10m", True, False),
        ("signal", "market_open", True, False),
        ("signal", "interval_5m", False, False),
        ("signal", "0 9 * * *", False, False),
        ("order", "interval_5m", True, True),
        ("guard", "@open", True, True),
        ("gone", "@open", True, False),
    ],
)
def test_a_missed_run_is_told_for_sessions_and_for_what_is_vital(
    plugin_id: str,
    trigger: str,
    told: bool,  # noqa: FBT001 - a table
    urgent: bool,  # noqa: FBT001 - a table
) -> None:
    alerts = found(row(plugin_id, RunStatus.MISSED, trigger))
    assert [each.urgent for each in alerts] == ([urgent] if told else [])
    assert all(each.topic is Topic.MISSED and each.at == NOW for each in alerts)


def test_a_missed_run_says_when_it_was_due_and_why_it_was_not_made() -> None:
    late = row("signal", RunStatus.MISSED)
    late.reason = Reason("late", "found after grace")
    alert = found(late)[0]
    assert alert.what == "signal was missed"
    assert alert.why == "@open, due 2026-03-09T13:30:00Z: late: found after grace"
    late.first, late.count = DUE - timedelta(days=2), 3
    assert "3 times, from 2026-03-07T13:30:00Z to 2026-03-09T13:30:00Z" in found(late)[0].why


@pytest.mark.parametrize("kind", [RunKind.MANUAL, RunKind.BACKFILL, RunKind.SHADOW])
def test_only_the_schedule_misses(kind: RunKind) -> None:
    assert found(row("order", RunStatus.MISSED, kind=kind)) == []


@pytest.mark.parametrize("status", [each for each in RunStatus if each != "missed"])
def test_no_other_end_is_an_alert_by_itself(status: RunStatus) -> None:
    wanted = [Topic.BUDGET] if status is RunStatus.OVER_BUDGET else []
    assert [each.topic for each in found(row("signal", status))] == wanted


def test_a_run_over_its_budget_is_told_with_its_figures() -> None:
    over = row("signal", RunStatus.SUCCEEDED)
    over.breaches, over.finished_at = ("cpu",), DUE
    over.usage, over.budget = Usage(1234.5, 40.2), Budget(1000, 64)
    alert = found(over)[0]
    assert alert.what == "signal went over its budget"
    assert alert.why == "signal@20260309T133000Z; used 1,234 of 1,000 ms, 40 of 64 MB"
    assert not alert.urgent
    over.finished_at = None
    assert found(over) == []


def test_a_run_that_was_stopped_is_another_cause_and_urgent_where_it_is_vital() -> None:
    stopped = row("guard", RunStatus.OVER_BUDGET)
    stopped.reason = Reason("cpu", "2,001 ms of 1,000")
    alert = found(stopped)[0]
    assert (alert.cause, alert.urgent) == ("stopped:guard", True)
    assert "cpu: 2,001 ms of 1,000" in alert.why
    assert not found(row("signal", RunStatus.OVER_BUDGET))[0].urgent


def test_a_quarantine_is_told_with_its_end() -> None:
    begun = noted("quarantined", "signal", "5 runs in a row went wrong")[0]
    ended = noted("released", "signal", "its trial succeeded")[0]
    assert begun.cause == ended.cause == "quarantine:signal"
    assert (begun.lasting, begun.over, ended.over) == (True, False, True)
    assert begun.why == "5 runs in a row went wrong"
    assert noted("quarantined", "guard", "")[0].urgent


def test_a_start_is_told_only_after_an_unclean_end() -> None:
    assert noted(START, "2", "after a clean stop") == []
    assert noted(START, "1", "first start") == []
    alert = noted(START, "2", UNCLEAN)[0]
    assert (alert.topic, alert.urgent) == (Topic.RECOVERY, False)
    assert alert.what == "the service is back after an unclean end"


def test_a_service_that_cannot_stay_up_is_told_at_the_first_second_fourth_eighth_start() -> None:
    told = [
        number
        for number in range(1, 40)
        if noted(START, str(number), UNCLEAN, *[DUE] * (number - 1))
    ]
    assert told == [1, 2, 4, 8, 16, 32]
    assert "; 4 such starts within a day" in noted(START, "4", UNCLEAN, *[DUE] * 3)[0].why
    assert noted(START, "4", UNCLEAN, *[DUE] * 3)[0].urgent


# --- health -------------------------------------------------------------------------------------


def seen(checks: RedChecks, *red: str, times: int = 1) -> list[tuple[str, bool]]:
    given = {each: [f"{each} is bad"] for each in red}
    return [(a.cause, a.over) for _ in range(times) for a in checks.see(given, NOW)]


def test_what_is_red_at_two_looks_is_told_once_and_its_end_after_a_minute() -> None:
    checks = RedChecks()
    assert seen(checks, "ledger") == []
    assert seen(checks, "ledger", times=50) == [("health:ledger", False)]
    assert seen(checks, times=WELL_LOOKS - 1) == []
    assert seen(checks) == [("health:ledger", True)]
    assert seen(checks, times=100) == []


def test_what_is_red_for_one_look_wakes_nobody() -> None:
    checks = RedChecks()
    for _ in range(20):
        assert seen(checks, "memory") == []
        assert seen(checks) == []


def test_what_turns_red_again_before_the_end_has_not_ended() -> None:
    checks = RedChecks()
    assert seen(checks, "disk", times=RED_LOOKS) == [("health:disk", False)]
    assert seen(checks, times=WELL_LOOKS - 1) == []
    assert seen(checks, "disk") == []
    assert seen(checks, times=WELL_LOOKS - 1) == []
    assert seen(checks) == [("health:disk", True)]


def test_what_was_told_before_a_restart_is_not_told_again_and_its_end_is() -> None:
    checks = RedChecks()
    checks.recall(["health:ledger", "health:disk", "missed:a"])
    assert seen(checks, "ledger", times=5) == []
    assert seen(checks, "ledger", times=WELL_LOOKS) == [("health:disk", True)]
    assert seen(checks, times=WELL_LOOKS) == [("health:ledger", True)]
    assert seen(checks, "ledger", times=RED_LOOKS) == [("health:ledger", False)]


def test_each_check_is_told_with_its_reasons_and_what_to_do() -> None:
    checks = RedChecks()
    red = {"ledger": ["the ledger cannot be written: full"], "disk": ["3 MB are free", "again"]}
    alerts = [alert for _ in range(RED_LOOKS) for alert in checks.see(red, NOW)]
    assert [each.what for each in alerts] == ["health is red: ledger", "health is red: disk"]
    assert alerts[1].why == "3 MB are free; again"
    assert alerts[0].remedy.startswith("Make room on the disk")
    assert all(each.urgent and each.lasting for each in alerts)


def test_remedies_are_those_of_checks() -> None:
    assert REMEDIES.keys() <= set(CHECKS)
