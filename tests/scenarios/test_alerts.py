"""From trouble in a real service to a message that a real webhook received."""

import json
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from optifire.app.alert_memory import ALERTS
from optifire.core.run import RunStatus
from optifire.runtime.clock import monotonic, wall_now
from trial import Service, Trial, until
from trial_hook import TOKEN, Hook, hook

EACH_SECOND = {"schedule": "interval_1s", "calendar": "24/7"}
#: A plugin is quarantined by its first failure, so that nobody waits for five.
AT_ONCE = {"quarantine_after": 1}
WANTED = {"targets": ["${OPS}"], "tz": "Europe/Berlin"}


@pytest.fixture
def webhook() -> Iterator[Hook]:
    """Give a webhook that takes messages."""
    with hook() as made:
        yield made


@pytest.fixture
def told(trial: Trial, webhook: Hook) -> Trial:
    """Give a home on the wall clock whose alerts go to the webhook."""
    secrets(trial, webhook.address)
    trial.configure(alerts=WANTED, system=AT_ONCE)
    return trial


def secrets(trial: Trial, address: str) -> None:
    file = trial.home.secrets
    file.write_text(f"OPS={address}\n", encoding="utf-8")
    file.chmod(0o600)


def sleep_through(service: Service, seconds: float) -> None:
    """Stop the process for a while, as a machine does that sleeps."""
    os.kill(service.pid, signal.SIGSTOP)
    try:
        until_passed(seconds)
    finally:
        os.kill(service.pid, signal.SIGCONT)


def until_passed(seconds: float) -> None:
    end = monotonic() + seconds
    until(lambda: monotonic() > end, what="a while")


@pytest.mark.row("O049")
@pytest.mark.timeout(150)
def test_missed_quarantined_red_and_recovered_reach_the_webhook(told: Trial, webhook: Hook) -> None:
    told.plugin("order", plan={**EACH_SECOND, "deadline": 0.5}, category="exec")
    told.plugin("bad", "raise RuntimeError('out of order')", plan=EACH_SECOND)
    told.enable("order", "bad", environment="paper")
    ledger = told.home.database("paper")
    with told.service() as service:
        until(lambda: told.runs(ledger, plugin_id="order", status=RunStatus.SUCCEEDED))
        sleep_through(service, 3.0)
        missed = until(lambda: webhook.titled("order was missed"), what="a missed order")
        assert missed["type"] == "failure"
        assert missed["title"].startswith("OptiFIRE paper on ")
        assert "Why: interval_1s, due " in missed["message"]
        assert "What to do: See `optifire why order`" in missed["message"]
        assert " CE" in missed["message"]
        held = until(lambda: webhook.titled("bad is quarantined"), what="a quarantine")
        assert held["type"] == "warning"
        assert "RuntimeError: out of order" in held["message"]
        told.replace(told.features, "environment: paper\nplugins: [\n")
        red = until(lambda: webhook.titled("health is red: configuration"), what="red health")
        assert "features.yaml:" in red["message"]
        assert len([one for one in webhook.posted if "order was missed" in one["title"]]) == 1
        told.enable("order", environment="paper")
        until(lambda: told.give("health").returncode == 0, what="health that is not red")
        now = wall_now()
        told.configure(alerts={**WANTED, "tz": "UTC", "quiet_hours": around(now)}, system=AT_ONCE)
        told.plugin("late", "raise RuntimeError('at night')", plan=EACH_SECOND)
        told.enable("order", "late", environment="paper")
        until(lambda: "late is quarantined" in kept(ledger), what="an alert that waits")
        assert not webhook.titled("late is quarantined")
        service.kill()
    told.configure(alerts=WANTED, system=AT_ONCE)
    with told.service():
        back = until(lambda: webhook.titled("back after an unclean end"), what="a recovery")
        assert "kill -9" in back["message"]
        until(lambda: webhook.titled("late is quarantined"), what="what had waited")
    nowhere(told)


def around(now: datetime) -> str:
    """Give quiet hours that go on for a while."""
    return "-".join(f"{now + timedelta(hours=each):%H:%M}" for each in (-2, 2))


