"""A home to write files in."""

from collections.abc import Callable
from pathlib import Path

import pytest

from optifire.host.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with an empty configs folder."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "data").mkdir()
    return Home(tmp_path)


@pytest.fixture
def write(home: Home) -> Callable[[str, str], Path]:
    """Write a file below the home."""

    def to(name: str, text: str) -> Path:
        file = home.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    return to
