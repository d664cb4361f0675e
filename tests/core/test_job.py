"""Jobs: their defaults, and how a plan's dependencies are read."""

from dataclasses import FrozenInstanceError
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optifire.core.calendar import AlwaysOpen
from optifire.core.errors import ContractError
from optifire.core.job import (
    TIMEOUTS,
    Code,
    Effect,
    Job,
    Need,
    NeedMode,
    Overlap,
    Placement,
    parse_age,
    parse_need,
)
from optifire.core.schedule import parse_schedule
from optifire.core.types import PluginId


def job(category: str) -> Job:
    schedule = parse_schedule("@manual", calendar=AlwaysOpen())
    return Job(PluginId("a"), "1.0.0", category, schedule, Code("/a", "A", "00"))


def test_a_job_is_careful_unless_its_plan_says_otherwise() -> None:
    made = job("alpha")
    assert (made.overlap, made.effect, made.placement, made.retries, made.misfire) == (
        Overlap.SKIP, Effect.PURE, Placement.ISOLATED, 0, None,
    )  # fmt: skip


def test_a_job_never_changes() -> None:
    with pytest.raises(FrozenInstanceError):
        job("alpha").retries = 1  # type: ignore[misc]  # what is tried here


@pytest.mark.parametrize(
    ("category", "risk", "execution"),
    [("risk", True, False), ("exec", False, True), ("alpha", False, False), ("own", False, False)],
)
def test_the_category_says_which_rules_apply(category: str, *, risk: bool, execution: bool) -> None:
    assert (job(category).is_risk, job(category).is_exec) == (risk, execution)


def test_timeouts_by_category_are_those_of_the_design() -> None:
    assert dict(TIMEOUTS) == {
        "exec": 10.0, "risk": 10.0, "alpha": 60.0, "fe": 60.0, "ml": 600.0, "ai": 600.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90m", (timedelta(minutes=90), None)),
        ("1d", (timedelta(days=1), None)),
        ("30S", (timedelta(seconds=30), None)),
        (" 2w ", (timedelta(weeks=2), None)),
        ("12h", (timedelta(hours=12), None)),
        ("1 session", (None, 1)),
        ("3 Sessions", (None, 3)),
    ],
)
def test_an_age_is_elapsed_time_or_a_number_of_sessions(
    text: str, expected: tuple[timedelta | None, int | None]
) -> None:
    assert parse_age(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "d",
        "0d",
        "-1d",
        "1",
        "1y",
        "1.5h",
        "session",
        "x sessions",
        "\u00b2d",
        "\u00b2 sessions",
        "9" * 30 + "w",
    ],
)
def test_what_is_no_age_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(ContractError, match="is not an age") as caught:
        parse_age(text, "a: dependencies")
    assert caught.value.where == "a: dependencies"
    assert '"90m"' in caught.value.remedy


@given(st.text(max_size=12))
def test_any_text_is_an_age_or_a_contract_error(text: str) -> None:
    try:
        elapsed, sessions = parse_age(text)
    except ContractError:
        return
    assert (elapsed is None) is not (sessions is None)


DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("x", Need("x")),
        ({"needs": "x"}, Need("x")),
        ({"needs": "x", "max_age": "1d"}, Need("x", max_age=DAY)),
        ({"needs": "x", "max_age": "2 sessions"}, Need("x", max_sessions=2)),
        ({"after": "x"}, Need("x", NeedMode.AFTER)),
        ({"optional": "x"}, Need("x", NeedMode.OPTIONAL)),
        ({"optional": "x", "max_age": "1d"}, Need("x", NeedMode.OPTIONAL, DAY)),
        ({"optional": {"needs": "x", "max_age": "1d"}}, Need("x", NeedMode.OPTIONAL, DAY)),
    ],
)
def test_every_form_of_a_dependency_is_read(spec: object, expected: Need) -> None:
    assert parse_need(spec) == expected


@pytest.mark.parametrize(
    "spec",
    [
        "",
        None,
        7,
        [],
        {},
        {"needs": ""},
        {"needs": 7},
        {"max_age": "1d"},
        {"needs": "x", "after": "y"},
        {"after": "x", "max_age": "1d"},
        {"needs": "x", "within": "1d"},
        {"needs": "x", "max_age": "soon"},
        {"needs": "x", "max_age": None},
        {"needs": {"needs": "x"}},
        {"optional": {"after": "x"}},
        {"optional": {"optional": "x"}},
        {"optional": {"needs": "x"}, "max_age": "1d"},
    ],
)
def test_what_is_no_dependency_is_refused_by_name(spec: object) -> None:
    with pytest.raises(ContractError) as caught:
        parse_need(spec, "b: dependencies")
    assert caught.value.where == "b: dependencies"
    assert caught.value.remedy
