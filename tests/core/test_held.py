"""What holds a run: the limits in force and the layers of the sandbox, as the record names them."""

import json
from dataclasses import replace

import pytest

from optifire.core.budget import Budget
from optifire.core.calendar import AlwaysOpen
from optifire.core.held import Held, Holds, held_by
from optifire.core.job import Code, Job, Placement
from optifire.core.schedule import parse_schedule
from optifire.core.types import PluginId

LAYERS = ("files", "system calls")
CODE = Code("/a", "A", "00")
JOB = Job(
    PluginId("a"), "1.0.0", "alpha", parse_schedule("interval_1h", calendar=AlwaysOpen()), CODE,
    budget=Budget(100, 5), timeout=7,
)  # fmt: skip
STREAM = replace(JOB, schedule=parse_schedule("@continuous", calendar=AlwaysOpen()))


@pytest.mark.parametrize(
    ("job", "held"),
    [
        (JOB, Held(200, None, 24, 7, 64, group=True)),
        (replace(JOB, sandbox=True), Held(200, None, 24, 7, 64, group=True, layers=LAYERS)),
        (
            replace(JOB, code=replace(CODE, modules=("numpy",))),
            Held(200, None, 72, 7, 64, group=True),
        ),
        (replace(STREAM, placement=Placement.RESIDENT), Held(200, 60, 24, None, 64, group=True)),
        (replace(JOB, placement=Placement.INLINE, sandbox=True), Held(wall_s=7)),
    ],
    ids=["isolated", "sandboxed", "with numpy", "stream", "inline"],
)
def test_what_holds_a_run_follows_from_budget_place_and_machine(job: Job, held: Held) -> None:
    assert held_by(job, LAYERS, group=True) == held
    said = json.loads(held.text())
    assert Held(**{**said, "layers": tuple(said["layers"])}) == held


def test_it_is_made_out_once_for_each_state_of_a_job() -> None:
    holds = Holds(LAYERS)
    first = holds.of(JOB)
    assert holds.of(JOB) is first
    changed = replace(JOB, timeout=8)
    assert json.loads(holds.of(changed))["wall_s"] == 8
    assert holds.of(JOB) == first
