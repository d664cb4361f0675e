"""One cycle, from firings to records."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optifire.core.job import Overlap
from optifire.core.ports import Outcome, RunRequest
from optifire.core.run import Failure, RunStatus
from optifire.runtime.slots import Slots

DAY = timedelta(days=1)


# --- needs ------------------------------------------------------------------------------------


async def test_a_run_is_given_what_it_declared_by_full_name_and_by_bare_name(
    world: Any, kit: Any
) -> None:
    world.job("a", kit.outputs(x=1, z=9), out=("x",))
    world.job("b", kit.outputs(y=2), out=("y",), needs=("x",))
    world.job("c", needs=("b",))
    await world.cycle("c", "b", "a")
    assert world.worker.given("b") == {"x": 1, "a.x": 1}
    assert world.worker.given("c") == {"y": 2, "b.y": 2, "b": {"y": 2}}


async def test_an_undeclared_key_of_the_result_is_recorded_and_not_published(
    world: Any, kit: Any
) -> None:
    world.job("a", kit.outputs(x=1, z=9), out=("x",))
    await world.cycle("a")
    assert sorted(world.row("a").outputs) == ["x", "z"]
    assert world.board.get("a.z") is None
    assert world.board.get("x").run_id == "a@20181123T120000Z"


async def test_lineage_names_run_and_instant_of_each_need(world: Any, kit: Any) -> None:
    world.job("a", kit.outputs(x=1), out=("x",))
    world.job("b", needs=("x",))
    await world.cycle("a", "b")
    source = world.row("b").inputs["x"]
    assert (source.run_id, source.as_of) == ("a@20181123T120000Z", kit.noon)


async def test_a_failed_upstream_skips_the_run_and_names_it(world: Any, kit: Any) -> None:
    world.job("a", kit.fails(), out=("x",))
    world.job("b", needs=("x",))
    await world.cycle("a", "b")
    assert world.status("a") == "failed"
    assert world.status("b") == "skipped(upstream: a failed)"


async def test_an_older_value_within_max_age_stands_in_for_a_failed_upstream(
    world: Any, kit: Any
) -> None:
    world.job("a", kit.outputs(x=1), out=("x",))
    world.job("b", needs=({"needs": "x", "max_age": "2d"},))
    await world.cycle("a", due=kit.noon - DAY)
    world.bodies["a"] = kit.fails()
    await world.cycle("a", "b")
    assert world.status("b") == "succeeded"
    assert world.row("b").inputs["x"].as_of == kit.noon - DAY


async def test_a_value_from_before_the_producers_latest_occurrence_is_not_fresh(
    world: Any, kit: Any
) -> None:
    world.job("a", kit.outputs(x=1), out=("x",), schedule="interval_1h")
    world.job("b", needs=("x",))
    await world.cycle("a", due=kit.noon - timedelta(hours=2))
    await world.cycle("b", due=kit.noon)
    assert world.status("b") == "skipped(upstream: a has nothing fresh)"
    await world.cycle("a", due=kit.noon)
    await world.cycle("b", due=kit.noon + timedelta(minutes=59))
    assert world.status("b", kit.noon + timedelta(minutes=59)) == "succeeded"


async def test_a_missing_optional_value_does_not_skip_the_run(world: Any, kit: Any) -> None:
    world.job("a", kit.fails(), out=("x",))
    world.job("b", needs=({"optional": "x"},))
    await world.cycle("a", "b")
    assert world.status("b") == "succeeded"
    assert world.worker.given("b") == {}
    assert world.worker.order.index(("end", "a")) < world.worker.order.index(("start", "b"))


async def test_after_orders_two_runs_whatever_becomes_of_the_first(world: Any, kit: Any) -> None:
    world.job("a", kit.fails())
    world.job("b", needs=({"after": "a"},))
    await world.cycle("a", "b")
    assert world.worker.order == [("start", "a"), ("end", "a"), ("start", "b"), ("end", "b")]
    assert world.status("b") == "succeeded"


async def test_a_producer_without_any_value_is_pulled_in_with_what_it_needs(
    world: Any, kit: Any
) -> None:
    world.job("a", kit.outputs(x=1), out=("x",))
    world.job("b", kit.outputs(y=1), out=("y",), needs=("x",))
    world.job("c", needs=("y",))
    await world.cycle("c")
    assert [world.status(n) for n in "abc"] == ["succeeded"] * 3
    assert world.row("a").trigger == "pull: b"
    await world.cycle("c", due=kit.noon + DAY)
    assert [r.job.plugin_id for r in world.worker.requests] == ["a", "b", "c", "c"]


async def test_a_producer_that_is_off_skips_its_consumers_by_name(world: Any, kit: Any) -> None:
    world.job("a", kit.outputs(x=1), out=("x",))
    world.job("b", needs=("x",))
    world.off.add("a")
    await world.cycle("b")
    assert world.status("b") == "skipped(upstream: a is off)"


async def test_a_missing_declared_output_does_not_refresh_the_old_value(
    world: Any, kit: Any
) -> None:
    world.job("a", kit.outputs(), out=("x",))
    world.job("b", needs=("x",))
    await world.cycle("a", "b")
    assert world.row("a").note == "declared output x is missing"
    assert world.status("b") == "skipped(upstream: a gave no x)"


async def test_an_undeclared_bare_name_stays_with_its_first_writer(world: Any, kit: Any) -> None:
    world.job("b", kit.leaves(writes={"shared": "b"}))
    world.job("a", kit.leaves(writes={"shared": "a"}))
    await world.cycle("a", "b")
    assert world.board.get("shared").producer == "a"
    assert kit.dec(world.board.get("b.shared").value) == "b"
    await world.cycle("b", due=kit.noon + DAY)
    assert world.board.get("shared").producer == "a"
    notes = [note.text for batch in world.store.batches for note in batch.notes]
    assert notes == ["wrote 'shared', which belongs to a; published as b.shared only"] * 2


async def test_a_late_value_never_replaces_a_newer_one(world: Any, kit: Any) -> None:
    world.job("a", kit.outputs(x="new"), out=("x",))
    await world.cycle("a", due=kit.noon)
    world.bodies["a"] = kit.outputs(x="old")
    await world.cycle("a", due=kit.noon - DAY)
    assert kit.dec(world.board.get("x").value) == "new"


# --- what is written, and when ----------------------------------------------------------------


async def test_every_occurrence_is_written_down_before_any_of_the_cycle_starts(
    world: Any, kit: Any
) -> None:
    world.clock.timeless = False
    seen: list[list[str]] = []

    async def body(request: RunRequest) -> Outcome:
        seen.append(sorted(world.store.rows))
        return Outcome(RunStatus.SUCCEEDED)

    world.job("a", body)
    world.job("b", needs=({"after": "a"},))
    await world.cycle("a", "b")
    assert seen == [["a@20181123T120000Z", "b@20181123T120000Z"]]
    assert world.store.history[:2] == [
        ("a@20181123T120000Z", RunStatus.RUNNING),
        ("b@20181123T120000Z", RunStatus.DUE),
    ]


async def test_ends_and_starts_share_a_commit(world: Any, kit: Any) -> None:
    world.clock.timeless = False
    world.job("a")
    world.job("b", needs=({"after": "a"},))
    world.job("c", needs=({"after": "b"},))
    await world.cycle("a", "b", "c")
    assert len(world.store.batches) == 4
    names = [[row.key.plugin_id for row in batch.runs] for batch in world.store.batches]
    assert names == [["a", "b", "c"], ["a", "b"], ["b", "c"], ["c"]]


async def test_runs_are_refused_when_their_start_cannot_be_written(world: Any, kit: Any) -> None:
    world.clock.timeless = False
    world.job("a")
    world.store.refusing = 2
    await world.cycle("a")
    assert world.worker.requests == []
    assert world.status("a") == "refused(store: disk full)"
    assert world.row("a").attempts == 0


async def test_the_end_of_a_run_is_written_again_until_the_store_takes_it(
    world: Any, kit: Any
) -> None:
    world.clock.timeless = False

    async def body(request: RunRequest) -> Outcome:
        world.store.refusing = 3
        return Outcome(RunStatus.SUCCEEDED)

    world.job("a", body)
    await world.cycle("a")
    assert world.status("a") == "succeeded"


async def test_a_run_whose_table_writes_fail_is_failed_and_its_values_are_dropped(
    world: Any, kit: Any
) -> None:
    world.job("a", kit.leaves(outputs={"x": 1}, sql=["INSERT"], events=["e"]), out=("x",))
    world.job("b", needs=("x",))
    world.job("c", listens=frozenset({"e"}))
    world.store.reject["a"] = Failure("ContractError", "no such table")
    end = await world.cycle("a", "b")
    assert world.status("b") == "skipped(upstream: a failed)"
    assert world.board.get("x") is None
    assert end.events == ()


# --- attempts ---------------------------------------------------------------------------------


async def test_only_retryable_failures_are_tried_again_and_only_so_often(
    world: Any, kit: Any
) -> None:
    world.job("a", kit.fails(retryable=True), retries=2)
    world.job("b", kit.fails(), retries=2)
    await world.cycle("a", "b")
    assert (world.row("a").attempts, world.row("b").attempts) == (3, 1)
    assert world.status("a") == world.status("b") == "failed"


async def test_a_retry_gives_its_slot_to_others_meanwhile(world: Any, kit: Any) -> None:
    world.slots = Slots(1)
    world.job("a", kit.fails(retryable=True), retries=1)
    world.job("b")
    await world.cycle("a", "b")
    assert world.status("b") == "succeeded"
    assert [name for what, name in world.worker.order if what == "start"] == ["a", "b", "a"]


async def test_slots_bound_how_many_run_at_once_and_priority_says_who_goes_first(
    world: Any, kit: Any
) -> None:
    world.slots = Slots(2)
    at_once, most = 0, 0

    async def body(request: RunRequest) -> Outcome:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await kit.let_others_run(3)
        at_once -= 1
        return Outcome(RunStatus.SUCCEEDED)

    for number, name in enumerate("abcdef"):
        world.job(name, body, priority=60 - number)
    await world.cycle(*"abcdef")
    started = [name for what, name in world.worker.order if what == "start"]
    assert most == 2
    assert started == ["f", "e", "d", "c", "b", "a"]


# --- overlap ----------------------------------------------------------------------------------


async def overlapping(kit: Any, world: Any, policy: Overlap, *dues: Any) -> None:
    """Start one cycle after another while the first run waits; then let it end."""
    gate = kit.Gate()
    world.clock.timeless = False
    world.job("a", gate, overlap=policy)
    async with asyncio.TaskGroup() as group:
        for due in dues:
            group.create_task(world.cycle("a", due=due))
            await gate.begun.wait()
            await kit.let_others_run(20)
        gate.open.set()


@pytest.mark.parametrize(
    ("policy", "statuses"),
    [
        (Overlap.SKIP, ["succeeded", "skipped(overlap)", "skipped(overlap)"]),
        (
            Overlap.BUFFER_ONE,
            [
                "succeeded",
                "skipped(overlap: a newer occurrence took its place)",
                "succeeded",
            ],
        ),
        (Overlap.BUFFER_ALL, ["succeeded"] * 3),
        (Overlap.ALLOW_ALL, ["succeeded"] * 3),
        (
            Overlap.CANCEL_OTHER,
            ["cancelled(cancelled: a newer occurrence of a is due)"] * 2 + ["succeeded"],
        ),
        (
            Overlap.TERMINATE_OTHER,
            ["cancelled(cancelled: a newer occurrence of a is due)"] * 2 + ["succeeded"],
        ),
    ],
)
async def test_overlap_policies(world: Any, kit: Any, policy: Overlap, statuses: list[str]) -> None:
    dues = [kit.noon + timedelta(minutes=n) for n in range(3)]
    await overlapping(kit, world, policy, *dues)
    assert [world.status("a", due) for due in dues] == statuses


async def test_terminating_kills_at_once_and_cancelling_leaves_a_grace(
    world: Any, kit: Any
) -> None:
    dues = [kit.noon, kit.noon + DAY]
    await overlapping(kit, world, Overlap.TERMINATE_OTHER, *dues)
    assert world.worker.requests[0].abrupt
    other = kit.World()
    await overlapping(kit, other, Overlap.CANCEL_OTHER, *dues)
    assert not other.worker.requests[0].abrupt


# --- events -----------------------------------------------------------------------------------


async def test_an_event_is_taken_unless_somebody_listens(world: Any, kit: Any) -> None:
    world.job("a", kit.leaves(events=["heard", "unheard"]))
    world.job("b", listens=frozenset({"heard"}))
    end = await world.cycle("a")
    assert [(e.name, e.taken) for e in end.events] == [("heard", False), ("unheard", True)]


# --- properties -------------------------------------------------------------------------------


@st.composite
def graphs(draw: st.DrawFn) -> list[tuple[list[int], int]]:
    """Jobs as (producers among the earlier ones, how many turns of the loop a run takes)."""
    count = draw(st.integers(1, 14))
    return [
        (
            sorted(draw(st.sets(st.integers(0, n - 1), max_size=3))) if n else [],
            draw(st.integers(0, 5)),
        )
        for n in range(count)
    ]


@given(graphs(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_dataflow_respects_every_edge_and_a_run_sees_only_what_it_declared(
    kit: Any, jobs: list[tuple[list[int], int]], order: Any
) -> None:
    world = kit.World()

    def body_of(number: int, turns: int) -> Any:
        async def body(request: RunRequest) -> Outcome:
            await kit.let_others_run(turns)
            assert list(request.view.names()) == []
            return Outcome(RunStatus.SUCCEEDED, outputs={f"k{number}": kit.enc(number)})

        return body

    for number, (producers, turns) in enumerate(jobs):
        needs = tuple(f"k{producer}" for producer in producers)
        world.job(f"j{number}", body_of(number, turns), out=(f"k{number}",), needs=needs)
    names = [f"j{number}" for number in range(len(jobs))]
    order.shuffle(names)
    asyncio.run(world.cycle(*names))
    for number, (producers, _) in enumerate(jobs):
        assert world.status(f"j{number}") == "succeeded"
        started = world.worker.order.index(("start", f"j{number}"))
        for producer in producers:
            assert world.worker.order.index(("end", f"j{producer}")) < started
        expected = {f"k{p}": p for p in producers} | {f"j{p}.k{p}": p for p in producers}
        assert world.worker.given(f"j{number}") == expected
