"""A plugin that keeps failing is kept from running, also after a restart, and everybody is told."""

from pathlib import Path
from typing import Any

import pytest

from optifire.core.ledger import RunRow
from optifire.core.run import RunKind
from optifire.runtime.clock import wall_now
from trial import Service, Trial, until

#: A market that never closes: the first trial is an hour away.
EACH_SECOND = {"schedule": "interval_1s", "calendar": "24/7"}
FAILS = "raise RuntimeError('out of order')"
WORKS = "return PluginResult(success=True)"


def ledger(trial: Trial) -> Path:
    return trial.home.database("paper")


def rows(trial: Trial) -> list[RunRow]:
    return trial.runs(ledger(trial), plugin_id="bad", kind=RunKind.SCHEDULED)


def make(trial: Trial, body: str) -> None:
    trial.plugin("bad", body, plan=EACH_SECOND)


def quarantined(service: Service) -> dict[str, Any]:
    """Wait until the plugin is quarantined, and give that status."""
    return service.until_status(
        lambda said: said if said["plugins"]["bad"]["quarantined"] else None, what="a quarantine"
    )


def released(service: Service) -> None:
    """Wait until nothing holds the plugin."""
    service.until_status(
        lambda said: "bad" in said["plugins"] and not said["plugins"]["bad"]["quarantined"],
        what="an end of the quarantine",
    )


def refused_after(trial: Trial, mark: int) -> RunRow:
    """Wait for a refusal among the runs after the first so many."""

    def look() -> RunRow | None:
        found = [row for row in rows(trial)[mark:] if row.status == "refused"]
        return found[0] if found else None

    return until(look, what="a refusal")


def succeeds(trial: Trial) -> None:
    since = wall_now()
    until(
        lambda: trial.runs(ledger(trial), plugin_id="bad", status="succeeded", since=since),
        what="a success",
    )


@pytest.fixture
def bad(trial: Trial) -> Trial:
    """Give a home on the wall clock, with a plugin that fails each second."""
    make(trial, FAILS)
    trial.enable("bad", environment="paper")
    return trial


@pytest.mark.timeout(120)
def test_it_is_refused_with_a_reason_and_named_by_health_status_why_and_info(bad: Trial) -> None:
    with bad.service() as service:
        said = quarantined(service)
        refused_after(bad, 0)
        why = said["plugins"]["bad"]["quarantined"]
        assert why.startswith("5 runs in a row went wrong since ")
        assert "the last one: failed (RuntimeError: out of order)" in why
        assert why.endswith(" on is a trial")
        assert said["plugins"]["bad"]["state"] == "error"
        assert said["plugins"]["bad"]["reason"] == f"quarantined: {why}"
        assert said["health"] == {"level": "amber", "reasons": [f"bad is quarantined: {why}"]}
        asked = bad.ask("why", "bad")
        assert (asked["quarantined"], asked["status"]) == (why, "refused")
        assert asked["reason"] == f"quarantined: {why}"
        assert f"held     quarantined: {why}" in bad.give("why", "bad").stdout
        info = bad.ask("plugins", "info", "bad")
        assert (info["state"], info["quarantined"]) == ("error", why)
        (listed,) = (one for one in bad.ask("plugins", "list") if one["plugin_id"] == "bad")
        assert listed["reason"] == f"quarantined: {why}"
        assert service.stop() == 0
        assert "bad is quarantined: 5 runs in a row" in service.said()
    assert [row.status for row in rows(bad)[:6]] == ["failed"] * 5 + ["refused"]
    assert {row.status for row in rows(bad)[5:]} == {"refused"}
    (note,) = bad.notes("quarantined", ledger(bad))
    assert (note.subject, note.text) == ("bad", why)
    assert bad.ask("status")["plugins"]["bad"]["quarantined"] == why


@pytest.mark.timeout(120)
def test_a_restart_keeps_it_and_also_the_count_before_it(bad: Trial) -> None:
    with bad.service() as service:
        until(lambda: len(rows(bad)) >= 2, what="two failures")
        service.kill()
    with bad.service() as service:
        why = quarantined(service)["plugins"]["bad"]["quarantined"]
        service.kill()
    failed = [row for row in rows(bad) if row.status == "failed"]
    assert len(failed) == 5
    mark = len(rows(bad))
    with bad.service() as service:
        assert quarantined(service)["plugins"]["bad"]["quarantined"] == why
        assert str(refused_after(bad, mark).reason) == f"quarantined: {why}"
        make(bad, WORKS)
        released(service)
        succeeds(bad)
    assert [row for row in rows(bad)[mark:] if row.status == "failed"] == []
    (note,) = bad.notes("released", ledger(bad))
    assert note.text == "its code or its settings have changed"


