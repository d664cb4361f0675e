from pathlib import Path

import pytest

from .conftest import Program


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["2018-11-24", "--why", "x"], 1, "has no session on 2018-11-24 (Saturday) anyway"),
        (["2018-02-30", "--why", "x"], 2, "'2018-02-30' is not a date"),
        (["2018-11-23", "--why", "  "], 1, "has no reason"),
        (["2018-11-23"], 2, "--why"),
        (["2018-11-23", "--why", "x", "--calendar", "NYSS"], 1, "no calendar 'NYSS'"),
        (["1980-01-02", "--why", "x"], 1, "covers 1990-01-01"),
    ],
)
def test_a_closure_that_cannot_be_is_refused(
    optifire: Program, fresh: Path, words: list[str], code: int, message: str
) -> None:
    said = optifire("--home", fresh, "calendar", "close", *words)
    assert said.code == code
    assert message in said.err
    assert not (fresh / "configs" / "closures.yaml").exists()


def test_days_outside_the_table_are_an_error_and_not_closed(optifire: Program) -> None:
    said = optifire("calendar", "show", "--from", "1980-01-01", "--to", "1980-02-01", "--json")
    assert said.code == 1
    assert said.error["type"] == "CalendarRangeError"


def test_the_shape_holds_sessions_half_days_and_holidays(optifire: Program) -> None:
    rows = optifire("calendar", "show", "--from", "2018-11-21", "--to", "2018-11-26", "--json").json
    assert [row["date"] for row in rows] == ["2018-11-21", "2018-11-22", "2018-11-23", "2018-11-26"]
    assert rows[1] == {
        "date": "2018-11-22",
        "open": None,
        "close": None,
        "half_day": False,
        "name": "Thanksgiving",
    }
    assert rows[2] == {
        "date": "2018-11-23",
        "open": "2018-11-23T14:30:00Z",
        "close": "2018-11-23T18:00:00Z",
        "half_day": True,
        "name": "",
    }


def test_text_shows_market_time(optifire: Program) -> None:
    said = optifire("calendar", "show", "--from", "2018-11-22", "--to", "2018-11-23")
    assert "Fri 2018-11-23 13:00:00 EST" in said.out
    assert "half day" in said.out
    assert "Thanksgiving" in said.out


def test_a_closure_is_written_once_and_shown_with_its_reason(
    optifire: Program, fresh: Path
) -> None:
    words = ("--home", fresh, "calendar", "close", "2018-11-26", "--why", "storm", "--json")
    file = str(fresh / "configs" / "closures.yaml")
    assert optifire(*words).json == {"ok": True, "changed": [file]}
    assert optifire(*words).json == {"ok": True, "changed": []}
    days = ("--from", "2018-11-26", "--to", "2018-11-26", "--json")
    rows = optifire("--home", fresh, "calendar", "show", *days).json
    assert [(row["open"], row["name"]) for row in rows] == [(None, "storm")]
