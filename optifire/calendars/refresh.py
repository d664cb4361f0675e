"""Runs the child process that builds session tables, so that the service never pays for it."""

import asyncio
import datetime as dt
import subprocess
import sys
from pathlib import Path

from optifire.calendars.table import refreshed_path
from optifire.core.errors import ConfigError, TransientError

#: Seconds that a build may take; on an idle machine it takes two to four.
TIMEOUT = 180.0
#: Characters of the child's last line that an error repeats.
REPEATED = 300


async def refresh(home: Path, name: str, today: dt.date) -> Path:
    """Build the table of one exchange in a child process and give its file.

    Raises
    ------
    ConfigError
        exchange_calendars is not installed or cannot build this calendar.
    TransientError
        The build did not end in time.
    """
    out = _prepare(home, name)
    child = await asyncio.create_subprocess_exec(
        *_command(name, today, out),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(TIMEOUT):
            _, complaint = await child.communicate()
    except TimeoutError as error:
        raise _too_slow(name) from error
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return _checked(out, name, child.returncode, complaint)


def refresh_blocking(home: Path, name: str, today: dt.date) -> Path:
    """Build the table of one exchange as `refresh` does, for a command that has nothing else."""
    out = _prepare(home, name)
    try:
        done = subprocess.run(  # noqa: S603 - this package's own module, no shell
            _command(name, today, out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _too_slow(name) from error
    return _checked(out, name, done.returncode, done.stderr)


def _prepare(home: Path, name: str) -> Path:
    out = refreshed_path(home, name)
    out.parent.mkdir(parents=True, exist_ok=True)
    return out


def _command(name: str, today: dt.date, out: Path) -> list[str]:
    module = "optifire.calendars.exchange"
    return [sys.executable, "-m", module, name, "--today", str(today), "--out", str(out)]


def _checked(out: Path, name: str, code: int | None, complaint: bytes) -> Path:
    if code == 0:
        return out
    last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
    raise ConfigError(
        f"the session table of {name} could not be built (exit code {code}): {last[:REPEATED]}",
        where=f"calendar {name}",
        remedy="Check that exchange_calendars is installed (pip install optifire[library]) and "
        "knows this calendar",
    )


def _too_slow(name: str) -> TransientError:
    return TransientError(
        f"building the session table of {name} took more than {TIMEOUT:.0f} s",
        where=f"calendar {name}",
        remedy="The table in use stays; the next refresh tries again",
    )
