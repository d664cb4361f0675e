"""The states of a plugin, and the steps that lead from one to another."""

from itertools import pairwise

import pytest

from optifire.core.errors import StateError
from optifire.core.lifecycle import PluginState, check_step, way

#: Every step there is, written by hand from the diagram.
STEPS = {
    "unloaded loading", "loading loaded", "loaded active", "active inactive", "inactive active",
    "inactive unloading", "unloading unloaded", "loaded unloading",
    "loading error", "loaded error", "active error", "inactive error", "unloading error",
    "error loading", "error unloading",
}  # fmt: skip
PAIRS = [(now, then) for now in PluginState for then in PluginState]


@pytest.mark.row("A060")
@pytest.mark.row("A061")
@pytest.mark.row("A068")
@pytest.mark.parametrize(("now", "then"), PAIRS)
def test_a_step_that_the_diagram_does_not_have_is_refused_naming_both_states(
    now: PluginState, then: PluginState
) -> None:
    if f"{now} {then}" in STEPS:
        check_step(now, then, "a")
        return
    with pytest.raises(StateError) as caught:
        check_step(now, then, "a")
    assert (str(now) in str(caught.value), str(then) in str(caught.value)) == (True, True)
    assert caught.value.where == "a"


@pytest.mark.parametrize(("now", "then"), PAIRS)
def test_a_way_leads_from_every_state_to_every_other_by_steps_that_there_are(
    now: PluginState, then: PluginState
) -> None:
    states = [now, *way(now, then)]
    assert states[-1] is then
    assert len(set(states)) == len(states)
    assert {f"{a} {b}" for a, b in pairwise(states)} <= STEPS


@pytest.mark.row("A062")
@pytest.mark.row("A063")
@pytest.mark.row("A064")
@pytest.mark.row("A066")
@pytest.mark.row("A067")
@pytest.mark.parametrize(
    ("now", "then", "states"),
    [
        ("unloaded", "active", "loading loaded active"),
        ("active", "unloaded", "inactive unloading unloaded"),
        ("active", "inactive", "inactive"),
        ("error", "active", "loading loaded active"),
        ("error", "unloaded", "unloading unloaded"),
        ("unloaded", "error", "loading error"),
        ("active", "active", ""),
    ],
)
def test_the_ways_that_plugins_go(now: str, then: str, states: str) -> None:
    assert " ".join(way(PluginState(now), PluginState(then))) == states
