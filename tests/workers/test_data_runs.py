"""Runs that compute with frames: in a process that imported pandas beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pandas as pd
import pytest

from optifire.core.ports import Given
from optifire.core.run import RunStatus, Source
from optifire.core.types import RunId
from optifire.workers.inline import InlineWorker
from optifire.workers.wire import decode_value, encode_value

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from optifire.core.ports import Outcome, Worker
    from optifire.workers.isolated import IsolatedWorker
    from tests.workers.conftest import Ask

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(params=["isolated", "pooled"])
def worker(request: pytest.FixtureRequest) -> Worker:
    made: Worker = request.getfixturevalue(request.param)
    return made


def values(outcome: Outcome) -> dict[str, Any]:
    assert outcome.status is RunStatus.SUCCEEDED, (outcome.failure, outcome.log)
    return {key: decode_value(value) for key, value in outcome.outputs.items()}


def given_frame(due: datetime) -> dict[str, Given]:
    index = pd.DatetimeIndex(["2018-01-02", "2018-01-03"], tz="UTC", name="ts")
    frame = pd.DataFrame({"close": [1.0, 2.0]}, index=index)
    return {"given": Given(encode_value(frame), Source(RunId("other@x"), due))}


async def test_frames_leave_as_they_are_and_scalars_as_plain_values(
    worker: Worker, ask: Ask
) -> None:
    outcome = await worker.run(ask("frame", modules=("pandas",)))
    made = values(outcome)
    assert list(made["frame"].columns) == ["close", "name"]
    assert made["frame"].index.name == "ts"
    assert (made["last"], made["value"]) == ("2018-01-03T00:00:00Z", 1.5)
    series = decode_value(outcome.writes["series"])
    pd.testing.assert_series_equal(series, made["frame"]["close"])


async def test_a_frame_that_is_given_can_be_worked_on(worker: Worker, ask: Ask) -> None:
    asked = ask("read_frame", modules=("pandas",))
    asked.given = given_frame(asked.key.due)
    assert values(await worker.run(asked)) == {"total": 11.0, "name": "ts"}
    assert values(await worker.run(asked)) == {"total": 11.0, "name": "ts"}


async def test_market_data_and_feed_see_the_run_s_instant(worker: Worker, ask: Ask) -> None:
    outcome = await worker.run(ask("market", modules=("pandas",)))
    made = values(outcome)
    assert made["close"] == made["same"]
    # 2018-11-23 closed at 18:00 UTC, and the run is due at that instant.
    assert made["last"] <= "2018-11-23T00:00:00Z"
    assert list(outcome.reads) == ["feed:SPY"]
    assert outcome.reads["feed:SPY"].run_id is None


async def test_a_run_in_a_light_process_may_import_pandas_late(isolated: Worker, ask: Ask) -> None:
    assert values(await isolated.run(ask("market")))["close"] > 0


async def test_inline_plugins_get_no_frames(ask: Ask, tmp_path: Path) -> None:
    inline = InlineWorker(tmp_path)
    for do in ("market", "read_frame"):
        asked = ask(do)
        asked.given = given_frame(asked.key.due)
        outcome = await inline.run(asked)
        assert outcome.status is RunStatus.FAILED
        assert outcome.reason is not None
        assert "isolation: isolated" in outcome.reason.detail


async def test_a_module_that_only_one_plugin_wants_starts_a_new_zygote(
    isolated: IsolatedWorker, ask: Ask
) -> None:
    assert values(await isolated.run(ask("process", modules=("pandas",))))["modules"] == [
        "pandas",
        "numpy",
    ]
    before = isolated.zygote_pids()
    made = values(await isolated.run(ask("process", modules=("multiprocessing",))))
    assert "multiprocessing" in made["modules"]
    after = isolated.zygote_pids()
    assert set(after) - set(before)
    await isolated.run(ask("process", modules=("pandas", "multiprocessing")))
    assert set(isolated.zygote_pids()) <= set(after)


async def test_a_module_that_is_not_there_is_its_plugins_matter(isolated: Worker, ask: Ask) -> None:
    outcome = await isolated.run(ask("x", "broken_import", modules=("surely_not_installed",)))
    assert outcome.status is RunStatus.FAILED
    assert outcome.failure is not None
    assert "surely_not_installed" in outcome.failure.message
    assert values(await isolated.run(ask("count", modules=("pandas",)))) == {"calls": 1}


async def test_a_module_that_starts_a_thread_is_left_out(isolated: Worker, ask: Ask) -> None:
    modules = ("pandas", "tests.workers.threaded")
    made = values(await isolated.run(ask("process", modules=modules)))
    assert made["threads"] == 1
    assert "pandas" in made["modules"]


async def test_numpy_is_seeded_wherever_it_is_imported(
    isolated: Worker, pooled: Worker, ask: Ask
) -> None:
    late = values(await isolated.run(ask("draw_numpy")))
    early = values(await isolated.run(ask("draw_numpy", modules=("pandas",))))
    replayed = values(await pooled.run(ask("draw_numpy", replay=True)))
    assert list(late["drawn"]) == list(early["drawn"]) == list(replayed["drawn"])
    again = values(await isolated.run(ask("draw_numpy", replay=True)))
    assert list(again["drawn"]) == list(late["drawn"])


async def test_memory_is_what_lies_above_the_first_line(isolated: Worker, ask: Ask) -> None:
    small = (await isolated.run(ask("count", modules=("pandas",)))).usage
    large = (await isolated.run(ask("hold", modules=("pandas",)))).usage
    assert small.mem_mb is not None
    assert large.mem_mb is not None
    assert small.mem_mb < 20
    assert 38 <= large.mem_mb - small.mem_mb <= 44


async def test_outputs_are_the_same_bytes_in_every_worker(
    isolated: Worker, pooled: Worker, ask: Ask
) -> None:
    asked = ask("frame", modules=("pandas",))
    first, second = await isolated.run(asked), await pooled.run(asked)
    assert first.outputs == second.outputs
    assert msgspec.msgpack.encode(first.writes) == msgspec.msgpack.encode(second.writes)
