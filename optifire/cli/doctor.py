"""What ``doctor`` looks at: this machine, the packages, the home, its ledger, its service."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sqlite3
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING

from optifire.cli.house import ask_service, calendar_of, settings_of
from optifire.core.errors import OptifireError, UnfitError
from optifire.host.findings import Finding, Level, error_of
from optifire.ops.probe import probe
from optifire.store.migrate import check_version, migrations
from optifire.store.trouble import store_error
from optifire.workers.probing import WITHOUT, layers_that_hold
from optifire.workers.sandbox import missing

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from optifire.host.home import Home

OLDEST_PYTHON = (3, 11)
#: Kernel that all of isolation needs (Landlock), as major and minor.
OLDEST_KERNEL = (5, 13)
MACHINES = ("x86_64", "aarch64")
#: Below these numbers of free bytes a ledger is in danger, or in trouble.
ENOUGH_DISK, LEAST_DISK = 1 << 30, 100 << 20
#: What is taken from the probe of the machine; the rest of it is looked at here, home by home.
OFFERED = frozenset({"memory", "files", "clock", "cgroup"})
#: Days of session table below which nobody can rely on tomorrow's schedule.
LEAST_HORIZON_DAYS = 30


def examine(home: Home, now: dt.datetime) -> Iterator[Finding]:
    """Give everything there is to say, what is well as notes."""
    today = now.date()
    yield from _machine()
    yield from _offers(home, now)
    yield from _packages()
    yield from _sandbox()
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        lambda: _configuration(home),
        lambda: _calendar(home, today),
        lambda: _folder(home),
        lambda: _ledgers(home),
        lambda: _service(home),
    )
    for check in checks:
        try:
            yield from check()
        except OptifireError as error:
            yield error_of("doctor", error, str(home.root))


def _note(rule: str, where: str, message: str) -> Finding:
    return Finding(rule, Level.NOTE, where, message)


def _machine() -> Iterator[Finding]:
    system, machine = platform.system(), platform.machine()
    if system != "Linux" or machine not in MACHINES:
        yield Finding(
            "platform",
            Level.ERROR,
            f"{system} {machine}",
            "OptiFIRE runs on Linux on x86_64 and aarch64",
            "Run it in a virtual machine or a container there",
        )
        return
    release = tuple(int(part) for part in re.findall(r"\d+", platform.release())[:2])
    if release < OLDEST_KERNEL:
        yield Finding(
            "platform", Level.WARNING, f"kernel {platform.release()}", "older than 5.13",
            "Upgrade the kernel; isolation needs it",
        )  # fmt: skip
    if sys.version_info < OLDEST_PYTHON:
        yield Finding(
            "python", Level.ERROR, platform.python_version(), "older than 3.11", "Upgrade Python"
        )
    yield _note("platform", f"{system} {machine}", f"kernel {platform.release()}")
    yield _note("python", sys.executable, f"Python {platform.python_version()}")
    yield _note("sqlite", "sqlite3", f"SQLite {sqlite3.sqlite_version}")


def _offers(home: Home, now: dt.datetime) -> Iterator[Finding]:
    """Tell what the machine offers beside what is looked at here."""
    for offer in probe(home.data, now=now):
        if offer.rule in OFFERED:
            level = Level(offer.level)
            yield Finding(offer.rule, level, offer.where, offer.message, offer.remedy)


def _packages() -> Iterator[Finding]:
    """Compare what this program asks for with what is installed."""
    for line in requires("optifire") or ():
        name = re.split(r"[^A-Za-z0-9._-]", line)[0]
        optional = "extra ==" in line
        if optional and "library" not in line:
            continue
        try:
            yield _note("packages", name, version(name))
        except PackageNotFoundError:
            level = Level.WARNING if optional else Level.ERROR
            told = "plugins that use it cannot run" if optional else "the service cannot run"
            yield Finding("packages", level, name, f"not installed: {told}", f"pip install {name}")


def _sandbox() -> Iterator[Finding]:
    """Tell which layers of the sandbox hold here, and of each that does not what that means."""
    held = layers_that_hold()
    if held:
        yield _note("sandbox", "this machine", f"holds: {', '.join(held)}")
    for layer in missing(held):
        means, remedy = WITHOUT[layer]
        where = f"layer: {layer}"
        yield Finding("sandbox", Level.WARNING, where, f"does not hold here: {means}", remedy)


def _configuration(home: Home) -> Iterator[Finding]:
    from optifire.app.joining import read_configuration

    configuration = read_configuration(home)
    environment = configuration.features.environment.value
    yield _note("config", str(home.configs), f"valid, environment {environment}")


def _calendar(home: Home, today: dt.date) -> Iterator[Finding]:
    name = settings_of(home).market.calendar
    calendar = calendar_of(home, name)
    left = (calendar.horizon - today).days
    if left < LEAST_HORIZON_DAYS:
        yield Finding(
            "calendar",
            Level.ERROR,
            f"calendar {calendar.name}",
            f"its table ends on {calendar.horizon}, in {left} days",
            "Start the service, which builds a newer one, or upgrade exchange_calendars",
        )
    else:
        yield _note("calendar", f"calendar {calendar.name}", f"known until {calendar.horizon}")


def _folder(home: Home) -> Iterator[Finding]:
    data = home.data
    if not data.is_dir() or not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(
            "data", Level.ERROR, str(data), "this folder is missing or may not be written",
            "Make it, and give it to the user of the service",
        )  # fmt: skip
        return
    free = shutil.disk_usage(data).free
    if free < ENOUGH_DISK:
        level = Level.ERROR if free < LEAST_DISK else Level.WARNING
        message = f"only {free >> 20:,} MB are free"
        yield Finding("disk", level, str(data), message, "Free space; the ledger needs it")
    else:
        yield _note("disk", str(data), f"{free >> 30:,} GB are free")


def _ledgers(home: Home) -> Iterator[Finding]:
    for path in sorted(home.data.glob("*.db")):
        yield _ledger(path)


def _ledger(path: Path) -> Finding:
    """Give whether SQLite finds a file whole, and this program can read it; nothing is written."""
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            (known,) = connection.execute("PRAGMA user_version").fetchone()
        finally:
            connection.close()
        if said == "ok":
            check_version(known, migrations()[-1].version, path)
            return _note("ledger", str(path), "whole")
    except sqlite3.Error as error:
        return error_of("ledger", store_error(path, error), str(path))
    except UnfitError as error:
        return error_of("ledger", error, str(path))
    message, cure = f"damaged: {' '.join(said.split())}", "Take a backup back: `optifire restore`"
    return Finding("ledger", Level.ERROR, str(path), message, cure)


def _service(home: Home) -> Iterator[Finding]:
    status = ask_service(home, "status")
    if status is None:
        yield _note("service", str(home.socket), "no service is running")
        return
    level = {"green": Level.NOTE, "amber": Level.WARNING}.get(
        status["health"]["level"], Level.ERROR
    )
    if level is Level.NOTE:
        yield _note("service", str(home.socket), f"{status['state']}, green")
    for reason in status["health"]["reasons"]:
        yield Finding("service", level, str(home.socket), reason, "See `optifire status`")
