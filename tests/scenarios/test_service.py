"""The service as a person meets it: `up`, `status`, `run`, signals, and what a restart finds."""

import json
import signal
import stat
import subprocess
import sys
from datetime import date, datetime, timedelta

import pytest

from optifire.cli.house import user
from optifire.core.run import RunKind, RunStatus
from optifire.host import client
from optifire.runtime.clock import wall_now
from trial import Program, Trial, until

WAITS = """\
import asyncio
while not (context.data_dir / "go").exists():
    await asyncio.sleep(0.01)
return PluginResult(success=True)
"""
MONDAY, FRIDAY = date(2018, 1, 29), date(2018, 2, 2)


@pytest.fixture
def demo(trial: Trial) -> Trial:
    """Give a home whose demo plays one week of one quick plugin."""
    trial.plugin("quick", plan={"schedule": "interval_30m@session"})
    trial.enable("quick")
    trial.configure(demo={"from": str(MONDAY), "to": str(FRIDAY)})
    return trial


@pytest.fixture
def waiting(trial: Trial) -> Trial:
    """Give a home whose demo comes to a run that goes on until a file is there."""
    trial.plugin("slow", WAITS, plan={"schedule": "@open"})
    trial.enable("slow")
    trial.configure(demo={"from": str(MONDAY), "to": str(MONDAY)})
    return trial


def let_go(trial: Trial) -> None:
    folder = trial.home.data / "plugins" / "slow"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "go").touch()


def running(trial: Trial) -> str:
    """Wait for a run in progress and give its id."""
    return str(until(lambda: trial.runs(status="running"), what="a run in progress")[0].run_id)


def starts(trial: Trial) -> list[str]:
    """Give how each start found the ledger."""
    return [note.text for note in trial.notes("start")]


# --- what it says -------------------------------------------------------------------------------


def test_a_running_demo_says_what_it_is_by_its_socket(demo: Trial) -> None:
    demo.configure(demo={"from": str(MONDAY), "to": "2018-12-31"})
    with demo.service(pace=0.2) as service:
        assert stat.S_IMODE(demo.home.socket.stat().st_mode) == 0o600
        said = demo.ask("status")
        assert (said["state"], said["environment"], said["recorded"]) == ("running", "demo", True)
        assert said["now"].startswith("2018-0")
        assert said["health"] == {"level": "green", "reasons": []}
        assert set(said["plugins"]) == {"quick"}
        assert said["next"][0]["plugin_id"] == "quick"
        text = demo.give("status").stdout
        assert "recorded data" in text
        assert "quick" in text
        assert service.stop() == 0
    assert not demo.home.socket.exists()


def test_a_demo_that_has_played_its_last_day_says_so_and_stays_up(demo: Trial) -> None:
    with demo.service() as service:
        service.until_finished()
        assert demo.ask("status")["next"] == []
        last = demo.runs()[-1]
        assert last.key.due == datetime.fromisoformat("2018-02-02T20:30:00Z")
        assert "finished" in service.said()
        record = demo.ask("run", "quick")
        assert record["status"] == "succeeded"
        assert service.status()["state"] == "finished"
        assert service.stop() == 0


@pytest.mark.row("O004")
def test_paper_goes_by_the_wall_clock_and_says_what_is_next(trial: Trial) -> None:
    trial.enable("alpha_vix_regime", "fe_garch", environment="paper")
    with trial.service() as service:
        said = service.status()
        assert (said["environment"], said["recorded"]) == ("paper", False)
        assert abs(datetime.fromisoformat(said["now"]) - wall_now()) < timedelta(minutes=1)
        upcoming = {one["plugin_id"]: one for one in said["next"]}
        assert upcoming["alpha_vix_regime"]["trigger"] == "@open"
        assert upcoming["fe_garch"]["trigger"] == "@close"
        assert datetime.fromisoformat(upcoming["fe_garch"]["due"]) > wall_now()
        assert trial.ask("next", "--hours", "200")[0] in said["next"]
        assert service.stop() == 0


# --- runs by hand -------------------------------------------------------------------------------


@pytest.mark.row("O005")
def test_a_run_by_hand_is_made_by_the_service_and_recorded_as_manual(demo: Trial) -> None:
    with demo.service(pace=0.1):
        record = demo.ask("run", "quick", "--why", "to see it")
    assert (record["kind"], record["status"], record["trigger"]) == (
        "manual",
        "succeeded",
        "manual",
    )
    assert [row.run_id for row in demo.runs() if row.key.kind == "manual"] == [record["run_id"]]
    assert [(note.subject, note.text) for note in demo.notes("manual")] == [
        (record["run_id"], f"by {user()}: to see it")
    ]
    assert demo.ask("run-info", record["run_id"])["run_id"] == record["run_id"]


def test_a_run_by_hand_without_a_service_is_made_where_the_demo_has_come_to(trial: Trial) -> None:
    """Made at the wall clock, its values would be newer than all that the demo still publishes."""
    says = "return PluginResult(success=True, data={'at': context.now.isoformat()})"
    trial.plugin("quick", says, plan={"schedule": "interval_30m@session"}, outputs=["at"])
    trial.enable("quick")
    trial.configure(demo={"from": str(MONDAY), "to": str(FRIDAY)})
    with trial.service(pace=0.3) as service:
        until(lambda: len(trial.runs()) >= 5, what="some runs")
        service.stop()
    reached = trial.runs()[-1].key.due
    record = trial.ask("run", "quick")
    assert (record["kind"], record["status"]) == ("manual", "succeeded")
    assert reached <= datetime.fromisoformat(record["due"]) < reached + timedelta(minutes=5)
    with trial.service() as service:
        service.until_finished()
        assert service.status()["context"]["at"] == trial.runs()[-1].key.due.isoformat()