def kept(ledger: Path) -> str:
    """Give what the ledger of a running service keeps of its alerts."""
    with closing(sqlite3.connect(ledger)) as connection:
        rows = dict(connection.execute("SELECT key, value FROM meta"))
    return str(rows.get(ALERTS, ""))


def nowhere(trial: Trial) -> None:
    """Check that no file of the home but the one of secrets holds the token."""
    files = [each for each in trial.root.rglob("*") if each.is_file()]
    holding = {each for each in files if TOKEN.encode() in each.read_bytes()}
    assert holding == {trial.home.secrets}


@pytest.mark.row("O049")
def test_alerts_test_says_who_took_it_with_a_service_and_without(
    told: Trial, webhook: Hook
) -> None:
    told.enable(environment="paper")
    told.configure(alerts={**WANTED, "targets": ["${OPS}", "${NOBODY}"]})
    assert "nobody is told" not in told.give("alerts", "test").stderr
    done = told.give("alerts", "test", "--json")
    said = json.loads(done.stdout)
    assert done.returncode == 1
    assert said["changed"] == ["OPS"]
    assert said["targets"][0] == {"target": "OPS", "ok": True, "reason": None}
    assert "not set" in said["targets"][1]["reason"]
    assert webhook.posted[-1]["message"] == "If you can read this, alerts reach you here."
    told.configure(alerts=WANTED)
    with told.service():
        assert told.give("alerts", "test").stdout == "OPS: took it\n"
        webhook.status = 403
        refused = told.give("alerts", "test")
        assert (refused.returncode, refused.stdout) == (1, "OPS: it answered with HTTP 403\n")
    assert TOKEN not in done.stdout + done.stderr + refused.stdout + refused.stderr
    nowhere(told)


@pytest.mark.timeout(120)
def test_a_target_that_takes_nothing_makes_health_amber_and_hurts_no_run(
    told: Trial, webhook: Hook
) -> None:
    webhook.status = 500
    told.plugin("good", plan=EACH_SECOND)
    told.plugin("bad", "raise RuntimeError('out of order')", plan=EACH_SECOND)
    told.enable("good", "bad", environment="paper")
    with told.service() as service:
        reasons = until(lambda: reasons_of(told), what="an amber check")
        assert reasons == ["no alert reaches OPS (1 try): it answered with HTTP 500"]
        assert service.status()["health"]["level"] == "amber"
        webhook.status = 200
        until(lambda: webhook.titled("bad is quarantined"), what="the alert after all")
        until(lambda: not reasons_of(told), what="a check that is green again")
        rows = told.runs(told.home.database("paper"), plugin_id="good")
        ended = [row.status for row in rows if row.finished_at is not None]
        assert len(ended) > 5
        assert set(ended) == {RunStatus.SUCCEEDED}
        webhook.answers.clear()
    nowhere(told)


def reasons_of(trial: Trial) -> list[str]:
    reasons: list[str] = trial.ask("health")["checks"]["alerts"]["reasons"]
    return reasons


def test_a_demo_tells_nobody_unless_it_is_asked_to(told: Trial, webhook: Hook) -> None:
    told.plugin("greedy", "sum(range(10**9))", plan={"schedule": "@open"})
    told.enable(greedy={"budget": {"cpu_ms": 10}})
    days = {"from": "2018-01-29", "to": "2018-01-29"}
    told.configure(alerts=WANTED, demo=days)
    with told.service() as service:
        service.until_finished()
        assert told.runs(status=RunStatus.OVER_BUDGET)
        told.configure(alerts={**WANTED, "demo": True}, demo=days)
        until(lambda: "OPS" in told.give("alerts", "test").stdout, what="a target")
        told.give("run", "greedy")
        stopped = until(lambda: webhook.titled("greedy was stopped"), what="an alert")
        assert "~manual" in stopped["message"]
        alerts = [each for each in webhook.posted if "a test" not in each["title"]]
        assert len(alerts) == 1
