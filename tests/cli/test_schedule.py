import subprocess
import sys
import zoneinfo
from datetime import datetime
from pathlib import Path

import pytest

from .conftest import Program

#: What must not be loaded for an answer that needs none of it.
HEAVY = {"pandas", "numpy", "rich", "msgspec", "aiosqlite", "apscheduler", "psutil"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["@opne"], "'@opne' is not a schedule word"),
        (["@open-30h"], "lies on the day before"),
        (["@close-10h"], "lies before the open"),
        (["interval_0m"], "no time at all"),
        (["0 0 30 2 *"], "never fires"),
        (["@open", "--calendar", "24/7"], "24/7"),
        (["@open", "--calendar", "XNYZ"], "there is no calendar 'XNYZ'"),
        (["@open", "--tz", "America/New_Yorc"], "New_Yorc"),
        (["@open", "--from", "1900-01-01"], "covers 1990-01-01"),
    ],
)
def test_what_cannot_be_scheduled_is_explained(
    optifire: Program, words: list[str], message: str
) -> None:
    said = optifire("schedule", *words, "--json")
    assert said.code == 1
    assert message in said.error["message"]
    assert said.error["remedy"]


def test_the_shape_is_word_meaning_calendar_zone_and_instants(optifire: Program) -> None:
    shape = optifire("schedule", "@close", "--from", "2018-11-22", "--count", 2, "--json").json
    assert shape == {
        "word": "@close",
        "meaning": "the close of each XNYS session (half days follow)",
        "calendar": "XNYS",
        "tz": "America/New_York",
        "instants": ["2018-11-23T18:00:00Z", "2018-11-26T21:00:00Z"],
        "warnings": [],
        "note": "",
    }


def test_the_first_instant_is_strictly_after_the_one_given(optifire: Program) -> None:
    since = "2018-11-23T18:00:00Z"
    shape = optifire("schedule", "@close", "--from", since, "--count", 1, "--json").json
    assert shape["instants"] == ["2018-11-26T21:00:00Z"]


def test_text_shows_utc_and_market_time(optifire: Program) -> None:
    said = optifire("schedule", "@close", "--from", "2018-11-22", "--count", "1")
    assert said.code == 0
    assert "  2018-11-23T18:00:00Z   Fri 2018-11-23 13:00:00 EST\n" in said.out


def test_a_cron_line_follows_the_zone_over_daylight_saving(optifire: Program) -> None:
    words = ("schedule", "30 2 * * *", "--tz", "America/New_York", "--from", "2026-03-07T12:00:00Z")
    shape = optifire(*words, "--count", "2", "--json").json
    assert shape["instants"] == ["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"]
    assert shape["warnings"]


def test_several_words_are_a_union(optifire: Program) -> None:
    shape = optifire("schedule", "@open", "@close", "--from", "2018-11-23", "--json").json
    assert shape["word"] == "@open, @close"
    assert shape["instants"][:2] == ["2018-11-23T14:30:00Z", "2018-11-23T18:00:00Z"]


def test_a_word_that_never_fires_by_itself_has_no_instants_and_says_so(optifire: Program) -> None:
    shape = optifire("schedule", "@manual", "--json").json
    assert shape["instants"] == []
    assert shape["note"] == "it never fires by itself"


def test_what_the_table_still_holds_is_the_answer_where_it_ends(optifire: Program) -> None:
    near = optifire("schedule", "@monthclose", "--from", "2029-10-15", "--count", "50", "--json")
    assert near.code == 0
    assert 0 < len(near.json["instants"]) < 50
    assert "covers" in near.json["note"]


def test_without_from_it_starts_now(optifire: Program) -> None:
    first = optifire("schedule", "interval_1d", "--json").json["instants"][0]
    again = datetime.fromisoformat(first).astimezone(zoneinfo.ZoneInfo("UTC"))
    assert (again.hour, again.minute) == (0, 0)


def test_a_closure_of_the_home_counts(optifire: Program, fresh: Path) -> None:
    optifire("--home", fresh, "calendar", "close", "2018-11-23", "--why", "storm")
    words = ("--home", fresh, "schedule", "@close", "--from", "2018-11-22", "--count", "1")
    assert optifire(*words, "--json").json["instants"] == ["2018-11-26T21:00:00Z"]


def test_it_loads_nothing_heavy() -> None:
    code = (
        "import sys; from optifire.cli.main import main; "
        "main(['schedule', '@close', '--from', '2018-11-22', '--json']); "
        "print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert loaded & HEAVY == set()
