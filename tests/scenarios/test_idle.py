"""Idle work in a service: it makes way for a session word, over a crash, and is tried again."""

import asyncio
import datetime as dt
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from optifire.app.switches import switch_notes
from optifire.calendars.table import Header, format_table, refreshed_path
from optifire.core.calendar import RegularHours, Session
from optifire.core.ledger import Batch, RunRow, new_run
from optifire.core.run import RunKey, RunStatus
from optifire.core.types import PluginId
from optifire.runtime.clock import wall_now
from optifire.store.sqlite import SqliteStore
from trial import Trial, until

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
LONG = "import asyncio; await asyncio.sleep(600)\nreturn PluginResult(success=True)"


def ledger(trial: Trial) -> Path:
    return trial.home.database("paper")


def night(trial: Trial, now: datetime) -> tuple[datetime, datetime]:
    """Give a market that closed two hours ago and opens in two, as its table in the home says."""
    whole = now.replace(second=0, microsecond=0)
    closed, opens = whole - 120 * MINUTE, whole + 120 * MINUTE
    days = [now.date() + n * DAY for n in range(-2, 3)]
    instants = [closed - 2 * DAY, closed - DAY, closed, opens + 360 * MINUTE, opens + DAY]
    sessions = [
        Session(day, close - 360 * MINUTE, close) for day, close in zip(days, instants, strict=True)
    ]
    header = Header(
        "XNYS", "America/New_York", "made for a test", "none", now.date() + 400 * DAY,
        dt.date(1990, 1, 1), now.date() + 300 * DAY, RegularHours(570 * MINUTE, 960 * MINUTE),
    )  # fmt: skip
    file = refreshed_path(trial.root, "XNYS")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(format_table(header, sessions, {}))
    return closed, opens


async def had_run(trial: Trial, name: str, due: datetime) -> None:
    """Write into the ledger that a plugin was on, and when it ran last."""
    store = SqliteStore(ledger(trial), clock=wall_now)
    await store.open()
    row = new_run(RunKey(PluginId(name), due), RunStatus.SUCCEEDED, "@idle")
    notes = switch_notes([PluginId(name)], [], due - DAY, "a test")
    await store.commit(Batch(runs=[row], notes=notes))
    await store.close()


def the_run(trial: Trial, due: datetime) -> RunRow | None:
    return next((row for row in trial.runs(ledger(trial), plugin_id="tidy", since=due)), None)


def wait_for(trial: Trial, due: datetime, status: str, attempts: int) -> RunRow:
    def look() -> RunRow | None:
        row = the_run(trial, due)
        return row if row is not None and (row.status, row.attempts) == (status, attempts) else None

    return until(look, what=f"attempt {attempts} {status}")


@pytest.mark.timeout(120)
@pytest.mark.row("O002")
def test_it_makes_way_for_a_session_word_over_a_crash_and_is_tried_again(trial: Trial) -> None:
    now = wall_now()
    closed, opens = night(trial, now)
    trial.plugin("tidy", LONG, plan={"schedule": "@idle", "timeout": 900})
    early = int((opens - now).total_seconds()) - 75
    trial.plugin("early", "return PluginResult(success=True)", plan={"schedule": f"@open-{early}s"})
    trial.enable("tidy", "early", environment="paper")
    trial.home.data.mkdir(exist_ok=True)
    asyncio.run(had_run(trial, "tidy", closed - DAY))
    with trial.service() as service:
        wait_for(trial, closed, "running", 1)
        held = wait_for(trial, closed, "due", 1)
        assert str(held.reason).startswith(f"preempted: @open-{early}s of early is due at ")
        (running,) = service.status()["running"]
        assert (running["plugin_id"], running["status"]) == ("tidy", "due")
        service.kill()
    with trial.service() as service:
        assert wait_for(trial, closed, "due", 1).reason == held.reason
        trial.enable("tidy", environment="paper")
        wait_for(trial, closed, "running", 2)
        assert trial.ask("cancel", held.run_id)["ok"] is True
        assert service.stop() == 0
    (row,) = trial.runs(ledger(trial), plugin_id="tidy", since=closed)
    assert (row.status, row.attempts) == ("cancelled", 2)
    info = trial.ask("run-info", row.run_id)
    assert [each["status"] for each in info["attempts"]] == ["preempted", "cancelled"]
