"""Plugins that are broken on purpose, each in one way, as folders that lack nothing else."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

BROKEN = Path(__file__).parent / "broken"


@pytest.fixture
def broken(tmp_path: Path) -> Callable[[str], Path]:
    """Give the folder of one of them, with a README and a test unless these are what it lacks."""

    def make(name: str) -> Path:
        folder = tmp_path / name
        shutil.copytree(BROKEN / name, folder, ignore=shutil.ignore_patterns("__pycache__"))
        if name != "no_readme":
            (folder / "README.md").write_text(f"# {name}\n", encoding="utf-8")
        if name != "no_tests":
            (folder / "tests").mkdir()
            text = "import pathlib\n\n\ndef test_there_is_code():\n"
            text += "    assert pathlib.Path(__file__).parents[1].joinpath('impl.py').exists()\n"
            (folder / "tests" / "test_impl.py").write_text(text, encoding="utf-8")
        return folder

    return make
