"""The text format: what is written is read back by a parser made from the specification."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optifire.ops.exposition import (
    Histogram,
    Sample,
    Tally,
    counter,
    gauge,
    histogram,
    number,
    rendered,
)
from trial_metrics import parse


def test_a_counter_is_written_with_help_type_and_labels() -> None:
    tally = Tally()
    tally.add((("plugin", "b"), ("status", "failed")))
    tally.add((("plugin", "a"), ("status", "failed")), 2)
    tally.add((("plugin", "b"), ("status", "failed")), 3)
    assert rendered([counter("optifire_runs_total", "Runs.", tally.samples())]) == (
        "# HELP optifire_runs_total Runs.\n"
        "# TYPE optifire_runs_total counter\n"
        'optifire_runs_total{plugin="a",status="failed"} 2\n'
        'optifire_runs_total{plugin="b",status="failed"} 4\n'
    )


def test_a_histogram_counts_up_to_and_with_each_bound() -> None:
    made = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 2.0):
        made.observe(value)
    text = rendered([histogram("took_seconds", "How long.", {(("plugin", "a"),): made})])
    assert text.splitlines()[2:] == [
        'took_seconds_bucket{plugin="a",le="0.1"} 2',
        'took_seconds_bucket{plugin="a",le="1"} 3',
        'took_seconds_bucket{plugin="a",le="+Inf"} 4',
        'took_seconds_sum{plugin="a"} 2.65',
        'took_seconds_count{plugin="a"} 4',
    ]
    assert parse(text)["took_seconds"].type == "histogram"


def test_a_family_of_which_nothing_is_known_is_left_out() -> None:
    assert rendered([gauge("fds", "Files.", None), gauge("x", "X.", 1)]) == (
        "# HELP x X.\n# TYPE x gauge\nx 1\n"
    )


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_label_and_any_help_come_back_whole(value: str, said: str) -> None:
    text = rendered([gauge("x", said, [Sample(1, (("plugin", value),))])])
    assert text.count("\n") == 3
    assert parse(text)["x"].value("x", plugin=value) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (1.0, "1"), (0.25, "0.25"), (1e300, "1e+300"), (math.inf, "+Inf"),
        (-math.inf, "-Inf"), (math.nan, "NaN"), (2**52 + 1, "4503599627370497"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_the_format_has_them(value: float, text: str) -> None:
    assert number(value) == text


@given(st.floats(allow_nan=False))
def test_no_number_loses_anything(value: float) -> None:
    assert float(number(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        "x 1",
        "x 1\n",
        "# TYPE x gauge\nx{a=b} 1\n",
        '# TYPE x gauge\nx{a="b"c} 1\n',
        '# TYPE x gauge\nx{a="\\q"} 1\n',
        "# TYPE x gauge\nx 1\nx 2\n",
        "# TYPE x gauge\n# TYPE x gauge\nx 2\n",
        "# TYPE x gauge\ny 2\n",
        '# TYPE x histogram\nx_bucket{le="+Inf"} 2\nx_sum 1\nx_count 3\n',
        '# TYPE x histogram\nx_bucket{le="1"} 2\nx_bucket{le="+Inf"} 1\nx_sum 1\nx_count 1\n',
    ],
)
def test_the_parser_of_these_tests_refuses_what_is_wrong(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse(text)
