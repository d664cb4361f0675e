import asyncio
import datetime as dt
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from optifire.calendars.registry import load_calendar
from optifire.cli.lines import Lines, print_lines
from optifire.cli.output import Output
from optifire.cli.scene import Status, highlights, with_view
from optifire.cli.view import render
from optifire.core.settings import DemoSettings

IDS = [
    "alpha_cross_asset_corr", "alpha_vix_regime", "alpha_vrp", "fe_entropy", "fe_garch",
    "fe_kalman", "infra_heartbeat", "infra_psutil_health", "risk_drawdown_derisk",
    "risk_vol_target",
]  # fmt: skip
NEW_YORK = "America/New_York"
MARKET = load_calendar("XNYS", Path("none"))
DEMO = DemoSettings(dt.date(2018, 1, 29), dt.date(2018, 12, 31))


def last(plugin_id: str, **changes: object) -> dict[str, Any]:
    run: dict[str, Any] = {
        "run_id": f"{plugin_id}@20181123T180000Z",
        "due": "2018-11-23T18:00:00Z",
        "status": "succeeded",
        "reason": None,
        "cpu_ms": 50.0,
        "mem_mb": 48.0,
    }
    return {**run, **changes}


def plugin(plugin_id: str, **changes: object) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "state": "active",
        "reason": "",
        "category": "fe",
        "budget": {"cpu_ms": 100.0, "mem_mb": 64.0},
        "last": last(plugin_id),
        "counts": {"succeeded": 200, "skipped": 2},
    }
    return {**shape, **changes}


def status(ids: list[str] = IDS, **changes: object) -> dict[str, Any]:
    said: dict[str, Any] = {
        "state": "running",
        "environment": "demo",
        "recorded": True,
        "now": "2018-11-23T18:00:12Z",
        "health": {"level": "green", "reasons": []},
        "running": [],
        "next": [
            {"plugin_id": each, "due": "2018-11-26T21:00:00Z", "trigger": "@close"} for each in ids
        ],
        "plugins": {each: plugin(each) for each in ids},
        "context": {"regime": "normal", "vol_forecast": 0.18345678, "heartbeat_late": False},
    }
    return {**said, **changes}


def scene(**changes: Any) -> Status:
    return with_view(status(**changes), MARKET, NEW_YORK, DEMO)


def drawn(shape: Status, width: int = 80, height: int = 24) -> list[str]:
    console = Console(width=width, height=height, color_system=None)
    with console.capture() as capture:
        console.print(render(shape, (width, height)))
    return capture.get().splitlines()


def running(plugin_id: str, word: str = "running") -> dict[str, str]:
    due = "2018-11-23T18:00:00Z"
    return {
        "run_id": f"{plugin_id}@x",
        "plugin_id": plugin_id,
        "due": due,
        "started_at": due,
        "status": word,
    }


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (132, 43), (200, 60)])
@pytest.mark.parametrize("state", ["running", "finished"])
def test_the_screen_fits_its_terminal(size: tuple[int, int], state: str) -> None:
    lines = drawn(scene(state=state), *size)
    assert len(lines) <= size[1]
    assert max(len(line) for line in lines) <= size[0]
    assert all(plugin_id in "\n".join(lines) for plugin_id in IDS)


@settings(max_examples=40)
@given(
    width=st.integers(80, 220),
    height=st.integers(16, 80),
    count=st.integers(0, 120),
    long=st.integers(1, 60),
)
def test_the_screen_fits_whatever_there_is_to_show(
    width: int, height: int, count: int, long: int
) -> None:
    ids = [f"{'x' * long}_{n:03}" for n in range(count)]
    lines = drawn(scene(ids=ids, running=[running(each) for each in ids[:3]]), width, height)
    assert len(lines) <= height
    assert max(len(line) for line in lines) <= width