@pytest.mark.timeout(120)
def test_a_change_of_code_while_no_service_runs_lifts_it_at_the_next_start(bad: Trial) -> None:
    with bad.service() as service:
        quarantined(service)
        assert service.stop() == 0
    make(bad, WORKS)
    with bad.service() as service:
        assert service.status()["plugins"]["bad"]["quarantined"] is None
        succeeds(bad)
        assert service.stop() == 0
    assert [note.subject for note in bad.notes("released", ledger(bad))] == ["bad"]


@pytest.mark.timeout(120)
def test_settings_and_switches_lift_it_and_failures_count_from_then_on(bad: Trial) -> None:
    with bad.service() as service:
        quarantined(service)
        mark = len(rows(bad))
        bad.enable(environment="paper", bad={"config": {"speed": 2}})
        released(service)
        quarantined(service)
        again = refused_after(bad, mark + 5)
        assert str(again.reason).startswith("quarantined: 5 runs in a row")
        bad.ask("plugins", "disable", "bad")
        bad.ask("plugins", "enable", "bad")
        released(service)
        assert service.stop() == 0
    texts = [note.text for note in bad.notes("released", ledger(bad))]
    assert texts == ["its code or its settings have changed", "it was switched off"]


@pytest.mark.timeout(120)
def test_a_run_by_hand_that_succeeds_lifts_it_with_or_without_a_service(bad: Trial) -> None:
    flag = bad.root / "mine" / "works"
    make(bad, f"import os\nif not os.path.exists({str(flag)!r}):\n    {FAILS}\n{WORKS}")
    with bad.service() as service:
        quarantined(service)
        assert bad.give("run", "bad").returncode == 1
        assert quarantined(service)["plugins"]["bad"]["quarantined"].startswith("6 runs in a row")
        flag.touch()
        assert bad.ask("run", "bad")["status"] == "succeeded"
        released(service)
        succeeds(bad)
        flag.unlink()
        quarantined(service)
        assert service.stop() == 0
    flag.touch()
    assert bad.ask("plugins", "info", "bad")["quarantined"]
    assert bad.ask("run", "bad")["status"] == "succeeded"
    assert bad.ask("plugins", "info", "bad")["quarantined"] is None
    with bad.service() as service:
        assert service.status()["plugins"]["bad"]["quarantined"] is None


@pytest.mark.timeout(120)
def test_the_number_of_failures_is_a_setting(bad: Trial) -> None:
    bad.configure(system={"quarantine_after": 2})
    with bad.service() as service:
        assert quarantined(service)["plugins"]["bad"]["quarantined"].startswith("2 runs in a row")
        assert service.stop() == 0
    assert [row.status for row in rows(bad) if row.status != "refused"] == ["failed"] * 2
    assert bad.ask("plugins", "info", "bad")["quarantined"].startswith("2 runs in a row")


def test_nobody_is_quarantined_in_a_replay(trial: Trial) -> None:
    trial.plugin("bad", FAILS, plan={"schedule": ["@open", "@close"]})
    trial.enable("bad")
    said = trial.ask("replay", "--from", "2018-01-02", "--to", "2018-01-08")
    assert said["statuses"] == {"bad": {"failed": 10}}


@pytest.mark.timeout(120)
def test_the_demo_quarantines_by_its_own_clock(trial: Trial) -> None:
    trial.plugin("bad", FAILS, plan={"schedule": "interval_30m@session"})
    trial.enable("bad")
    trial.configure(demo={"from": "2018-01-29", "to": "2018-01-30"})
    with trial.service() as service:
        service.until_finished()
        assert service.stop() == 0
    found = {row.key.due.strftime("%d %H:%M"): row.status.value for row in trial.runs()}
    assert len(found) == 26
    failed = ["29 14:30", "29 15:00", "29 15:30", "29 16:00", "29 16:30"]
    failed += [f"30 {hour}:30" for hour in range(14, 21)]
    assert found == dict.fromkeys(found, "refused") | dict.fromkeys(failed, "failed")
