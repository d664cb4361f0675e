import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import optifire
from optifire.cli import main as program
from optifire.cli.parser import Command, Parser, walk
from optifire.core.errors import ConfigError

from .conftest import Program

PARSERS = list(walk(program.program()))


@pytest.mark.parametrize(
    ("words", "message", "remedy"),
    [
        (["shedule"], "'shedule' is not a known command", "Did you mean schedule"),
        (["plugins", "lst"], "'lst' is not a known command", "Did you mean list"),
        (["calendar", "xyzzy"], "'xyzzy' is not a known command", "Use one of show, close"),
        (["schedule", "@open", "--cuont", "3"], "'--cuont' is not a known option", "--count"),
        (["schedule", "@open", "--cou", "3"], "'--cou' is not a known option", "--count"),
        (["runs", "--status", "suceeded"], "'suceeded' is not a known value of", "succeeded"),
        (["status", "now"], "'now' is not a known word", "--help"),
        (["run"], "the following arguments are required: ID", "optifire run --help"),
        (["plugins"], "the following arguments are required: COMMAND", "optifire plugins --help"),
        ([], "which command?", "optifire --help"),
        (["--hom", "x", "status"], "'--hom' is not a known option", "--home"),
    ],
)
def test_a_mistyped_call_is_answered_with_the_nearest_words(
    optifire: Program, words: list[str], message: str, remedy: str
) -> None:
    said = optifire(*words)
    assert said.code == 2
    assert said.out == ""
    assert message in said.err
    assert remedy in said.err


@pytest.mark.parametrize(
    "words",
    [
        ["schedule", "@open", "--count", "0"],
        ["schedule", "@open", "--count", "many"],
        ["schedule", "@open", "--from", "yesterday"],
        ["runs", "--limit", "-1"],
        ["next", "--hours", "nan"],
        ["next", "--hours", "-3"],
        ["up", "--pace", "-1"],
        ["replay", "--from", "2018-01-02", "--to", "2018-01-03", "--workers", "0"],
        ["replay", "--from", "2018-01-02", "--to", "2018-01-03", "--plugins", ","],
        ["replay", "--from", "2018-13-02", "--to", "2018-01-03"],
        ["calendar", "show", "--from", "2018-01-05", "--to", "2018-01-02"],
    ],
)
def test_a_value_that_cannot_be_is_a_usage_error(optifire: Program, words: list[str]) -> None:
    said = optifire(*words)
    assert said.code == 2
    assert said.err.startswith("error: ")
    assert "Traceback" not in said.err


def test_with_json_an_error_is_one_line_of_its_shape(optifire: Program) -> None:
    said = optifire("shedule", "--json")
    assert said.code == 2
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.error.keys() == {"type", "message", "where", "remedy"}
    assert said.error["type"] == "UsageError"


@pytest.mark.parametrize(
    "words",
    [
        ["status"], ["runs"], ["run", "x"], ["run-info", "x"], ["why", "x"], ["next"], ["graph"],
        ["lint"], ["doctor"], ["config", "show"], ["config", "diff"], ["config", "rollback", "x"],
        ["plugins", "list"], ["plugins", "info", "x"], ["plugins", "enable", "x"],
        ["plugins", "disable", "x"], ["plugins", "create", "x"], ["plugins", "validate"],
        ["plugins", "test", "x"], ["up"], ["calendar", "close", "2025-01-09", "--why", "x"],
        ["replay", "--from", "2018-01-02", "--to", "2018-01-03"],
    ],
)  # fmt: skip
def test_a_command_that_needs_a_home_says_how_to_make_one(
    optifire: Program, words: list[str]
) -> None:
    said = optifire(*words)
    assert said.code == 1
    assert "there is no configs/features.yaml here or above" in said.err
    assert "optifire init DIR" in said.err


def test_a_home_that_was_named_and_is_none_is_named_in_the_error(
    optifire: Program, tmp_path: Path
) -> None:
    said = optifire("--home", tmp_path / "none", "runs", "--json")
    assert said.code == 1
    assert said.error["type"] == "ConfigError"
    assert said.error["where"] == str(tmp_path / "none")