def test_virtual_date_and_recorded_data_stand_on_every_screen_of_the_demo() -> None:
    head = drawn(scene())[0]
    assert head.startswith("OptiFIRE demo · recorded data")
    assert head.endswith("Fri 2018-11-23 13:00:12 EST")
    assert "recorded data" not in drawn(scene(recorded=False, environment="paper"))[0]


def test_the_head_shows_the_market_the_progress_and_the_context() -> None:
    lines = drawn(scene())
    assert lines[1].startswith("postmarket · half day · 209/233 sessions")
    assert lines[1].endswith("● green")
    assert lines[2].startswith("regime normal   vol_forecast 0.1835   heartbeat_late no")


def test_what_is_wrong_is_said_in_the_head() -> None:
    lines = drawn(scene(health={"level": "red", "reasons": ["the ledger cannot be written"]}))
    assert lines[1].endswith("● red the ledger cannot be written")


def row_of(lines: list[str], plugin_id: str) -> str:
    return next(line for line in lines if plugin_id in line)


def test_what_runs_comes_first_then_what_failed() -> None:
    plugins = {each: plugin(each) for each in IDS}
    plugins["fe_kalman"]["last"] = last("fe_kalman", status="failed", reason="boom")
    lines = drawn(scene(plugins=plugins, running=[running("risk_vol_target")]))
    rows = lines[5 : 5 + len(IDS)]
    assert rows[0].startswith("▶ risk_vol_target          running")
    assert rows[1].startswith("○ fe_kalman                failed")
    assert rows[2].startswith("● alpha_cross_asset_corr   succeeded")


def test_a_run_that_waits_is_not_shown_as_running() -> None:
    assert "due" in row_of(drawn(scene(running=[running("fe_garch", "due")])), "◌ fe_garch")


def test_a_plugin_shows_its_usage_against_its_budget() -> None:
    row = row_of(drawn(scene()), "● fe_garch")
    assert "  50 ms ██░░   48 MB ███░" in row
    over = {"fe_garch": plugin("fe_garch", last=last("fe_garch", cpu_ms=900.0))}
    assert " 900 ms ████" in row_of(drawn(scene(plugins=over)), "● fe_garch")


def test_a_plugin_at_fault_is_an_error_whatever_its_last_run_was() -> None:
    broken = {"fe_garch": plugin("fe_garch", state="error", budget=None, reason="no numpy")}
    assert "error" in row_of(drawn(scene(plugins=broken)), "fe_garch")


def test_a_plugin_that_never_ran_waits() -> None:
    waiting = {"fe_garch": plugin("fe_garch", last=None)}
    assert row_of(drawn(scene(plugins=waiting)), "fe_garch").split() == [
        "○", "fe_garch", "waiting", "Mon", "16:00",
    ]  # fmt: skip


def test_more_plugins_than_lines_are_counted() -> None:
    lines = drawn(scene(ids=[f"fe_{n:03}" for n in range(75)]))
    assert any(line.startswith("and ") and line.rstrip().endswith(" more") for line in lines)
    assert any("next" in line and "done" in line for line in lines[10:])


def test_a_frequent_job_does_not_hide_what_is_next_of_the_others() -> None:
    often = [
        {"plugin_id": "infra_heartbeat", "due": f"2018-11-23T18:{n:02}:00Z", "trigger": "interval"}
        for n in range(1, 21)
    ]
    upcoming = {"infra_heartbeat": "2018-11-23T18:01:00Z", "fe_garch": "2018-11-26T21:00:00Z"}
    shape = with_view(status(next=often), MARKET, NEW_YORK, DEMO, upcoming)
    lines = drawn(shape)
    lower = "\n".join(line[:34] for line in lines[17:])
    assert lower.count("infra_heartbeat") == 1
    assert "Mon 16:00 fe_garch" in lower


def test_the_reason_of_a_skipped_run_is_shown() -> None:
    skipped = {"fe_garch": plugin("fe_garch", last=last("x", status="skipped", reason="no data"))}
    assert "skipped: no data" in "\n".join(drawn(scene(plugins=skipped)))


