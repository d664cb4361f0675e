"""Habits that no linter knows: what the repository says of itself, and what it keeps to itself."""

import re
import subprocess
import tomllib
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Files of other kinds hold data.
TEXT = {"", ".css", ".html", ".js", ".json", ".md", ".py", ".service", ".sql", ".template"} | {
    *(".toml", ".txt", ".yaml", ".yml"),
}
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))

#: What must stand in no other file, and what it would give away.
BANNED = {
    r"(?<![\w.])/(work|root|farm)/": "a path of one machine",
    r"(?<![\w.])/home/(?!optifire)[a-z]+/": "a path of one machine",
    r"\.\./shared\b": "something outside the repository",
    r"(?<!--no-emit-)\b(index-url|find-links|trusted-host)\b": "a package index",
    r"://(pypi|files|deb|registry|index|mirror)\.": "a package host",
    r"\b(TODO|FIXME|XXX)\b(?!\(\w+\):)": "an open end without an owner",
}


@pytest.mark.parametrize("pattern", BANNED)
def test_no_text_names_what_is_not_the_projects_own(pattern: str, tracked: list[Path]) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {BANNED[pattern]}: {line.strip()}"
        for path in tracked
        if path.suffix in TEXT and path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(pattern, line)
    ]
    assert found == []


def test_every_script_can_be_run_and_parsed(tracked: list[Path]) -> None:
    scripts = [path for path in tracked if path.parent in {ROOT / "scripts", ROOT / ".ci"}]
    programs = [path for path in scripts if path.suffix == ""]
    assert {path.name for path in programs} >= {"run", "rows", "setup", "test", "up"}
    for path in programs:
        assert path.stat().st_mode & 0o111, f"{path} is not executable"
        if "bash" in path.read_text(encoding="utf-8").splitlines()[0]:
            subprocess.run(["bash", "-n", path], check=True)


@pytest.mark.parametrize("record", sorted((ROOT / "docs/adr").glob("*.md")), ids=lambda p: p.stem)
def test_a_decision_record_says_context_choice_and_consequences(record: Path) -> None:
    assert re.fullmatch(r"\d{4}(-[a-z0-9]+)+\.md", record.name)
    text = record.read_text(encoding="utf-8")
    assert text.startswith(f"# {int(record.name[:4])}. ")
    headings = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    assert headings[:3] == ["Context", "Choice", "Consequences"]


def test_decision_records_have_numbers_of_their_own() -> None:
    numbers = [path.name[:4] for path in (ROOT / "docs/adr").glob("*.md")]
    assert len(numbers) == len(set(numbers))


def dependencies() -> set[str]:
    """Give the names of all packages that pyproject.toml asks for, folded as an index does."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = chain(project["dependencies"], *project["optional-dependencies"].values())
    return {re.split(r"[<>=!~\[; ]", line)[0].lower().replace(".", "-") for line in asked}


def test_every_dependency_is_argued_for() -> None:
    record = (ROOT / "docs/adr/0002-dependencies.md").read_text(encoding="utf-8")
    argued = {
        name.lower().replace(".", "-")
        for name in re.findall(r"^\| `([^`]+)`", record, re.MULTILINE)
    }
    assert argued == dependencies()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_pins_every_dependency_with_hashes(lock: Path) -> None:
    blocks = re.findall(r"^(\S+)==\S+ \\\n((?:    --hash=.+\n)+)", lock.read_text(), re.MULTILINE)
    pinned = {name.lower().replace(".", "-").replace("_", "-") for name, _ in blocks}
    assert {name.replace("_", "-") for name in dependencies()} <= pinned
    assert len(blocks) == len(re.findall(r"^\S+==", lock.read_text(), re.MULTILINE))


def test_each_supported_python_has_a_lock() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {line.rpartition(" ")[2] for line in project["classifiers"] if ":: 3." in line}
    assert named == {path.stem for path in LOCKS}
