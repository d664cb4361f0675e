"""Runs a plugin's own tests and the rules for every plugin, each in a process of its own."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from optifire.core.errors import ConfigError, NotFoundError

if TYPE_CHECKING:
    from pathlib import Path

#: Rules that the bundled plugins keep and a plugin that is being written may still owe.
ADVICE = frozenset({"has_readme"})


@dataclass(frozen=True, slots=True)
class Ended:
    """Whether all tests passed and no rule is broken, and what was said."""

    ok: bool
    output: str


def run_tests(folder: Path) -> Ended:
    """Run the tests of one plugin folder, and hold it against the rules for every plugin.

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
    from optifire.testing.run import examine_folder

    report = examine_folder(folder)
    for each in report.findings:
        if each["rule"] in ADVICE:
            each["level"] = "warning"
    broken = [f"{each['level']}: {each['message']}  [{each['rule']}]" for each in report.findings]
    rules = [*broken, "the rules for every plugin hold" if not broken else ""]
    return Ended(report.ok, "\n".join([report.printed.rstrip(), *filter(None, rules)]) + "\n")
