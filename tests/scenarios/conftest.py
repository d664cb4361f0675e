"""A home to try things on."""

from pathlib import Path

import pytest

from trial import Trial


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    """Give a fresh home and the program on it."""
    return Trial(tmp_path / "home")
