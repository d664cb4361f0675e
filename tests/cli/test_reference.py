"""The reference says what the program does: its commands, their words, and what they print."""

import re
from pathlib import Path

import pytest

from optifire.cli import main as program
from optifire.cli.parser import Command
from optifire.host.control import handlers_for

from .conftest import Program

PAGE = Path(__file__).parents[2] / "docs" / "reference.md"
SECTIONS = {
    match[1]: match[2]
    for match in re.finditer(
        r"^### optifire (.+?)\n(.*?)(?=^##)",
        PAGE.read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
}
COMMANDS = {" ".join(each.path): each for each in program.commands()}


def test_every_command_has_a_section_and_no_other_has_one() -> None:
    assert list(SECTIONS) == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_section_has_the_commands_own_words_options_and_examples(name: str) -> None:
    command, section = COMMANDS[name], SECTIONS[name]
    assert section.lstrip().startswith(command.summary)
    takes = {f"| `{label}` | {text} |" for label, text in labels(command)}
    assert {line for line in section.splitlines() if line.startswith("| `")} == takes
    examples = [line for line in section.splitlines() if line.startswith("$ ")]
    assert examples == [f"$ optifire {each}" for each in command.examples]
    assert "JSON: " in section


def labels(command: Command) -> list[tuple[str, str]]:
    found = []
    for option in command.options:
        name, word = option.names[0], option.settings.get("metavar", "")
        label = f"{name} {word}".strip() if name.startswith("-") else word
        found.append((label, option.settings["help"]))
    return found


def test_every_request_of_the_socket_is_in_the_table() -> None:
    named = set(re.findall(r'"command": "(\w+)"', PAGE.read_text(encoding="utf-8")))
    assert named == set(handlers_for(None, bytes))  # type: ignore[arg-type]  # only names are asked


def test_the_run_record_lists_every_field(optifire: Program, home: Path) -> None:
    record = optifire("--home", home, "runs", "--limit", "1", "--json").json[0]
    text = PAGE.read_text(encoding="utf-8")
    section = text.partition("### Run record")[2].partition("\n`reason`")[0]
    said = {name for part in re.findall(r"`([^`]+)`", section) for name in part.split(", ")}
    assert said == set(record) - {"why"}  # which `runs` adds to each


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("status", ["status"]),
        ("why", ["why", "fe_garch"]),
        ("run-info", ["run-info", "fe_garch@20181123T180000Z", "--logs"]),
        ("graph", ["graph"]),
        ("config show", ["config", "show"]),
        ("budgets show", ["budgets", "show"]),
        ("budgets suggest", ["budgets", "suggest"]),
        ("budgets apply", ["budgets", "apply", "--dry-run"]),
        ("plugins list", ["plugins", "list"]),
        ("plugins info", ["plugins", "info", "fe_garch", "--config"]),
        ("calendar show", ["calendar", "show", "--from", "2018-11-22", "--to", "2018-11-23"]),
        ("schedule", ["schedule", "@open", "--from", "2018-11-22"]),
    ],
)
def test_every_key_that_is_printed_is_in_the_reference(
    optifire: Program, home: Path, name: str, words: list[str]
) -> None:
    said = optifire("--home", home, *words, "--json").json
    shape = said[0] if isinstance(said, list) else said
    linked = "### Run record" if "run record](#run-record)" in SECTIONS[name] else ""
    text = SECTIONS[name] + (PAGE.read_text(encoding="utf-8") if linked else "")
    text += SECTIONS["plugins list"] if name == "plugins info" else ""
    assert [key for key in shape if not re.search(rf"\b{key}\b", text)] == []
