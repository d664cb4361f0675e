import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from optifire.cli.house import user
from optifire.core.errors import NotFoundError
from optifire.core.ledger import RunRow
from optifire.core.run import Failure, Reason, RunKey, RunKind, RunStatus
from optifire.core.types import PluginId
from optifire.host.control import ControlServer, handlers_for

from .conftest import Program

RECORD = {
    "run_id", "plugin_id", "due", "started_at", "finished_at", "status", "reason", "attempt",
    "worker", "cpu_ms", "mem_mb", "measured", "wall_ms", "outputs", "inputs", "error",
}  # fmt: skip
GARCH = "fe_garch@20181123T180000Z"


# --- runs ---------------------------------------------------------------------------------------


def test_a_ledger_that_is_not_there_is_named(optifire: Program, home: Path) -> None:
    said = optifire("--home", home, "runs", "--db", home / "none.db", "--json")
    assert said.code == 1
    assert said.error["type"] == "StoreError"
    assert said.error["where"] == str(home / "none.db")


def test_a_file_that_is_no_ledger_is_an_error(optifire: Program, home: Path) -> None:
    said = optifire("--home", home, "runs", "--db", home / "configs" / "config.yaml", "--json")
    assert said.code == 1
    assert str(home / "configs" / "config.yaml") in said.error["where"]


def test_a_home_in_which_nothing_has_run_says_so(optifire: Program, fresh: Path) -> None:
    said = optifire("--home", fresh, "runs", "--json")
    assert (said.code, said.json) == (0, [])
    assert "optifire up" in said.err


@pytest.mark.parametrize("command", ["runs", "history"])
def test_an_empty_answer_about_an_id_that_nobody_has_says_so(
    optifire: Program, fresh: Path, command: str
) -> None:
    unknown = optifire("--home", fresh, command, "--plugin", "alpha_vpr")
    assert "no plugin has the id 'alpha_vpr'. Did you mean alpha_vrp" in unknown.err
    assert "no plugin" not in optifire("--home", fresh, command, "--plugin", "alpha_vrp").err


def test_runs_are_records_the_latest_due_first(optifire: Program, home: Path) -> None:
    found = optifire("--home", home, "runs", "--limit", "20", "--json").json
    assert len(found) == 20
    assert all(record.keys() >= RECORD for record in found)
    dues = [record["due"] for record in found]
    assert dues == sorted(dues, reverse=True)
    assert dues[0] == "2018-11-30T21:00:00Z"


def test_runs_are_chosen_by_plugin_status_and_time(optifire: Program, home: Path) -> None:
    def due(*words: str) -> list[str]:
        found = optifire("--home", home, "runs", "--plugin", "fe_garch", *words, "--json").json
        return [record["due"] for record in found]

    assert due("--since", "2018-11-23", "--until", "2018-11-23") == ["2018-11-23T18:00:00Z"]
    assert due("--since", "2018-11-23T18:00:01Z", "--until", "2018-11-26") == [
        "2018-11-26T21:00:00Z"
    ]
    assert len(due("--status", "succeeded")) == 9
    assert due("--status", "failed") == []


def test_a_half_day_closes_early_in_a_replay(optifire: Program, home: Path) -> None:
    words = ("--plugin", "fe_garch", "--since", "2018-11-22", "--until", "2018-11-23", "--json")
    (record,) = optifire("--home", home, "runs", *words).json
    assert (record["due"], record["trigger"]) == ("2018-11-23T18:00:00Z", "@close")


def test_runs_as_text_are_a_table_in_market_time(optifire: Program, home: Path) -> None:
    said = optifire("--home", home, "runs", "--plugin", "fe_garch", "--limit", "6")
    assert "Fri 2018-11-23 13:00:00 EST  fe_garch  succeeded" in said.out
    assert "\x1b" not in said.out


# --- run-info -----------------------------------------------------------------------------------


def test_an_unknown_run_is_answered_with_the_latest_of_that_plugin(
    optifire: Program, home: Path
) -> None:
    said = optifire("--home", home, "run-info", "fe_garch@20181123T180001Z", "--json")
    assert said.code == 1
    assert said.error["type"] == "NotFoundError"
    assert "fe_garch@20181130T210000Z" in said.error["remedy"]
    assert optifire("--home", home, "run-info", "nonsense").code == 1


def test_run_info_of_a_home_without_a_ledger_is_an_error(optifire: Program, fresh: Path) -> None:
    said = optifire("--home", fresh, "run-info", GARCH, "--json")
    assert said.code == 1
    assert "nothing has run" in said.error["message"]


def test_run_info_is_the_record_with_attempts_events_and_lineage(
    optifire: Program, home: Path
) -> None:
    info = optifire("--home", home, "run-info", GARCH, "--json").json
    assert info.keys() >= RECORD | {"attempts", "events", "lineage"}
    assert "logs" not in info
    assert [each["status"] for each in info["attempts"]] == ["succeeded"]
    assert info["outputs"]["vol_forecast"] > 0
    logs = optifire("--home", home, "run-info", GARCH, "--logs", "--json").json["logs"]
    assert isinstance(logs, list)


