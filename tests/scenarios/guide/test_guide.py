"""Plugins written from the public guide alone run unchanged from a folder of `plugin_paths`."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from optifire.app.once import run_once
from optifire.backtest.replay import ReplayResult
from optifire.core.ledger import EventRow, RunFilter, RunRow
from optifire.core.run import RunStatus
from optifire.host.home import Home
from optifire.store.reader import LedgerReader

Play = Callable[..., Awaitable[ReplayResult]]

#: Wednesday, the day before Thanksgiving, to Monday; the Friday closes at 13:00 New York.
FIRST, LAST = "2018-11-21", "2018-11-26"
OPENS = [datetime(2018, 11, day, 14, 30, tzinfo=UTC) for day in (21, 23, 26)]
CLOSES = [datetime(2018, 11, day, hour, tzinfo=UTC) for day, hour in ((21, 21), (23, 18), (26, 21))]
IDS = ("feature_engineering", "mean_reversion", "my_plugin", "volatility_scaling")
INSERTED = "SELECT symbol, feature_name, value, plugin_id, run_id, at, at_us FROM features"


def file_of(result: ReplayResult) -> Path:
    assert result.db is not None
    return result.db


async def runs_of(db: Path, plugin_id: str) -> list[RunRow]:
    async with LedgerReader(db) as ledger:
        found = await ledger.runs(RunFilter(plugin_id=plugin_id))
    return sorted(found, key=lambda row: row.key.due)


async def outputs_of(db: Path, plugin_id: str) -> list[dict[str, Any]]:
    rows = await runs_of(db, plugin_id)
    assert {row.status for row in rows} == {RunStatus.SUCCEEDED}, [row.failure for row in rows]
    return [
        {name: msgspec.msgpack.decode(value) for name, value in row.outputs.items()} for row in rows
    ]


async def events_of(db: Path, run_id: str) -> list[EventRow]:
    async with LedgerReader(db) as ledger:
        return list(await ledger.events(run_id))


async def log_of(db: Path, run_id: str) -> str:
    async with LedgerReader(db) as ledger:
        return b"".join(row.text for row in await ledger.log(run_id)).decode()


def features_in(db: Path, plugin_id: str) -> list[dict[str, Any]]:
    connection = sqlite3.connect(db)
    connection.row_factory = sqlite3.Row
    try:
        sql = f"{INSERTED} WHERE plugin_id = ? ORDER BY at_us, feature_name"
        return [dict(row) for row in connection.execute(sql, (plugin_id,))]
    finally:
        connection.close()


def until(spx: pd.DataFrame, close: datetime) -> pd.DataFrame:
    """Give the bars that were known at a close: those of all sessions up to and with that day."""
    return spx.loc[: str(close.date())]


@pytest.mark.row("O020")
@pytest.mark.row("O028")
async def test_the_pattern_plugin_runs_once_at_each_open(db: Path) -> None:
    rows = await runs_of(db, "my_plugin")
    assert [row.key.due for row in rows] == OPENS  # once, though `market_open` is heard as well
    assert {row.status for row in rows} == {RunStatus.SUCCEEDED}
    assert {row.worker for row in rows} == {"isolated"}
    assert {row.key.turn for row in rows} == {0}


@pytest.mark.row("O020")
async def test_the_pattern_plugin_uses_its_settings_and_answers(db: Path) -> None:
    assert await outputs_of(db, "my_plugin") == [{"plugin_id": "my_plugin", "my_signal": 0.25}] * 3


@pytest.mark.row("O020")
@pytest.mark.row("O023")
async def test_its_rows_stand_in_features_with_what_the_host_fills_in(db: Path) -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert features_in(db, "my_plugin") == [
        {
            "symbol": "SPY",
            "feature_name": "threshold",
            "value": 0.25,
            "plugin_id": "my_plugin",
            "run_id": f"my_plugin@{due:%Y%m%dT%H%M%SZ}",
            "at": f"{due:%Y-%m-%dT%H:%M:%SZ}",
            "at_us": (due - epoch) // timedelta(microseconds=1),
        }
        for due in OPENS
    ]


@pytest.mark.row("O020")
@pytest.mark.row("O023")
async def test_its_event_and_its_log_are_in_the_ledger(db: Path) -> None:
    run_id = (await runs_of(db, "my_plugin"))[0].run_id
    (event,) = await events_of(db, run_id)
    assert (event.name, event.source, event.due) == ("my_event", "my_plugin", OPENS[0])
    assert msgspec.msgpack.decode(event.data) == {"plugin_id": "my_plugin", "my_signal": 0.25}
    assert "running my_plugin" in await log_of(db, run_id)


@pytest.mark.row("O020")
async def test_an_error_that_it_catches_is_its_reason_and_leaves_nothing(
    home: Home, play: Play
) -> None:
    features = home.configs / "features.yaml"
    text = features.read_text(encoding="utf-8")
    features.write_text(text.replace("threshold: 0.25", "threshold: 7"), encoding="utf-8")
    db = file_of(await play("2018-11-23", "2018-11-23"))
    (row,) = await runs_of(db, "my_plugin")
    assert row.status is RunStatus.FAILED
    assert "a threshold of 7 is too much" in str(row.reason)
    assert features_in(db, "my_plugin") == []
    assert await events_of(db, row.run_id) == []
    assert "failed: a threshold of 7 is too much" in await log_of(db, row.run_id)


@pytest.mark.row("O021")
@pytest.mark.row("O022")
async def test_mean_reversion_is_that_of_pandas(db: Path, spx: pd.DataFrame) -> None:
    for outputs, close in zip(await outputs_of(db, "mean_reversion"), CLOSES, strict=True):
        closes = until(spx, close)["close"]
        mean = closes.tail(20).mean()
        away = closes.iloc[-1] / mean - 1
        signal = 1.0 if away < -0.02 else -1.0 if away > 0.02 else 0.0
        assert outputs == {"signal": signal, "sma_20": pytest.approx(mean, rel=1e-12)}


@pytest.mark.row("O021")
async def test_mean_reversion_buys_what_has_fallen(play: Play) -> None:
    db = file_of(
        await play("2018-12-20", "2018-12-24")
    )  # the S&P 500 fell every one of these three days
    assert [one["signal"] for one in await outputs_of(db, "mean_reversion")] == [1.0] * 3


@pytest.mark.row("O021")
@pytest.mark.row("O022")
async def test_volatility_scaling_is_that_of_pandas(db: Path, spx: pd.DataFrame) -> None:
    for outputs, close in zip(await outputs_of(db, "volatility_scaling"), CLOSES, strict=True):
        returns = until(spx, close)["close"].pct_change()
        volatility = returns.tail(20).std() * np.sqrt(252)
        scalar = float(np.clip(0.15 / volatility, 0.5, 2.0))
        expected = {"scalar": scalar, "volatility": volatility}
        assert outputs == pytest.approx(expected, rel=1e-12)


@pytest.mark.row("O021")
async def test_volatility_scaling_stays_between_half_and_twice(play: Play) -> None:
    db = file_of(await play("2018-01-02", "2018-01-03"))  # the calmest weeks of the data
    calm = await outputs_of(db, "volatility_scaling")
    assert [one["scalar"] for one in calm] == [2.0] * 2


def wilder(values: pd.Series) -> float:
    """Give the last of Wilder's averages; after decades nothing of where it began is left."""
    return float(values.dropna().ewm(alpha=1 / 14, adjust=False).mean().iloc[-1])