def test_the_home_may_be_named_before_and_after_the_command_and_by_the_environment(
    optifire: Program, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert optifire("--home", home, "graph").code == 0
    assert optifire("graph", "--home", home).code == 0
    monkeypatch.setenv("OPTIFIRE_HOME", str(home))
    assert optifire("graph").code == 0
    monkeypatch.setenv("OPTIFIRE_HOME", "/nowhere")
    assert optifire("graph").code == 1
    monkeypatch.chdir(home / "data")
    monkeypatch.delenv("OPTIFIRE_HOME")
    assert optifire("graph").code == 0


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.prog.replace(" ", "-"))
def test_the_help_of_every_command_says_what_it_does_with_an_example(
    parser: Parser, capsys: pytest.CaptureFixture[str]
) -> None:
    words = parser.prog.split()[1:]
    assert program.main([*words, "--help"]) == 0
    text = capsys.readouterr().out
    examples = text.partition("examples:\n")[2]
    assert "  optifire " in examples
    assert all(word in examples for word in words)
    assert parser.description
    assert "--json" in text


@pytest.mark.parametrize("command", program.commands(), ids=lambda each: "-".join(each.path))
def test_every_example_is_a_call_that_the_program_takes(command: Command) -> None:
    import shlex

    for example in command.examples:
        parsed = program.program().parse_args(shlex.split(example))
        assert parsed.action is command.action


def test_every_option_says_what_it_is_for() -> None:
    for parser in PARSERS:
        for action in parser._actions:  # noqa: SLF001 - argparse shows its parts nowhere else
            if not isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
                assert action.help, f"{parser.prog} {action.dest}"


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--version"]) == 0
    assert capsys.readouterr().out == f"optifire {optifire.__version__}\n"


# --- what is not a mistake of the call --------------------------------------------------------


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Make the command ``status`` end in an error."""

    def fail_with(error: BaseException) -> None:
        def action(*_: object) -> int:
            raise error

        def commands() -> Iterator[Command]:
            yield Command(("status",), action, "Fails.", ("status",))

        monkeypatch.setattr(program, "commands", lambda: tuple(commands()))

    return fail_with


def test_an_error_in_text_has_its_place_and_its_remedy(
    failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(ConfigError("is no number", where="config.yaml:3: demo.pace", remedy="Write one"))
    assert program.main(["status"]) == 1
    assert capsys.readouterr().err == "error: config.yaml:3: demo.pace: is no number\n  Write one\n"


def test_an_interrupted_command_says_so_and_has_failed(
    failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(KeyboardInterrupt())
    assert program.main(["status"]) == 1
    assert capsys.readouterr().err == "interrupted\n"


def test_an_error_of_the_system_names_the_file(
    failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(PermissionError(13, "Permission denied", "/srv/fire/data"))
    assert program.main(["status", "--json"]) == 1
    error = json.loads(capsys.readouterr().err)["error"]
    assert (error["message"], error["where"]) == ("Permission denied", "/srv/fire/data")


def test_a_bug_is_not_hidden(failing: Callable[[BaseException], None]) -> None:
    failing(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        program.main(["status"])


def started(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "optifire.cli.main", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NO_COLOR": ""},
    )


def test_a_reader_that_goes_away_leaves_no_traceback() -> None:
    process = started("schedule", "interval_1m", "--count", "10000", "--from", "2018-01-02")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=30) == 1
    assert process.stderr.read() == ""
    process.stderr.close()


def interrupted(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Press Ctrl-C, and once more after a while as a person does; give what was said."""
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        try:
            return process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    process.communicate()
    pytest.fail("it does not end")


def test_a_command_that_is_killed_by_ctrl_c_leaves_no_traceback(home: Path) -> None:
    days = ("--from", "2014-01-03", "--to", "2018-12-31")
    process = started("--home", str(home), "replay", *days, "--db", str(home / "r.db"))
    while not (home / "r.db").exists():
        assert process.poll() is None
    out, err = interrupted(process)
    assert process.returncode == 1
    assert out == ""
    assert "Traceback" not in err
