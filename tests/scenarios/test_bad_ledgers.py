"""A ledger that this program must not go on with: refused by every command, and left as it is."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from trial import Trial

DAY: Final = "2018-01-29"
#: Commands, and the exit code of each: a new start of the service would be of no use.
COMMANDS: Final = ((["up", "--no-view"], 2), (["runs"], 1), (["backup"], 1))


def cut(ledger: Path) -> None:
    """Lose the second half of it, as a disk does that was full when a copy was made."""
    with ledger.open("r+b") as file:
        file.truncate(ledger.stat().st_size // 2)


def newer(ledger: Path) -> None:
    """Have it written by a program of the future."""
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute("PRAGMA user_version = 9999")


def test_every_command_names_it_with_what_to_do_and_changes_nothing_of_it(trial: Trial) -> None:
    trial.plugin("quick", plan={"schedule": "interval_15m@session"})
    trial.enable("quick")
    trial.configure(demo={"from": DAY, "to": DAY})
    with trial.service() as service:
        service.until_finished()
        assert service.stop() == 0
    good = trial.database.read_bytes()
    for harm, said, remedy in (
        (cut, "damaged", "There is no backup; move the file away"),
        (newer, "version 9999, this program knows versions up to", "Use the newer program"),
    ):
        harm(trial.database)
        harmed = trial.database.read_bytes()
        errors = [trial.refused(*words, code=code) for words, code in COMMANDS]
        assert {error["where"] for error in errors} == {str(trial.database)}
        assert [error for error in errors if said not in error["message"]] == []
        assert remedy in errors[0]["remedy"]
        assert all(error["remedy"] for error in errors)
        assert trial.database.read_bytes() == harmed
        trial.database.write_bytes(good)