def features_by_pandas(bars: pd.DataFrame) -> dict[str, float]:
    """Compute the three features by another way than the project does."""
    change = bars["close"].diff()
    gain, loss = wilder(change.clip(lower=0)), wilder(-change.clip(upper=0))
    before = bars["close"].shift()
    sides = [bars["high"] - bars["low"], bars["high"] - before, before - bars["low"]]
    ranges = pd.concat(sides, axis=1).abs().max(axis=1, skipna=False)
    volatility = bars["close"].pct_change().rolling(20).std().iloc[-1] * np.sqrt(252)
    return {
        "rsi_14": 100 - 100 / (1 + gain / loss),
        "atr_14": wilder(ranges),
        "vol_20": float(volatility),
    }


@pytest.mark.row("O021")
@pytest.mark.row("O022")
async def test_the_features_are_those_of_pandas(db: Path, spx: pd.DataFrame) -> None:
    for outputs, close in zip(await outputs_of(db, "feature_engineering"), CLOSES, strict=True):
        expected = features_by_pandas(until(spx, close))
        assert outputs["features"] == pytest.approx(expected, rel=1e-9)
        assert {name: outputs[name] for name in expected} == outputs["features"]


@pytest.mark.row("O021")
@pytest.mark.row("O023")
async def test_each_feature_is_a_row(db: Path) -> None:
    outputs = await outputs_of(db, "feature_engineering")
    assert [
        (row["feature_name"], row["value"]) for row in features_in(db, "feature_engineering")
    ] == [
        (name, one["features"][name]) for one in outputs for name in ("atr_14", "rsi_14", "vol_20")
    ]