def test_a_run_that_is_cancelled_says_why(waiting: Trial) -> None:
    with waiting.service() as service:
        run_id = running(waiting)
        answer = client.ask(waiting.home.socket, "cancel", run_id=run_id, why="it takes too long")
        assert answer == {"ok": True, "changed": [run_id]}
        until(lambda: not waiting.runs(status="running"), what="its end")
        again = client.ask(waiting.home.socket, "cancel", run_id=run_id, why="again")
        assert again == {"ok": False, "changed": []}
        assert service.stop() == 0
    row = waiting.runs()[0]
    assert row.status is RunStatus.CANCELLED
    assert "it takes too long" in str(row.reason)


# --- the end ------------------------------------------------------------------------------------


def test_the_first_signal_lets_a_run_end(waiting: Trial) -> None:
    with waiting.service() as service:
        running(waiting)
        service.process.send_signal(signal.SIGTERM)
        service.until_status(lambda said: said["state"] == "stopping", what="the drain")
        let_go(waiting)
        assert service.process.wait(30) == 0
    assert [row.status for row in waiting.runs()] == [RunStatus.SUCCEEDED]
    with waiting.service():
        pass
    assert starts(waiting) == ["first start", "after a clean stop"]


def test_the_second_signal_ends_it_at_once_and_no_process_is_left(waiting: Trial) -> None:
    with waiting.service() as service:
        running(waiting)
        service.process.send_signal(signal.SIGTERM)
        service.until_status(lambda said: said["state"] == "stopping", what="the drain")
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(30) == -signal.SIGTERM
        until(lambda: not waiting.processes(), what="an end of its workers")
    let_go(waiting)
    waiting.ask("run", "slow")  # a command in between ends cleanly, which the service did not
    with waiting.service() as service:
        service.until_finished()
    assert starts(waiting) == ["first start", "after an unclean end"]
    rows = {row.key.kind: (row.status, row.attempts) for row in waiting.runs()}
    assert rows == {
        RunKind.SCHEDULED: (RunStatus.SUCCEEDED, 2),
        RunKind.MANUAL: (RunStatus.SUCCEEDED, 1),
    }


def test_a_restart_goes_on_where_the_demo_stopped(demo: Trial) -> None:
    with demo.service(pace=0.05) as service:
        until(lambda: len(demo.runs()) >= 5, what="some runs")
        assert service.stop() == 0
    first = [row.key.due for row in demo.runs()]
    with demo.service() as service:
        service.until_finished()
    due = demo.schedule("interval_30m@session", f"{MONDAY}T00:00:00Z", "2018-02-03T00:00:00Z")
    rows = demo.runs()
    assert [row.key.due for row in rows][: len(first)] == first
    assert [row.key.due for row in rows] == [datetime.fromisoformat(each) for each in due]


def test_fresh_begins_the_demo_again(demo: Trial) -> None:
    with demo.service() as service:
        service.until_finished()
    before = [row.started_at for row in demo.runs()]
    with demo.service("--fresh") as service:
        service.until_finished()
    after = [row.started_at for row in demo.runs()]
    assert len(after) == len(before)
    assert starts(demo) == ["first start"]


def test_a_second_service_is_refused_and_told_who_holds_the_home(demo: Trial) -> None:
    demo.configure(demo={"from": str(MONDAY), "to": "2018-12-31"})
    with demo.service(pace=0.1) as service:
        for words in (["up"], ["up", "--fresh"]):
            error = demo.refused(*words)
            assert error["type"] == "LockedError"
            assert f"process {service.pid} on " in error["message"]
            assert error["where"] == str(demo.database)
            assert "Stop that service first" in error["remedy"]
        before = len(demo.runs())
        until(lambda: len(demo.runs()) > before, what="further runs of the first one")


def test_a_service_of_another_environment_is_refused_too(demo: Trial) -> None:
    with demo.service(pace=0.05):
        other = Program(demo.root, {"OPTIFIRE_ENVIRONMENT": "paper"})
        error = other.refused("up")
        assert error["type"] == "LockedError"
        assert "another service is running in this home" in error["message"]
    assert not demo.home.database("paper").exists()


# --- what it carries ----------------------------------------------------------------------------

#: Runs the program in a process of its own and tells which modules it had at the end.
DRIVER = """\
import json, sys
from optifire.cli.main import main
code = main(sys.argv[1:])
files = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
print(json.dumps({"code": code, "modules": files}))
"""


def test_the_service_imports_neither_pandas_nor_numpy_nor_any_plugin(trial: Trial) -> None:
    mine = trial.plugin("quick", plan={"schedule": "@open"})
    trial.enable("quick", "alpha_vix_regime", "infra_heartbeat")
    trial.configure(demo={"from": str(MONDAY), "to": str(MONDAY)})
    words = trial.command("up", "--no-view", "--pace", "0")[1:]
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, *words],
        env=trial.variables(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        until(
            lambda: {"quick", "alpha_vix_regime"} <= succeeded(trial),
            what="a run of each",
        )
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
    said = json.loads(out.splitlines()[-1])
    assert said["code"] == 0
    names = set(said["modules"])
    assert not names & {"numpy", "pandas", "scipy", "statsmodels", "arch", "exchange_calendars"}
    assert not names & {"rich"}, "nobody looks"
    assert not names & {"litestar", "uvicorn", "httptools", "optifire.api"}, "the API is off"
    assert {name for name in names if name.startswith("optifire.plugins.")} == set()
    assert str(mine) not in said["modules"].values()


def succeeded(trial: Trial) -> set[str]:
    return {row.key.plugin_id for row in trial.runs(status="succeeded")}
