"""Runs a plugin's own tests with pytest, in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from optifire.core.errors import ConfigError, NotFoundError

if TYPE_CHECKING:
    from pathlib import Path

#: What a plugin's tests may rely on, whatever project they lie in.
OPTIONS = (
    "-q",
    "--import-mode=importlib",
    "-p",
    "no:cacheprovider",
    "-o",
    "asyncio_mode=auto",
    "-o",
    "asyncio_default_fixture_loop_scope=function",
)


@dataclass(frozen=True, slots=True)
class Ended:
    """Whether all tests passed, and what pytest said."""

    ok: bool
    output: str


def run_tests(folder: Path) -> Ended:
    """Run the tests of one plugin folder.

    Raises
    ------
    NotFoundError
        The plugin has no tests.
    ConfigError
        pytest is not installed.
    """
    tests = folder / "tests"
    if not any(tests.glob("test_*.py")):
        raise NotFoundError(
            "there are no tests", where=str(tests), remedy="Write tests/test_impl.py"
        )
    if find_spec("pytest") is None or find_spec("pytest_asyncio") is None:
        raise ConfigError(
            "pytest or pytest-asyncio is not installed",
            where=sys.executable,
            remedy="pip install pytest pytest-asyncio",
        )
    command = [sys.executable, "-m", "pytest", *OPTIONS, str(tests)]
    done = subprocess.run(  # noqa: S603 - this interpreter, on a folder that the user named
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )
    return Ended(done.returncode == 0, done.stdout + done.stderr)
