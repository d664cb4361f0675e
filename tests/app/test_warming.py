"""Zygotes and spares stand before they are needed, and go when they are not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from optifire.app import warming
from optifire.app.warming import AHEAD, IDLE, Outlook, look_ahead, outlook, stands
from optifire.core.calendar import AlwaysOpen
from optifire.core.job import Code, Job, Placement
from optifire.core.schedule import parse_schedule
from optifire.core.types import PluginId
from optifire.runtime.planner import Planner
from optifire.workers.isolated import IsolatedWorker, WorkerSettings
from optifire.workers.zygotes import DATA, LIGHT
from trial_until import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NOON = datetime(2018, 11, 23, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def job(
    name: str, words: str, *modules: str, placement: Placement = Placement.ISOLATED
) -> dict[PluginId, Job]:
    schedule = parse_schedule(words, calendar=AlwaysOpen())
    code = Code("/a", "A", "00", modules)
    return {
        PluginId(name): Job(PluginId(name), "1.0.0", "alpha", schedule, code, placement=placement)
    }


@pytest.mark.parametrize(
    ("until_due", "stood", "idle", "expected"),
    [
        (AHEAD, False, 0.0, True),
        (AHEAD + SECOND, False, 0.0, False),
        (AHEAD + SECOND, True, 1e6, True),
        (None, True, IDLE.total_seconds() - 1, True),
        (None, True, IDLE.total_seconds(), False),
        (None, False, 0.0, False),
    ],
)
def test_a_kind_stands_shortly_before_it_is_needed_and_minutes_after(
    until_due: timedelta | None, *, stood: bool, idle: float, expected: bool
) -> None:
    due = None if until_due is None else NOON + until_due
    assert stands(Outlook(due, ()), NOON, stood=stood, idle=idle) is expected


def test_only_jobs_with_processes_of_their_own_need_a_zygote() -> None:
    jobs = {
        **job("inline", "interval_1m", placement=Placement.INLINE),
        **job("plain", "interval_2m"),
        **job("late", "interval_4m", "scipy"),
        **job("frames", "interval_3m", "pandas"),
        **job("seldom", "interval_8h", "arch"),
    }
    planner = Planner(jobs.values(), start=NOON)
    found = outlook(jobs, planner.next_of_each(NOON + IDLE))
    assert found[LIGHT] == Outlook(NOON + timedelta(minutes=2), ())
    assert found[DATA].due == NOON + timedelta(minutes=3)
    assert set(found[DATA].modules) == {"pandas", "scipy", "arch"}


@pytest_asyncio.fixture
async def isolated(tmp_path: Path) -> AsyncIterator[IsolatedWorker]:
    worker = IsolatedWorker(WorkerSettings(tmp_path, tmp_path / "data", warm=()))
    await worker.start()
    yield worker
    await worker.stop()


async def test_a_data_zygote_and_its_spares_are_there_before_the_first_run_of_the_day(
    isolated: IsolatedWorker,
) -> None:
    jobs = job("frames", "interval_1h", "pandas")
    planner = Planner(jobs.values(), start=NOON)
    await look_ahead(jobs, planner, isolated, NOON)
    assert isolated.zygotes.kind(DATA).link is None
    await look_ahead(jobs, planner, isolated, NOON + timedelta(hours=1) - AHEAD)
    link = isolated.zygotes.kind(DATA).link
    assert link is not None
    assert "pandas" in link.settings.modules
    await until(lambda: len(isolated.zygotes.spares()) == warming.SPARES[DATA])


async def test_what_nobody_needs_goes_and_the_light_zygote_stays(
    isolated: IsolatedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warming, "IDLE", timedelta())
    jobs = {**job("frames", "interval_1h", "pandas"), **job("plain", "interval_1h")}
    planner = Planner(jobs.values(), start=NOON)
    (light,) = isolated.zygote_pids()
    await look_ahead(jobs, planner, isolated, NOON)
    await isolated.warm(("pandas",))
    isolated.zygotes.kind(LIGHT).want(1)
    await until(lambda: len(isolated.zygotes.spares()) == 1)
    assert len(isolated.zygote_pids()) == 2

    await until(lambda: isolated.zygotes.kind(DATA).idle > 0)
    await look_ahead(jobs, planner, isolated, NOON)
    await until(lambda: isolated.zygotes.spares() == [])
    await until(lambda: isolated.zygote_pids() == [light])


async def test_a_zygote_in_use_stays_however_long_nothing_begins(
    isolated: IsolatedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warming, "IDLE", timedelta(microseconds=1))
    await isolated.warm(("pandas",))
    data = isolated.zygotes.kind(DATA)
    assert data.link is not None
    live = data.link.fork()
    try:
        await until(lambda: live.pid)
        assert data.idle == 0
        await look_ahead({}, Planner([], start=NOON), isolated, NOON)
        assert data.alive
    finally:
        live.stop()
        await live.ended
        live.close()


async def test_more_modules_mean_another_zygote_before_the_run_that_needs_them(
    isolated: IsolatedWorker,
) -> None:
    jobs = job("frames", "interval_1m", "pandas")
    await look_ahead(jobs, Planner(jobs.values(), start=NOON), isolated, NOON + 40 * SECOND)
    data = isolated.zygotes.kind(DATA)
    first = data.link
    jobs |= job("sums", "interval_1m", "decimal")
    await look_ahead(jobs, Planner(jobs.values(), start=NOON), isolated, NOON + 40 * SECOND)
    assert first is not None
    assert data.link is not None
    assert set(data.link.settings.modules) == {*first.settings.modules, "decimal"}
    await until(lambda: first.gone)


async def test_a_zygote_that_cannot_stand_does_not_end_the_looking(
    isolated: IsolatedWorker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "no-python"))
    jobs = job("frames", "interval_1m", "pandas")
    planner = Planner(jobs.values(), start=NOON)
    await look_ahead(jobs, planner, isolated, NOON + 40 * SECOND)
    red, _ = isolated.zygotes.troubles()
    assert "the data zygote cannot be started" in red[0]
