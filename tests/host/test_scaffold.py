"""A new plugin works as it is written, and never over another one."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from optifire.core.errors import ConfigError, UsageError
from optifire.core.lifecycle import PluginState
from optifire.core.types import PluginId
from optifire.host.catalog import Listed
from optifire.host.discovery import Candidate, Scanner
from optifire.host.plugin_files import facts_of
from optifire.host.scaffold import category_of, create_plugin
from optifire.host.validate import Subject, validate

if TYPE_CHECKING:
    from pathlib import Path

    from optifire.host.home import Home


def test_its_own_tests_pass(tmp_path: Path) -> None:
    create_plugin(tmp_path, "alpha_my_signal")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path,
         tmp_path / "alpha_my_signal"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_it_is_found_meets_the_rules_and_loads_where_pandas_is(home: Home, tmp_path: Path) -> None:
    files = create_plugin(home.root / "plugins", "alpha_my_signal")
    folder = files[0].parent
    found = Scanner(tmp_path / "configs").scan(home, ["plugins"]).candidates
    assert found["alpha_my_signal"].folder == folder
    assert "pandas" in facts_of(folder).modules
    listed = Listed(PluginId("alpha_my_signal"), PluginState.ACTIVE, enabled=True)
    candidate = Candidate("alpha_my_signal", folder, str(folder.parent))
    assert validate(Subject(candidate, listed)) == ()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    create_plugin(tmp_path, "a")
    (tmp_path / "a" / "impl.py").write_text("mine")
    with pytest.raises(ConfigError, match="of this name already"):
        create_plugin(tmp_path, "a")
    assert (tmp_path / "a" / "impl.py").read_text() == "mine"


@pytest.mark.parametrize("name", ["A", "1a", "a-b", "a__b", "a_", "../a", "", "a b"])
def test_a_name_that_python_or_a_folder_cannot_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the id"):
        create_plugin(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_the_category_follows_the_id() -> None:
    assert [category_of(name) for name in ("risk_x", "fe_x", "mine")] == ["risk", "fe", "infra"]
