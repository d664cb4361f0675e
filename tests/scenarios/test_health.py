"""`health` on real services: live, ready, and every check with what it found."""

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from optifire.app.vitals import CHECKS
from optifire.runtime.clock import monotonic
from trial import Trial, until
from trial_metrics import parse

ROOT = Path(__file__).parents[2]

#: Fails from its second run on, and leaves a value before.
FAILS_LATER = """\
if (context.data_dir / "once").exists():
    raise RuntimeError("out of order")
(context.data_dir / "once").touch()
return PluginResult(success=True, data={"x": 1})
"""


def report(trial: Trial, code: int) -> dict[str, Any]:
    """Give what ``health --json`` says, with that exit code."""
    done = trial.give("health", "--json")
    assert done.returncode == code, done.stdout + done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.mark.row("O042")
def test_a_service_is_green_red_with_the_reason_and_green_again(trial: Trial) -> None:
    trial.enable()
    assert report(trial, 1) == {
        "environment": None,
        "live": False,
        "ready": False,
        "state": "stopped",
        "level": "red",
        "reasons": ["no service is running in this home"],
        "checks": {},
    }
    with trial.service():
        said = report(trial, 0)
        assert (said["live"], said["ready"], said["level"]) == (True, True, "green"), said
        assert tuple(said["checks"]) == CHECKS
        assert "green  disk" in trial.give("health").stdout
        good = trial.features.read_text(encoding="utf-8")
        trial.replace(trial.features, "environment: demo\nplugins: [\n")
        until(lambda: trial.give("health").returncode == 1, what="a red service")
        said = report(trial, 1)
        assert (said["live"], said["ready"], said["level"]) == (True, False, "red")
        assert said["checks"]["configuration"]["level"] == "red"
        assert "not taken over" in said["reasons"][0]
        trial.replace(trial.features, good)
        until(lambda: trial.give("health").returncode == 0, what="a service that is well again")


def test_a_loop_that_did_not_run_is_told(trial: Trial) -> None:
    trial.enable()
    with trial.service() as service:
        os.kill(service.pid, signal.SIGSTOP)
        end = monotonic() + 2.5
        until(lambda: monotonic() > end, what="a while")
        os.kill(service.pid, signal.SIGCONT)
        said = until(
            lambda: report(trial, 0)["checks"]["event_loop"]["reasons"], what="a late loop"
        )
        assert "s late within the last 60 s" in said[0]


def test_a_value_that_its_producer_did_not_renew_is_told(trial: Trial) -> None:
    trial.plugin("makes", FAILS_LATER, plan={"schedule": "@open"}, outputs=["x"])
    trial.plugin("uses", plan={"schedule": "@close", "dependencies": ["x"]})
    trial.enable("makes", "uses")
    trial.configure(demo={"from": "2018-01-29", "to": "2018-01-30"})
    with trial.service() as service:
        service.until_finished()
        found = until(lambda: report(trial, 0)["checks"]["stale"], what="a stale value")
        assert found["level"] == "amber"
        why = "what makes left is of 2018-01-29T14:30:00Z, and it was due again since"
        assert found["reasons"] == [f"{why}; needed by uses"]


# --- metrics ------------------------------------------------------------------------------------

WORKS = """\
total = sum(range(300_000))
return PluginResult(success=True, data={"x": total})
"""


@pytest.mark.row("A134")
@pytest.mark.row("A135")
@pytest.mark.row("A136")
def test_metrics_say_what_ran_how_it_ended_and_what_it_used(trial: Trial) -> None:
    trial.plugin("works", WORKS, plan={"schedule": "@open"}, outputs=["x"])
    trial.plugin("fails", "raise RuntimeError('no')", plan={"schedule": "@close"})
    trial.enable("works", "fails")
    trial.configure(demo={"from": "2018-01-29", "to": "2018-01-31"})
    with trial.service() as service:
        service.until_finished()
        found = parse(trial.give("metrics").stdout)
        runs = found["optifire_runs_total"]
        assert runs.value("optifire_runs_total", plugin="works", status="succeeded") == 3
        assert runs.value("optifire_runs_total", plugin="fails", status="failed") == 3
        recorded = trial.runs(plugin_id="works", status="succeeded")
        cpu = found["optifire_run_cpu_seconds_total"].value(
            "optifire_run_cpu_seconds_total", plugin="works"
        )
        assert cpu == pytest.approx(sum(row.usage.cpu_ms or 0 for row in recorded) / 1000)
        assert cpu > 0
        peak = found["optifire_run_memory_peak_bytes"].value(
            "optifire_run_memory_peak_bytes", plugin="works"
        )
        assert peak == max(row.usage.mem_mb or 0 for row in recorded) * 2**20
        late = found["optifire_run_lateness_seconds"]
        assert late.value("optifire_run_lateness_seconds_count", plugin="works") == 3
        alone = {
            name: metric.value(name)
            for name, metric in found.items()
            if list(metric.values) == [(name, frozenset())]
        }
        assert alone["optifire_slots_held"] == alone["optifire_slots_waiting"] == 0
        assert alone["optifire_zygotes"] >= 1
        assert alone["optifire_processes"] >= 2
        assert alone["optifire_ledger_size_bytes"] >= trial.database.stat().st_size
        assert alone["process_resident_memory_bytes"] > 10_000_000
        assert alone["process_open_fds"] > 3
        level = found["optifire_health_level"]
        assert level.value("optifire_health_level", check="ledger") == 0


def test_every_metric_is_in_the_reference_with_its_type(trial: Trial) -> None:
    trial.plugin("greedy", WORKS, plan={"schedule": "@open"}, outputs=["x"])
    trial.enable(greedy={"budget": {"cpu_ms": 5}})
    trial.configure(demo={"from": "2018-01-29", "to": "2018-01-29"})
    with trial.service() as service:
        service.until_finished()
        found = parse(trial.ask("metrics")["text"])
    page = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    section = page.partition("## Metrics\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?`) \| (\w+) \|", section, re.MULTILINE)
    said = {name: kind for names, kind in rows for name in re.findall(r"`(\w+)`", names)}
    assert {name: metric.type for name, metric in found.items()}.items() <= said.items()
    # What no run gave reason for, or what another machine may not show.
    assert said.keys() - found.keys() <= {"optifire_budget_breaches_total", "process_max_fds"}


def test_without_a_service_there_is_nothing_to_count(trial: Trial) -> None:
    assert "no service" in trial.refused("metrics")["message"]