@pytest.mark.row("O066")
def test_a_number_is_traced_back_through_runs_to_recorded_data(
    optifire: Program, home: Path
) -> None:
    run = "risk_vol_target@20181123T180000Z"
    info = optifire("--home", home, "run-info", run, "--json").json
    source = info["lineage"]["vol_forecast"]
    assert (source["run_id"], source["as_of"]) == (GARCH, "2018-11-23T18:00:00Z")
    data = source["inputs"]["feed:SPX"]
    assert data["run_id"] is None
    assert data["origin"].startswith("builtin:SPX:")
    text = optifire("--home", home, "run-info", run).out
    assert f"vol_forecast: {GARCH}, as of Fri 2018-11-23 13:00:00 EST" in text


# --- why and next -------------------------------------------------------------------------------


def test_why_of_an_unknown_plugin_offers_near_ids(optifire: Program, home: Path) -> None:
    said = optifire("--home", home, "why", "fe_grach", "--json")
    assert said.code == 1
    assert said.error["type"] == "NotFoundError"
    assert "fe_garch" in said.error["remedy"]


def test_why_tells_the_last_run_what_it_waited_for_and_the_next(
    optifire: Program, home: Path
) -> None:
    words = ("why", "risk_vol_target", "--at", "2018-11-23", "--json")
    shape = optifire("--home", home, *words).json
    told = {"plugin_id", "last", "waited_for", "status", "reason", "next"}
    told |= {"quarantined", "paused", "by_hand"}
    assert shape.keys() == told
    assert shape["last"]["run_id"] == "risk_vol_target@20181123T180000Z"
    assert shape["waited_for"] == [{"name": "vol_forecast", "run_id": GARCH, "status": "succeeded"}]
    assert (shape["status"], shape["reason"]) == ("succeeded", None)
    assert shape["next"] == "2018-11-26T21:00:00Z"


def test_why_names_the_holiday_on_which_nothing_ran(optifire: Program, home: Path) -> None:
    shape = optifire("--home", home, "why", "fe_garch", "--at", "2018-11-22", "--json").json
    assert shape["status"] == "not due"
    assert shape["reason"] == "market holiday: Thanksgiving (XNYS 2018-11-22)"
    assert shape["last"]["due"] == "2018-11-21T21:00:00Z"
    assert shape["next"] == "2018-11-23T18:00:00Z"


def test_why_says_that_nobody_accounted_for_a_due_instant(optifire: Program, home: Path) -> None:
    shape = optifire("--home", home, "why", "fe_garch", "--at", "2018-12-04", "--json").json
    assert shape["status"] == "not recorded"
    assert "2018-12-03T21:00:00Z" in shape["reason"]


def test_why_of_a_plugin_that_is_off_or_never_ran_says_that(optifire: Program, fresh: Path) -> None:
    shape = optifire("--home", fresh, "why", "fe_garch", "--json").json
    assert (shape["status"], shape["last"], shape["waited_for"]) == ("never ran", None, [])
    assert optifire("--home", fresh, "plugins", "disable", "fe_garch").code == 0
    shape = optifire("--home", fresh, "why", "fe_garch", "--json").json
    assert (shape["status"], shape["reason"], shape["next"]) == ("unloaded", "off", None)


def test_why_as_text_is_sentences(optifire: Program, home: Path) -> None:
    text = optifire("--home", home, "why", "risk_vol_target", "--at", "2018-11-23").out
    assert text.splitlines() == [
        "risk_vol_target: succeeded",
        "  last due Fri 2018-11-23 13:00:00 EST  (succeeded, risk_vol_target@20181123T180000Z)",
        f"  waited   for vol_forecast  (succeeded, {GARCH})",
        "  next     Mon 2018-11-26 16:00:00 EST",
    ]


def test_next_lists_every_occurrence_from_where_the_demo_stands(
    optifire: Program, home: Path
) -> None:
    found = optifire("--home", home, "next", "--hours", "72", "--json").json
    assert all(item.keys() == {"plugin_id", "due", "trigger"} for item in found)
    dues = [item["due"] for item in found]
    assert dues == sorted(dues)
    opens = [item for item in found if item["plugin_id"] == "alpha_vix_regime"]
    assert opens == [
        {"plugin_id": "alpha_vix_regime", "due": "2018-12-03T14:30:00Z", "trigger": "@open"}
    ]


def test_next_as_text_shows_each_plugin_once_with_its_count(optifire: Program, home: Path) -> None:
    text = optifire("--home", home, "next", "--hours", "72").out
    assert text.count("infra_heartbeat") == 1
    assert "4320" in text
    assert "recorded data" in text


