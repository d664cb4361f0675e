"""Commands of a service that is down, called wrongly, on what is not there, or twice at once."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from optifire.host.home import Home
from optifire.store.connect import connect_reader

from .conftest import Program

PROGRAM = Path(sys.executable).with_name("optifire")
RUN = "alpha_vrp@20181130T210000Z"


class Wrong(NamedTuple):
    """A call, how it ends, and what its error says somewhere."""

    words: str
    code: int
    kind: str
    says: str


CALLS = [
    Wrong("backfill", 2, "UsageError", "ID"),
    Wrong("backfill alpha_vr --from 2018-11-20 --to 2018-11-21", 1, "NotFoundError", "alpha_vrp"),
    Wrong("backfill alpha_vrp --form 2018-11-20", 2, "UsageError", "--from"),
    Wrong("pause", 2, "UsageError", "--all"),
    Wrong("pause alpha_vr", 1, "NotFoundError", "alpha_vrp"),
    Wrong("pause alpha_vrp --all", 2, "UsageError", "not both"),
    Wrong("pause alpha_vrp fe_garch", 2, "UsageError", "fe_garch"),
    Wrong("resume", 2, "UsageError", "--all"),
    Wrong("resume fe_garhc", 1, "NotFoundError", "fe_garch"),
    Wrong("resume fe_garch --why", 2, "UsageError", "--why"),
    Wrong("cancel", 2, "UsageError", "RUN"),
    Wrong("cancel nonsense", 1, "NotFoundError", "optifire runs"),
    Wrong("cancel alpha_vr@20181130T210000Z", 1, "NotFoundError", RUN),
    Wrong("cancel alpha_vrp@20181131T210000Z", 1, "NotFoundError", RUN),
    Wrong(f"cancel {RUN}", 1, "StateError", "ended already"),
    Wrong("run-info alpha_vr@20181130T210000Z", 1, "NotFoundError", RUN),
    Wrong("run alpha_vr", 1, "NotFoundError", "alpha_vrp"),
    Wrong("run alpha_vrp --force", 2, "UsageError", "--why"),
    Wrong("run fe_garch --at 1970-01-01", 1, "CalendarRangeError", "1990-01-01"),
    Wrong("runs --since 2018-06-02 --until 2018-06-01", 2, "UsageError", "Turn them around"),
    Wrong("plugins create fe_garch", 1, "ConflictError", "another id"),
    Wrong("plugins create Fe-Garch", 2, "UsageError", "lower case"),
    Wrong("runs --db {home}/configs/features.yaml", 1, "DamagedError", "Name another file"),
    Wrong("why alpha_vr", 1, "NotFoundError", "alpha_vrp"),
    Wrong("health --verbose", 2, "UsageError", "--verbose"),
    Wrong("metrics", 1, "NoServiceError", "optifire up"),
    Wrong("backup --to /proc/nowhere", 1, "StoreError", "--to"),
    Wrong("backup --too", 2, "UsageError", "--to"),
    Wrong("restore", 2, "UsageError", "BACKUP"),
    Wrong("restore demo-20181130T210000Z", 1, "NotFoundError", "optifire backup"),
    Wrong("alerts", 2, "UsageError", "COMMAND"),
    Wrong("alerts tset", 2, "UsageError", "test"),
    Wrong("alerts test", 1, "ConfigError", "targets"),
    Wrong("token", 2, "UsageError", "COMMAND"),
    Wrong("token make", 2, "UsageError", "create"),
    Wrong("token create", 2, "UsageError", "NAME"),
    Wrong("token create desk --role boss", 2, "UsageError", "viewer"),
    Wrong("token revoke 00000000", 1, "NotFoundError", "token list"),
]  # fmt: skip


def ledger_of(home: Path) -> list[tuple[object, ...]]:
    """Give everything that a ledger holds of runs and notes."""
    connection = connect_reader(Home(home).database("demo"), 5.0)
    try:
        rows = connection.execute("SELECT * FROM runs").fetchall()
        return [*rows, *connection.execute("SELECT * FROM notes").fetchall()]
    finally:
        connection.close()


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.words)
def test_a_wrong_call_says_what_and_what_to_do_and_changes_nothing(
    optifire: Program, home: Path, call: Wrong
) -> None:
    before = ledger_of(home)
    words = call.words.format(home=home).split()
    said = optifire("--home", home, *words, "--json")
    assert (said.code, said.error["type"]) == (call.code, call.kind), said
    assert call.says in " ".join(said.error.values()), said.error
    assert said.error["message"]
    assert said.error["where"]
    assert said.error["remedy"]
    assert ledger_of(home) == before
    text = optifire("--home", home, *words)
    assert (text.code, text.out) == (call.code, "")
    assert text.err.startswith("error: ")


def test_health_of_a_service_that_is_down_is_red_and_fails(optifire: Program, home: Path) -> None:
    said = optifire("--home", home, "health", "--json")
    assert (said.code, said.json["level"], said.json["live"]) == (1, "red", False)


@pytest.mark.parametrize(
    "words", ["pause fe_garch", "resume --all", "token create desk", "backup", "health"]
)
def test_the_same_command_given_thrice_at_once_ends_clearly_each_time(
    home: Path, words: str
) -> None:
    command = [str(PROGRAM), "--home", str(home), *words.split(), "--json"]
    given = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    ends = [(*each.communicate(timeout=60), each.returncode) for each in given]
    for out, err, code in ends:
        assert code in {0, 1}, err
        assert "Traceback" not in err
        if code == 0 or words == "health":
            assert json.loads(out)
        else:
            assert set(json.loads(err)["error"]) == {"type", "message", "where", "remedy"}
    if words in {"pause fe_garch", "resume --all", "token create desk"}:
        assert [code for *_, code in ends] == [0, 0, 0]
    assert words == "health" or 0 in [code for *_, code in ends]