def test_after_the_last_session_there_is_a_summary() -> None:
    text = "\n".join(drawn(scene(state="finished", next=[])))
    assert "The demo is over. 2,020 runs: 2,000 succeeded, 20 skipped" in text
    assert "optifire up --fresh" in text


def test_outside_the_calendars_table_the_screen_is_drawn_all_the_same() -> None:
    lines = drawn(scene(now="1980-01-02T15:00:00Z"))
    assert lines[1].startswith("market closed")


def test_a_status_without_a_view_is_drawn_in_utc() -> None:
    plain = status()
    lines = drawn(plain)  # type: ignore[arg-type]  # as it comes over the socket
    assert lines[0].endswith("Fri 2018-11-23 18:00:12 UTC")


def test_the_picture_can_be_exported() -> None:
    console = Console(width=100, height=30, record=True, file=io.StringIO())
    console.print(render(scene(), (100, 30)))
    svg = console.export_svg(title="optifire up")
    assert "alpha_vix_regime" in svg
    assert "recorded" in svg


def test_the_highlights_are_at_most_eight_the_regime_first() -> None:
    context = {f"a{n}": n for n in range(20)} | {"regime": "calm"}
    found = highlights(context)
    assert list(found)[:2] == ["regime", "a0"]
    assert len(found) == 8


# --- lines --------------------------------------------------------------------------------------


@pytest.fixture
def lines() -> Callable[[dict[str, Any]], list[str]]:
    made = Lines(NEW_YORK, as_json=False)
    return lambda said: list(made.of(said))


def test_lines_begin_with_the_state_and_then_tell_each_run_once(
    lines: Callable[[dict[str, Any]], list[str]],
) -> None:
    assert lines(status()) == ["Fri 2018-11-23 13:00:12 EST  running (demo, recorded data)"]
    assert lines(status()) == []
    ran = {each: plugin(each) for each in IDS}
    ran["fe_garch"] = plugin(
        "fe_garch", last=last("fe_garch", run_id="new"), counts={"succeeded": 204, "skipped": 2}
    )
    told = lines(status(plugins=ran))
    assert told == [
        "Fri 2018-11-23 13:00:00 EST  fe_garch                 succeeded  50 ms  48 MB  and 3 more"
    ]
    assert lines(status(plugins=ran)) == []


async def test_where_nothing_happens_nobody_asks_and_nobody_looks_more_than_once_a_second() -> None:
    ran = {**status()["plugins"], "fe_garch": plugin("fe_garch", last=last("x", run_id="new"))}
    states, news = iter([status(), status(plugins=ran)]), iter([0, 0, 0, 0, 0, 1, 1])
    pauses: list[float] = []

    class Service:
        async def status(self) -> dict[str, Any]:
            return next(states)

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 7:
            raise asyncio.CancelledError

    printed = io.StringIO()
    output = Output(json=False, stdout=printed, stderr=io.StringIO())
    lines = Lines(NEW_YORK, as_json=False)
    with pytest.raises(asyncio.CancelledError):
        await print_lines(Service(), lines, output, lambda: next(news), pause)
    assert pauses == [0.25, 0.5, 1.0, 1.0, 1.0, 0.25, 0.5]
    assert len(printed.getvalue().splitlines()) == 2


def test_the_summary_of_a_demo_in_which_nothing_was_due_says_so(
    lines: Callable[[dict[str, Any]], list[str]],
) -> None:
    (line,) = lines(status(state="finished", plugins={}))
    assert line.endswith("finished (demo, recorded data): nothing was due")


def test_the_last_line_of_a_demo_is_its_summary(
    lines: Callable[[dict[str, Any]], list[str]],
) -> None:
    lines(status())
    ran = {**status()["plugins"], "fe_garch": plugin("fe_garch", last=last("x", run_id="new"))}
    run, line = lines(status(state="finished", plugins=ran))
    assert "fe_garch" in run
    assert line.endswith("finished (demo, recorded data): 2,000 succeeded, 20 skipped")