@pytest.mark.row("O021")
async def test_what_it_wrote_to_the_context_is_there_for_others(db: Path) -> None:
    last = (await outputs_of(db, "feature_engineering"))[-1]["features"]
    async with LedgerReader(db) as ledger:
        context = {value.name: value for value in await ledger.context()}
    for name in ("features", "feature_engineering.features"):
        assert msgspec.msgpack.decode(context[name].value) == last
        assert context[name].run_id == "feature_engineering@20181126T210000Z"


@pytest.mark.row("O020")
@pytest.mark.row("O021")
async def test_processes_that_live_on_leave_the_very_same(
    play: Play, thanksgiving: ReplayResult
) -> None:
    pooled = await play(FIRST, LAST, isolated=False)
    assert pooled.digest == thanksgiving.digest
    assert thanksgiving.statuses == {each: {"succeeded": 3} for each in IDS}


@pytest.mark.row("O020")
async def test_one_run_by_hand_as_of_an_instant(
    home: Home, tmp_path: Path, spx: pd.DataFrame
) -> None:
    db = tmp_path / "once.db"
    row = await run_once(home, "mean_reversion", at=CLOSES[1], db=db)
    assert (row.status, row.key.due, row.worker) == (RunStatus.SUCCEEDED, CLOSES[1], "isolated")
    assert row.inputs["feed:SPY"].as_of.date() == CLOSES[1].date()
    (outputs,) = await outputs_of(db, "mean_reversion")
    assert outputs["sma_20"] == pytest.approx(until(spx, CLOSES[1])["close"].tail(20).mean())


@pytest.mark.row("O020")
def test_the_command_runs_it_from_a_fresh_home(home: Home) -> None:
    words = ["run", "my_plugin", "--at", "2018-11-23T14:30:00Z", "--home", str(home.root), "--json"]
    line = [sys.executable, "-m", "optifire.cli.main", *words]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["outputs"] == {"plugin_id": "my_plugin", "my_signal": 0.25}
    assert record["status"] == "succeeded"


@pytest.mark.row("O028")
async def test_what_features_yaml_does_not_switch_on_does_not_run(home: Home, play: Play) -> None:
    features = home.configs / "features.yaml"
    text = features.read_text(encoding="utf-8")
    off = text.replace("mean_reversion: {enabled: true}", "mean_reversion: {enabled: false}")
    features.write_text(off, encoding="utf-8")
    db = file_of(await play("2018-11-23", "2018-11-23"))
    assert await runs_of(db, "mean_reversion") == []
    assert len(await runs_of(db, "volatility_scaling")) == 1
