"""Who may import whom: the contracts of pyproject.toml hold, and they bite."""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "optifire"
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")

#: Costly to import (tenths of a second, tens of megabytes), so only workers may.
HEAVY = {"arch", "duckdb", "exchange_calendars", "numpy", "pandas", "scipy", "statsmodels"}
#: Rooms whose modules only workers (or a test process) import.
WORKER_SIDE = {"data", "fe", "plugins", "risk", "testing"}

#: Every room that pyproject.toml has a place for, built or not.
ROOMS = [
    *("core", "sdk", "fe", "risk"),
    *("calendars", "data", "exec", "host", "ops", "runtime", "store", "workers", "api"),
    *("plugins", "backtest", "testing", "cli"),
]


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT_IMPORTS, "--no-logo", "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_contract_is_kept() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.fixture
def skeleton(tmp_path: Path) -> Path:
    """Give a folder with empty rooms, two empty plugins and the contracts of this project."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    plugins = ["plugins/alpha_one", "plugins/alpha_two"]
    for folder in ["", *ROOMS, *plugins]:
        (tmp_path / "optifire" / folder).mkdir(exist_ok=True)
        (tmp_path / "optifire" / folder / "__init__.py").touch()
        (tmp_path / "optifire" / folder / "thing.py").touch()
    (tmp_path / "optifire" / "thing.py").unlink()
    (tmp_path / "optifire" / "app.py").touch()
    return tmp_path


def test_empty_rooms_keep_every_contract(skeleton: Path) -> None:
    done = lint_imports(skeleton)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        pytest.param("core/thing.py", "import optifire.sdk.thing", id="a floor above"),
        pytest.param("runtime/thing.py", "import optifire.store.thing", id="a room next door"),
        pytest.param("store/thing.py", "import optifire.app", id="the joiner from a room"),
        pytest.param("core/thing.py", "import socket", id="a socket in core"),
        pytest.param("fe/thing.py", "import sqlite3", id="a database in fe"),
        pytest.param("risk/thing.py", "import psutil", id="psutil in risk"),
        pytest.param("core/thing.py", "def f():\n    import time", id="a late import"),
        pytest.param(
            "plugins/alpha_one/thing.py", "import optifire.host.thing", id="the host from a plugin"
        ),
        pytest.param(
            "plugins/alpha_one/thing.py",
            "import optifire.plugins.alpha_two.thing",
            id="a plugin from a plugin",
        ),
        pytest.param("host/thing.py", "import optifire.plugins.alpha_one", id="a plugin by name"),
        pytest.param("extra.py", "", id="a new module without a place"),
        pytest.param(
            "core/other.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import optifire.core.thing",
            id="a cycle for types only",
        ),
    ],
)
def test_a_forbidden_import_breaks_a_contract(skeleton: Path, module: str, line: str) -> None:
    (skeleton / "optifire" / module).write_text(f"{line}\n", encoding="utf-8")
    if module == "core/other.py":
        (skeleton / "optifire/core/thing.py").write_text("import optifire.core.other\n")
    done = lint_imports(skeleton)
    assert done.returncode != 0, done.stdout
    assert "BROKEN" in done.stdout


def test_core_needs_only_the_standard_library_and_cronsim() -> None:
    graph = grimp.build_graph("optifire", include_external_packages=True, cache_dir=None)
    core = {"optifire.core", *graph.find_descendants("optifire.core")}
    outside = {
        imported
        for module in core
        for imported in graph.find_modules_directly_imported_by(module)
        if not imported.startswith("optifire.")
    }
    assert outside - sys.stdlib_module_names <= {"cronsim"}


def imported_at_once(body: list[ast.stmt]) -> Iterator[str]:
    """Give the top-level packages that loading a module imports; `TYPE_CHECKING` is not loading."""
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from imported_at_once(node.orelse)
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.ClassDef):
            blocks = (getattr(node, name, []) for name in ("body", "orelse", "finalbody"))
            yield from (name for block in blocks for name in imported_at_once(block))


def test_nothing_that_the_service_loads_imports_a_heavy_package_at_once() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] not in WORKER_SIDE
        for name in imported_at_once(ast.parse(path.read_text(encoding="utf-8")).body)
        if name in HEAVY
    ]
    assert found == []
