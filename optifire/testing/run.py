"""``python -m optifire.testing.run FOLDER``: a plugin's own tests, and the rules for all plugins.

Both run in processes of their own. Exits 0 when all is well, 1 when something is not, 2 when it
was called wrongly.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

#: Seconds that the plugin's tests, and the rules, may take each.
PATIENCE = 600.0
#: What pytest says when there was nothing to run; `has_tests` is the rule about that.
NO_TESTS = 5


@dataclass(frozen=True)
class Report:
    """How the tests ended (pytest's exit code, and what it printed), and what the rules found."""

    code: int
    printed: str
    findings: list[dict[str, str]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether all tests passed and no rule is broken."""
        broken = any(finding["level"] == "error" for finding in self.findings)
        return self.code in {0, NO_TESTS} and not broken

    def as_json(self) -> dict[str, Any]:
        """Give the report as commands print it with ``--json``."""
        tests = {"code": self.code, "printed": self.printed}
        return {"ok": self.ok, "tests": tests, "findings": self.findings}


def examine_folder(folder: Path, *, patience: float = PATIENCE) -> Report:
    """Run a plugin's tests and the rules for all plugins, each in a process of its own."""
    code, printed = _tests(folder, patience)
    return Report(code, printed, _findings(folder, patience))


def _tests(folder: Path, patience: float) -> tuple[int, str]:
    """Run the plugin's tests; modules beside the folder are found under their names."""
    options = ["-q", "--import-mode=importlib", "-p", "no:cacheprovider"]
    options += ["-o", f"pythonpath={folder.parent}"]
    if importlib.util.find_spec("pytest_asyncio") is not None:
        options += ["-o", "asyncio_mode=auto"]
        options += ["-o", "asyncio_default_fixture_loop_scope=function"]
    done = _called(["pytest", *options, str(folder)], patience)
    return done.returncode, done.stdout + done.stderr


def _findings(folder: Path, patience: float) -> list[dict[str, str]]:
    """Ask the rules; a check that dies is a finding of its own."""
    done = _called(["optifire.testing.conformance", str(folder)], patience)
    try:
        found: list[dict[str, str]] = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        message = (
            f"the check ended with code {done.returncode} and no answer: {done.stderr[-2000:]}"
        )
        broken = {"rule": "loads", "level": "error", "where": str(folder), "message": message}
        return [{**broken, "remedy": "Do nothing at import but define things"}]
    return found


def _called(module: list[str], patience: float) -> subprocess.CompletedProcess[str]:
    """Run a module of this interpreter; one that takes too long ends with code -9."""
    command = [sys.executable, "-m", *module]
    try:
        return subprocess.run(  # noqa: S603 - this interpreter, and modules named here
            command, capture_output=True, text=True, check=False, timeout=patience
        )
    except subprocess.TimeoutExpired:
        said = f"it took longer than {patience:g} s"
        return subprocess.CompletedProcess(command, -9, "", said)


def show(report: Report, stream: TextIO) -> None:
    """Write a report for a person."""
    stream.write(report.printed.rstrip() + "\n")
    for finding in report.findings:
        cure = f"\n    {finding['remedy']}" if finding["remedy"] else ""
        said = f"{finding['level']}: {finding['rule']}: {finding['message']}"
        stream.write(f"{said}\n    {finding['where']}{cure}\n")
    stream.write("ok\n" if report.ok else "not ok\n")


def main(arguments: list[str] | None = None) -> int:
    """Examine the plugin of a folder and say how it went."""
    parser = argparse.ArgumentParser(prog="python -m optifire.testing.run", description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder that holds impl.py")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    asked = parser.parse_args(arguments)
    folder = asked.folder.resolve()
    if not (folder / "impl.py").is_file():
        parser.error(f"{folder} holds no impl.py")
    report = examine_folder(folder)
    if asked.json:
        sys.stdout.write(json.dumps(report.as_json()) + "\n")
    else:
        show(report, sys.stdout)
    return 0 if report.ok else 1


if __name__ == "__main__":
    raise SystemExit(main())
