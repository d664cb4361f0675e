"""Who is sandboxed, and who may run where a layer is missing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optifire.core.sandboxing import OPEN, Origin, Sandboxing, decide, degraded_line, lacking

LAID = Sandboxing(laid=True)
LESS = Sandboxing(laid=True, degraded=True)
REFUSED = Sandboxing(refused="this machine lacks the layer files of the sandbox")

decisions = st.builds(
    decide,
    st.sampled_from(Origin),
    st.lists(st.sampled_from(["files", "signals"]), max_size=2),
    sandbox=st.none() | st.booleans(),
    allow_degraded=st.booleans(),
)


@pytest.mark.parametrize(
    ("origin", "sandbox", "whole", "lacking_one", "accepted"),
    [
        (Origin.BUNDLED, None, OPEN, OPEN, OPEN),
        (Origin.BUNDLED, True, LAID, LESS, LAID),
        (Origin.BUNDLED, False, OPEN, OPEN, OPEN),
        (Origin.FOLDER, None, LAID, LESS, LAID),
        (Origin.FOLDER, True, LAID, LESS, LAID),
        (Origin.FOLDER, False, OPEN, OPEN, OPEN),
        (Origin.PACKAGE, None, LAID, REFUSED, LAID),
        (Origin.PACKAGE, True, LAID, REFUSED, LAID),
        (Origin.PACKAGE, False, OPEN, OPEN, OPEN),
    ],
)
def test_a_missing_layer_stops_somebody_elses_code_and_is_told_of_ones_own(
    origin: Origin,
    sandbox: bool | None,  # noqa: FBT001 - a column of the table
    whole: Sandboxing,
    lacking_one: Sandboxing,
    accepted: Sandboxing,
) -> None:
    assert decide(origin, (), sandbox=sandbox, allow_degraded=False) == whole
    assert decide(origin, ["files"], sandbox=sandbox, allow_degraded=False) == lacking_one
    assert decide(origin, ["files"], sandbox=sandbox, allow_degraded=True) == accepted


@given(decisions)
def test_nobody_runs_degraded_without_the_layers_that_there_are(made: Sandboxing) -> None:
    assert made.laid or not made.degraded
    assert not (made.laid and made.refused)


def test_what_is_missing_is_named_in_words() -> None:
    assert lacking(["a"]) == "the layer a"
    assert lacking(["a", "b", "c"]) == "the layers a, b and c"
    line = degraded_line(["p", "q"], ["files"])
    assert line.startswith("sandbox: this machine lacks the layer files; p, q run with what there")
    assert "p runs with" in degraded_line(["p"], ["files"])
