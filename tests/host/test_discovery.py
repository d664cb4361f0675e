"""Finding plugin folders: order, conflicts, hashes and what is never imported."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from optifire.core.errors import ConflictError, ManifestError
from optifire.host.discovery import Discovery, Scanner, findings_of
from optifire.host.findings import Level
from optifire.host.home import Home
from optifire.host.plugin_files import facts_of

Write = Callable[[str, str], Path]
BOMB = "raise SystemExit('imported')\n"


@pytest.fixture
def scanner(tmp_path: Path) -> Scanner:
    (tmp_path / "built").mkdir()
    return Scanner(tmp_path / "built")


def ids(discovery: Discovery) -> dict[str, str]:
    return {each.plugin_id: Path(each.origin).name for each in discovery.candidates.values()}


@pytest.mark.row("A091")
@pytest.mark.row("Q110")
@pytest.mark.row("L004")
def test_plugins_are_found_in_the_built_in_folder_and_in_each_path_and_not_imported(
    home: Home, write: Write, scanner: Scanner
) -> None:
    write("built/fe_x/impl.py", BOMB)
    write("mine/alpha_y/impl.py", BOMB)
    write("mine/group/alpha_z/impl.py", BOMB)
    write("mine/group/deeper/too_deep/impl.py", BOMB)
    write("mine/.hidden/impl.py", BOMB)
    write("mine/no_plugin/readme.md", "")
    assert ids(scanner.scan(home, ["mine"])) == {
        "fe_x": "builtin",
        "alpha_y": "mine",
        "alpha_z": "mine",
    }


@pytest.mark.row("A075")
def test_paths_are_relative_to_the_home_and_know_the_user(
    home: Home, write: Write, scanner: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("user/plugins/a/impl.py", "")
    monkeypatch.setenv("HOME", str(home.root / "user"))
    assert ids(scanner.scan(home, ["~/plugins", "./user/plugins"])) == {"a": "plugins"}


def test_a_folder_that_nobody_may_enter_hides_no_other(
    home: Home, write: Write, scanner: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("mine/alpha_y/impl.py", "")
    write("mine/lost+found/x/impl.py", "")
    look = Path.iterdir

    def iterdir(folder: Path) -> Iterator[Path]:
        if folder.name == "lost+found":
            raise PermissionError(13, "Permission denied", str(folder))
        return look(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)  # the tests may run as root, who may enter all
    discovery = scanner.scan(home, ["mine"])
    assert ids(discovery) == {"alpha_y": "mine"}
    (finding,) = discovery.findings
    assert finding.where.endswith("lost+found")
    assert finding.level is Level.WARNING


def test_a_missing_folder_and_a_plugin_named_as_a_path_are_findings(
    home: Home, write: Write, scanner: Scanner
) -> None:
    write("a/impl.py", "")
    write("mine/b/impl.py", "")
    discovery = scanner.scan(home, ["gone", "a", "mine"])
    assert ids(discovery) == {"b": "mine"}
    gone, itself = findings_of(discovery)
    assert f"there is no folder {home.root / 'gone'}" in gone.message
    assert "is a plugin itself" in itself.message


def test_the_same_id_from_two_sources_is_refused_naming_both_until_one_is_picked(
    home: Home, write: Write, scanner: Scanner
) -> None:
    one = write("built/fe_x/impl.py", "").parent
    two = write("mine/FE-X/impl.py", "").parent
    candidate = scanner.scan(home, ["mine"]).candidates["fe_x"]
    assert isinstance(candidate.fault, ConflictError)
    assert str(one) in candidate.fault.message
    assert str(two) in candidate.fault.message
    for source, folder in [("builtin", one), ("mine", two), ("mine/FE-X", two)]:
        chosen = scanner.scan(home, ["mine"], {"fe_x": source}).candidates["fe_x"]
        assert (chosen.folder, chosen.fault) == (folder, None)
    wrong = scanner.scan(home, ["mine"], {"fe_x": "other"}).candidates["fe_x"]
    assert "source 'other' has no such plugin" in str(wrong.fault)


def test_a_manifest_may_name_the_id_and_a_broken_one_is_a_fault_of_that_plugin(
    home: Home, write: Write, scanner: Scanner
) -> None:
    write("built/folder/impl.py", "")
    write("built/folder/plugin.yaml", "id: fe_named\nversion: 1.0.0\n")
    write("built/bad/impl.py", "")
    file = write("built/bad/plugin.json", '{"id": ')
    write("built/both/impl.py", "")
    write("built/both/plugin.json", "{}")
    write("built/both/plugin.yaml", "")
    write("built/bad name/impl.py", "")
    found = scanner.scan(home, []).candidates
    assert found["fe_named"].manifest["version"] == "1.0.0"
    assert found["bad"].fault is not None
    assert found["bad"].fault.where == f"{file}:1"
    assert isinstance(found["both"].fault, ManifestError)
    assert "cannot be an id" in str(found["bad name"].fault)


def test_the_checksum_covers_names_and_contents_but_not_caches(tmp_path: Path) -> None:
    def checksum_with(name: str, text: str) -> str:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        found = facts_of(tmp_path).checksum
        file.unlink()
        return found

    base = facts_of(tmp_path).checksum
    assert checksum_with("__pycache__/impl.cpython-311.pyc", "x") == base
    assert checksum_with(".swp", "x") == base
    different = {
        base,
        checksum_with("impl.py", "x"),
        checksum_with("impl.py", "y"),
        checksum_with("other.py", "x"),
        checksum_with("tests/test_impl.py", "x"),
    }
    assert len(different) == 5


def test_a_change_of_any_file_is_seen_and_an_unchanged_folder_is_not_read_again(
    home: Home, write: Write, scanner: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("built/a/impl.py", "x = 1\n")
    first = scanner.scan(home, []).candidates["a"].checksum
    write("built/a/logic.py", "y = 1\n")
    second = scanner.scan(home, []).candidates["a"].checksum
    assert first != second
    monkeypatch.setattr("optifire.host.kept_facts.facts_of", None)
    assert scanner.scan(home, []).candidates["a"].checksum == second


def test_modules_are_what_files_import_at_the_top(tmp_path: Path) -> None:
    (tmp_path / "logic.py").write_text("import scipy.stats\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_impl.py").write_text("import pytest\n")
    (tmp_path / "impl.py").write_text(
        """\
from __future__ import annotations
import json, numpy as np
from typing import TYPE_CHECKING
from logic import x
from .logic import y
from optifire.plugins import Plugin
from optifire.data.feeds import DataFeed
try:
    import arch
except ImportError:
    import fallback
if TYPE_CHECKING:
    import polars
def late():
    import duckdb
class A:
    import inner
"""
    )
    assert facts_of(tmp_path).modules == (
        "arch", "fallback", "inner", "numpy", "pandas", "scipy.stats",
    )  # fmt: skip


def test_a_file_that_does_not_parse_imports_nothing_yet_has_a_checksum(tmp_path: Path) -> None:
    (tmp_path / "impl.py").write_text("def (:\n")
    facts = facts_of(tmp_path)
    assert facts.modules == ()
    assert len(facts.checksum) == 64
