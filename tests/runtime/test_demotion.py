"""Inline plugins lose their place by blocking the loop, or by three runs over their budget."""

from datetime import UTC, datetime

import pytest

from optifire.core.budget import Measured, Usage
from optifire.core.calendar import AlwaysOpen
from optifire.core.job import Code, Job, Placement
from optifire.core.ledger import Batch, RunRow
from optifire.core.run import RunKey, RunStatus
from optifire.core.schedule import Schedule
from optifire.core.types import PluginId
from optifire.runtime.demotion import Demotions

NOON = datetime(2018, 11, 23, 12, tzinfo=UTC)
QUICK, STEADY = PluginId("quick"), PluginId("steady")


def job_of(plugin_id: PluginId, placement: Placement = Placement.INLINE) -> Job:
    schedule = Schedule((), AlwaysOpen(), "UTC")
    return Job(plugin_id, "1", "infra", schedule, Code("", "", ""), placement=placement)


JOBS = {each: job_of(each) for each in (QUICK, STEADY)}


def ran(*, worker: str = "inline", breaches: tuple[str, ...] = ("cpu",)) -> Batch:
    key = RunKey(QUICK, NOON)
    row = RunRow(key, key.run_id, RunStatus.SUCCEEDED, worker=worker, breaches=breaches)
    row.finished_at = NOON
    row.usage = Usage(1.5, None, 2.0, Measured.EXACT)
    return Batch(runs=[row])


@pytest.fixture
def demotions() -> Demotions:
    return Demotions()


def inline(demotions: Demotions) -> set[PluginId]:
    jobs = demotions.applied(JOBS)
    return {each for each, job in jobs.items() if job.placement is Placement.INLINE}


async def test_one_block_is_enough(demotions: Demotions) -> None:
    demotions.blocked(QUICK, "blocked the event loop for 120 ms")
    assert inline(demotions) == {STEADY}
    assert demotions.applied(JOBS)[STEADY] is JOBS[STEADY]
    assert (await demotions.next()).why == "blocked the event loop for 120 ms"


async def test_the_third_run_over_its_processor_budget_is_the_last_one_inline(
    demotions: Demotions,
) -> None:
    for _ in range(2):
        demotions.listen(ran())
        assert inline(demotions) == {QUICK, STEADY}
    demotions.listen(ran())
    assert inline(demotions) == {STEADY}
    assert (await demotions.next()).plugin_id == QUICK
    assert demotions.standing[QUICK].why == (
        "was over its processor budget 3 times, the last time with 1.5 ms"
    )


@pytest.mark.parametrize(
    "batch", [ran(worker="isolated"), ran(breaches=()), ran(breaches=("memory",))]
)
async def test_other_runs_do_not_count(demotions: Demotions, batch: Batch) -> None:
    for _ in range(5):
        demotions.listen(batch)
    assert inline(demotions) == {QUICK, STEADY}


async def test_a_plugin_is_demoted_once(demotions: Demotions) -> None:
    for why in ("first", "second"):
        demotions.blocked(QUICK, why)
    assert (await demotions.next()).why == "first"
    demotions.blocked(STEADY, "later")
    assert (await demotions.next()).plugin_id == STEADY


async def test_all_begins_anew_when_what_runs_has_changed(demotions: Demotions) -> None:
    for _ in range(2):
        demotions.listen(ran())
    demotions.blocked(STEADY, "blocked")
    demotions.forget()
    assert demotions.standing == {}
    demotions.listen(ran())
    assert inline(demotions) == {QUICK, STEADY}


async def test_what_was_never_inline_stays_where_it_is(demotions: Demotions) -> None:
    demotions.blocked(QUICK, "blocked")
    resident = job_of(QUICK, Placement.RESIDENT)
    assert demotions.applied({QUICK: resident})[QUICK] is resident
