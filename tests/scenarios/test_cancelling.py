"""A person ends a run by command, and the reasons of what is done by hand are kept."""

from pathlib import Path

import pytest

from optifire.cli.house import user
from optifire.core.ledger import RunRow
from trial import Trial, until

#: Does not end by itself.
STAYS = "import asyncio\nawait asyncio.Event().wait()"


def ledger(trial: Trial) -> Path:
    return trial.home.database("paper")


@pytest.fixture
def endless(trial: Trial) -> Trial:
    """Give a home on the wall clock with a plugin that does not end by itself."""
    trial.plugin("stays", STAYS, plan={"schedule": "interval_1s", "calendar": "24/7"})
    trial.plugin("quick", plan={"schedule": "@manual"})
    trial.enable("stays", "quick", environment="paper")
    return trial


def going(trial: Trial) -> RunRow:
    """Wait for a run that goes on."""

    def look() -> RunRow | None:
        found = trial.runs(ledger(trial), plugin_id="stays", status="running")
        return found[0] if found else None

    return until(look, what="a run that goes on")


@pytest.mark.timeout(120)
def test_a_run_is_cancelled_by_command_and_all_else_is_a_clear_error(endless: Trial) -> None:
    with endless.service() as service:
        run_id = going(endless).run_id
        said = endless.ask("cancel", run_id, "--why", "it takes too long")
        assert said == {"ok": True, "changed": [run_id], "status": "cancelled"}
        info = endless.ask("run-info", run_id)
        assert info["reason"].startswith("cancelled: by ")
        assert info["reason"].endswith(": it takes too long")
        error = endless.refused("cancel", run_id)
        assert error["message"] == "it has ended already: cancelled"
        error = endless.refused("cancel", "nobody@20180101T000000Z")
        assert error["type"] == "NotFoundError"
        last = going(endless).run_id
        assert f"{last} is cancelled" in endless.give("cancel", last).stdout
        open_run = going(endless).run_id
        service.kill()
    error = endless.refused("cancel", open_run)
    assert "no service is running in this home" in error["message"]
    assert error["message"].startswith("it is running")


@pytest.mark.timeout(120)
def test_the_reason_of_a_run_by_hand_is_kept_with_and_without_a_service(endless: Trial) -> None:
    alone = endless.ask("run", "quick", "--why", "without anybody")
    bare = endless.ask("run", "quick")
    with endless.service() as service:
        asked = endless.ask("run", "quick", "--why", "asked by the desk")
        forced = endless.ask("run", "quick", "--force", "--why", "now")
        scheduled = going(endless).run_id
        assert service.stop() == 0
    me = f"by {user()}"
    reasons = [f"{me}: without anybody", me, f"{me}: asked by the desk", f"forced: {me}: now"]
    runs = [alone, bare, asked, forced]
    assert [endless.ask("run-info", run["run_id"])["why"] for run in runs] == reasons
    assert f"why      {me}: asked by the desk" in endless.give("run-info", asked["run_id"]).stdout
    assert endless.ask("run-info", scheduled)["why"] is None
    listed = {run["run_id"]: run["why"] for run in endless.ask("runs", "--limit", "1000")}
    assert [listed[run["run_id"]] for run in runs] == reasons
    assert listed[scheduled] is None
    by_hand = endless.ask("why", "quick")["by_hand"]
    assert (by_hand["run_id"], by_hand["why"]) == (forced["run_id"], f"forced: {me}: now")
    assert f"forced: {me}: now" in endless.give("why", "quick").stdout