# --- run ----------------------------------------------------------------------------------------


def test_force_needs_a_reason(optifire: Program, home: Path) -> None:
    said = optifire("--home", home, "run", "fe_garch", "--force", "--json")
    assert said.code == 2
    assert "--why" in said.error["remedy"]


def test_an_unknown_plugin_cannot_be_run(optifire: Program, home: Path) -> None:
    said = optifire("--home", home, "run", "fe_grach", "--json")
    assert said.code == 1
    assert said.error["type"] == "NotFoundError"


def test_a_run_as_of_an_instant_touches_no_ledger_but_the_one_it_is_given(
    optifire: Program, home: Path, tmp_path: Path
) -> None:
    before = optifire("--home", home, "runs", "--limit", "1000", "--json").json
    words = ("run", "alpha_vix_regime", "--at", "2018-02-05T21:30:00Z", "--db", tmp_path / "t.db")
    said = optifire("--home", home, *words, "--json")
    assert said.code == 0
    assert said.json.keys() >= RECORD
    assert said.json["kind"] == "manual"
    assert said.json["due"] == "2018-02-05T21:30:00Z"
    assert optifire("--home", home, "runs", "--limit", "1000", "--json").json == before
    kept = optifire("--home", home, "runs", "--db", tmp_path / "t.db", "--json").json
    assert said.json["run_id"] in [record["run_id"] for record in kept]


class FakeService:
    """A service that knows three plugins: one succeeds, one fails, all others are unknown."""

    pausing: Any = None
    backfilling: Any = None

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, bool]] = []
        self.backing = self
        self.metrics = self
        self.alerting = self

    async def status(self) -> dict[str, Any]:
        return {"running": []}

    def text(self) -> str:
        return "optifire_slots_held 0\n"

    async def report(self) -> dict[str, Any]:
        raise AssertionError

    async def run_now(self, plugin_id: str, *, why: str, force: bool = False) -> RunRow:
        self.asked.append((plugin_id, why, force))
        key = RunKey(PluginId(plugin_id), datetime(2018, 11, 23, 18, tzinfo=UTC), 0, RunKind.MANUAL)
        row = RunRow(key, key.run_id, RunStatus.SUCCEEDED)
        if plugin_id == "fails":
            row.status, row.failure = RunStatus.FAILED, Failure("ValueError", "no bars")
        elif plugin_id == "skips":
            row.status, row.reason = RunStatus.SKIPPED, Reason("no data", "last bar 2018-11-21")
        elif plugin_id != "works":
            raise NotFoundError(f"no plugin {plugin_id!r}")
        return row

    async def cancel(self, run_id: str, why: str) -> bool:
        return bool(run_id and why)

    async def test(self) -> dict[str, Any]:
        raise AssertionError

    async def backup(self, into: str) -> dict[str, Any]:
        raise AssertionError(into)

    async def reload(self) -> dict[str, Any]:
        return {"ok": True, "changed": [], "errors": []}

    def stop(self) -> None:
        raise AssertionError


@pytest.fixture
def service(home: Path) -> Iterator[FakeService]:
    """Give a fake service on the real socket of the home."""
    fake, ready = FakeService(), threading.Event()
    stop: list[Callable[[], object]] = []

    async def serve() -> None:
        server = ControlServer(home / "data" / "optifire.sock", handlers_for(fake, json.loads))
        await server.start()
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        stop.append(partial(loop.call_soon_threadsafe, ended.set))
        ready.set()
        await ended.wait()
        await server.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10)
    yield fake
    stop[0]()
    thread.join()


def test_a_running_service_makes_the_run(
    optifire: Program, home: Path, service: FakeService
) -> None:
    said = optifire("--home", home, "run", "works", "--json")
    assert (said.code, said.json["run_id"]) == (0, "works@20181123T180000Z~manual")
    optifire("--home", home, "run", "works", "--force", "--why", "again")
    me = f"by {user()}"
    assert service.asked == [("works", me, False), ("works", f"{me}: again", True)]


@pytest.mark.parametrize(
    ("plugin", "reason"),
    [("fails", "ValueError: no bars"), ("skips", "no data: last bar 2018-11-21")],
)
@pytest.mark.usefixtures("service")
def test_a_run_that_did_not_succeed_is_exit_code_1_with_its_reason(
    optifire: Program, home: Path, plugin: str, reason: str
) -> None:
    said = optifire("--home", home, "run", plugin, "--json")
    assert said.code == 1
    assert said.json["run_id"] in said.err
    assert reason in said.err


@pytest.mark.usefixtures("service")
def test_an_error_of_the_service_is_the_commands(optifire: Program, home: Path) -> None:
    said = optifire("--home", home, "run", "nobody", "--json")
    assert said.code == 1
    assert said.error == {
        "type": "NotFoundError",
        "message": "no plugin 'nobody'",
        "where": "",
        "remedy": "",
    }
