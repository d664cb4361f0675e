import re
import sqlite3
from pathlib import Path

import pytest

from .conftest import Program

DAYS = ("--from", "2018-11-21", "--to", "2018-11-23")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--from", "2018-11-23"], 2, "--to"),
        (["--from", "2018-11-23", "--to", "2018-11-21"], 2, "lies before"),
        ([*DAYS, "--plugins", "fe_grach"], 1, "fe_grach"),
        ([*DAYS, "--against", "none.db"], 1, "there is no such ledger"),
        (["--from", "1980-01-02", "--to", "1980-01-03"], 1, "1990-01-01"),
    ],
)
def test_a_replay_that_cannot_be_is_refused(
    optifire: Program, home: Path, words: list[str], code: int, message: str
) -> None:
    said = optifire("--home", home, "replay", *words)
    assert said.code == code
    assert message in said.err


def test_a_finished_replay_is_not_played_again(
    optifire: Program, home: Path, tmp_path: Path
) -> None:
    words = ("--home", home, "replay", *DAYS, "--plugins", "fe_garch", "--db", tmp_path / "r.db")
    first = optifire(*words, "--json")
    assert first.code == 0
    again = optifire(*words, "--json")
    assert again.code == 1
    assert first.json["digest"] in again.error["message"]


def test_the_shape_is_digest_days_sessions_and_statuses(optifire: Program, home: Path) -> None:
    words = ("replay", *DAYS, "--plugins", "fe_garch,risk_vol_target", "--json")
    said = optifire("--home", home, *words)
    assert said.code == 0
    assert said.err == ""
    shape = said.json
    assert shape.keys() == {"digest", "first", "last", "sessions", "wall_s", "statuses", "left_out"}
    assert len(shape["digest"]) == 64
    assert (shape["first"], shape["last"], shape["sessions"]) == ("2018-11-21", "2018-11-23", 2)
    assert shape["statuses"] == {
        "fe_garch": {"succeeded": 2},
        "risk_vol_target": {"succeeded": 2},
    }
    one = optifire("--home", home, *words, "--workers", "1").json
    assert one["digest"] == shape["digest"]


def test_a_replay_that_agrees_says_so_and_text_shows_a_table(optifire: Program, home: Path) -> None:
    ledger = home / "data" / "demo.db"
    said = optifire("--home", home, "replay", *DAYS, "--against", ledger)
    assert said.code == 0
    assert f"all 16 runs are the same in {ledger}" in said.out
    assert "digest   " in said.out
    assert "fe_garch" in said.out
    assert re.search(r"left out +infra_heartbeat: observes the machine", said.out)


def test_the_first_difference_is_printed_and_is_exit_code_1(optifire: Program, home: Path) -> None:
    ledger = home / "data" / "demo.db"
    connection = sqlite3.connect(ledger)
    with connection:
        connection.execute(
            "UPDATE runs SET version = '0.0.9' WHERE plugin_id = 'fe_garch' AND due_us = "
            "1542996000000000"
        )
    connection.close()
    words = ("replay", *DAYS, "--plugins", "fe_garch", "--against", ledger)
    said = optifire("--home", home, *words, "--json")
    assert said.code == 1
    found = said.json["against"]
    assert (found["compared"], found["differing"]) == (2, 1)
    assert found["first"]["run_id"] == "fe_garch@20181123T180000Z"
    assert (found["first"]["part"], found["first"]["theirs"]) == ("version", "0.0.9")
    text = optifire("--home", home, *words).out
    assert "1 of 2 runs differ" in text
    assert "the first is fe_garch@20181123T180000Z, in its version" in text
