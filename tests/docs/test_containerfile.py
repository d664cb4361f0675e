"""The container file: who runs in it, what is copied into it, and how its health is asked."""

import json
import re
from pathlib import Path

import pytest

from optifire.cli.main import program

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "deploy" / "Containerfile").read_text(encoding="utf-8")
#: Instructions in order: lines that end in a backslash go on, and comments are none.
LINES = [
    re.split(r"\s+", line, maxsplit=1)
    for line in re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", TEXT, flags=re.MULTILINE)).splitlines()
    if line.strip()
]


def given(instruction: str) -> list[str]:
    return [rest for word, rest in LINES if word == instruction]


def test_it_runs_as_a_user_without_rights_that_owns_the_volume() -> None:
    assert given("USER") == ["optifire"]
    assert given("VOLUME") == ['["/var/lib/optifire"]']
    (made,) = (one for one in given("RUN") if "useradd" in one)
    assert re.search(r"--uid [1-9]\d{3,}", made)
    assert "install -d -m 0750 -o optifire -g optifire /var/lib/optifire" in made
    order = [word for word, _ in LINES]
    assert order.index("USER") < order.index("VOLUME"), "the volume belongs to the user"


def test_health_and_service_are_commands_of_the_program() -> None:
    (health,) = given("HEALTHCHECK")
    for words in (health.split(" CMD ")[1], given("CMD")[0]):
        said = [word for word in json.loads(words) if word != "optifire"]
        assert "action" in program().parse_args(said)
    assert given("ENTRYPOINT") == ['["optifire"]']
    assert given("STOPSIGNAL") == ["SIGTERM"]


def test_what_is_copied_is_there_and_not_left_out() -> None:
    let_in = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for words in given("COPY"):
        if words.startswith("--from"):
            continue
        *sources, _ = words.split()
        for source in sources:
            assert (ROOT / source).exists()
            assert f"!{source.split('/')[0]}" in let_in


@pytest.mark.parametrize("secret", ["configs", "data", ".git", ".venv"])
def test_no_home_and_no_history_gets_into_the_image(secret: str) -> None:
    let_in = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert let_in[0] == "*"
    assert f"!{secret}" not in let_in


def test_packages_come_from_the_lock_of_the_same_python() -> None:
    (base,) = {one.split(" ")[0] for one in given("FROM")}
    found = re.search(r"python:(\d\.\d+)-slim", base)
    assert found
    install = next(one for one in given("RUN") if "--require-hashes" in one)
    assert f"requirements/{found[1]}.txt" in install
