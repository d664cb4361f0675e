"""Where things live: the top level, and what a plugin folder holds."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(path.parent for path in ROOT.glob("optifire/plugins/*/impl.py"))
TOP_LEVEL = {
    "directories": ["optifire", "configs", "data", "tests", "scripts", "docs"],
    "files": ["pyproject.toml", "README.md", "DEPLOYMENT.md", "CHANGELOG.md", "LICENSE", "NOTICE"],
}


@pytest.mark.row("O010")
def test_the_top_level_holds_what_a_newcomer_looks_for() -> None:
    missing = [name for name in TOP_LEVEL["directories"] if not (ROOT / name).is_dir()]
    missing += [name for name in TOP_LEVEL["files"] if not (ROOT / name).is_file()]
    assert missing == []


def test_there_are_bundled_plugins() -> None:
    assert len(PLUGINS) >= 10


def plugin_classes(impl: Path) -> list[dict[str, type[ast.stmt]]]:
    """Give for each class in a file its methods by name, with the kind of `def`."""
    return [
        {
            child.name: type(child)
            for child in node.body
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        for node in ast.parse(impl.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    ]


@pytest.mark.row("O001")
@pytest.mark.parametrize("folder", PLUGINS, ids=lambda path: path.name)
def test_a_plugin_folder_carries_an_impl_with_describe_plan_and_async_run(folder: Path) -> None:
    wanted = {"describe": ast.FunctionDef, "plan": ast.FunctionDef, "run": ast.AsyncFunctionDef}
    assert [
        methods
        for methods in plugin_classes(folder / "impl.py")
        if wanted.items() <= methods.items()
    ]


@pytest.mark.row("O009")
@pytest.mark.parametrize("folder", PLUGINS, ids=lambda path: path.name)
def test_a_plugin_folder_carries_its_tests_and_a_readme(folder: Path) -> None:
    assert (folder / "README.md").read_text(encoding="utf-8").startswith(f"# {folder.name}")
    assert "def test_" in (folder / "tests" / "test_impl.py").read_text(encoding="utf-8")


@pytest.mark.row("O009")
def test_one_command_collects_the_suites_of_all_plugins() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pytest_settings = settings["tool"]["pytest"]["ini_options"]
    assert "optifire/plugins" in pytest_settings["testpaths"]
    assert "--import-mode=importlib" in pytest_settings["addopts"]
