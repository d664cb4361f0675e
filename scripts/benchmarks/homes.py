"""W4 and W5: a whole service, as a person starts it: memory at rest, and the first run recorded."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from benchmarks import ours
from benchmarks.measure import Figure, Settings, Target, in_turns, require
from optifire.core.ledger import Batch, NoteRow, new_run
from optifire.core.run import RunKey, RunStatus
from optifire.core.types import PluginId
from optifire.runtime.clock import wall_now
from optifire.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PLUGINS = 75
#: Seconds until a service must have recorded its first run, and between two looks.
TIMEOUT, LOOK = 60.0, 0.002
#: Seconds that a service has to come to rest before it is watched.
SETTLE = 8.0
MIB = 2**20
#: The job that was due while the service was down, and is caught up at once.
FIRST = "bench_00"


@dataclass(frozen=True, slots=True)
class Rest:
    """What a tree of processes takes at rest: megabytes (2**20) of PSS, percent of a core."""

    pss: float
    cpu: float
    processes: int


def w4(settings: Settings) -> list[Figure]:
    """Measure services that hold 75 jobs and have nothing to do."""
    home = new_home(settings)
    mine = _rest(settings, _up(home), _ledger_has_a_run(home, prepare=True))
    plain = _rest(settings, *_comparator(settings, "floor"))
    theirs = _rest(settings, *_comparator(settings, "peer"))
    pss = Figure(
        "W4",
        f"PSS at rest, {PLUGINS} plugins",
        "MiB",
        [mine.pss],
        [plain.pss],
        [theirs.pss],
        (Target("most", 70.0),),
        f"{mine.processes} processes",
    )
    cpu = Figure(
        "W4",
        "CPU at rest",
        "% of a core",
        [mine.cpu],
        [plain.cpu],
        [theirs.cpu],
        (Target("most", 0.5),),
    )
    return [pss, cpu]


def w5(settings: Settings) -> list[Figure]:
    """Measure from the command to the first run recorded, caches warm."""
    home = new_home(settings)
    rounds = min(settings.rounds, 5)
    kept = in_turns(
        rounds,
        lambda: _cold(settings, _up(home), _ledger_has_a_run(home, prepare=True)),
        floor=lambda: _cold(settings, *_comparator(settings, "floor")),
        peer=lambda: _cold(settings, *_comparator(settings, "peer")),
    )
    once = in_turns(
        rounds,
        lambda: _finished(settings, [*_optifire(home), "run", FIRST]),
        floor=lambda: _finished(settings, _serve("floor", settings.fresh("once"), "--once")),
    )
    return [
        Figure(
            "W5",
            "optifire up to first run",
            "s",
            kept.ours,
            kept.floor,
            kept.peer,
            (Target("most", 0.8),),
        ),
        Figure("W5", "optifire run", "s", once.ours, once.floor, (), (Target("most", 0.4),)),
    ]


def new_home(settings: Settings) -> Path:
    """Make a home with 75 light isolated plugins, whose catalogue is cached."""
    home = settings.fresh("home")
    (home / "configs").mkdir()
    lines = ["environment: paper", "plugin_paths: [plugins]", "plugins:"]
    for number in range(PLUGINS):
        name = f"bench_{number:02d}"
        word = "interval_1h" if name == FIRST else f"cron: {number % 60} 3 * * *"
        schedule = word.removeprefix("cron: ")
        ours.write_plugin(home / "plugins", name, plan={"schedule": schedule})
        lines += [f"  {name}:", "    enabled: true"]
    (home / "configs" / "features.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    subprocess.run([*_optifire(home), "plugins", "list"], check=True, stdout=subprocess.DEVNULL)
    return home


def _optifire(home: Path) -> list[str]:
    return [str(Path(sys.executable).with_name("optifire")), "--home", str(home)]


def _up(home: Path) -> list[str]:
    return [*_optifire(home), "up", "--no-view"]


def _serve(who: str, folder: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.serving", who, str(folder), *options]


def _comparator(settings: Settings, who: str) -> tuple[list[str], Callable[[], bool]]:
    folder = settings.fresh(who)
    return _serve(who, folder), (folder / "READY").exists


def _ledger_has_a_run(home: Path, *, prepare: bool) -> Callable[[], bool]:
    """Give the question whether the first run is recorded; the ledger ends three hours ago."""
    if prepare:
        asyncio.run(_three_hours_ago(home))
    path = home / "data" / "paper.db"
    reader = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)

    def there() -> bool:
        found = reader.execute(
            "SELECT count(*) FROM runs WHERE plugin_id = ? AND status = 'succeeded'", (FIRST,)
        )
        return bool(found.fetchone()[0] > 1)

    return there


async def _three_hours_ago(home: Path) -> None:
    """Write the ledger of a service that was stopped three hours ago."""
    data = home / "data"
    for file in data.glob("paper.db*"):
        file.unlink()
    shutil.rmtree(data / "blobs", ignore_errors=True)
    store = SqliteStore(data / "paper.db", clock=lambda: wall_now() - timedelta(hours=3))
    await store.open()
    then = wall_now() - timedelta(hours=3)
    names = [f"bench_{number:02d}" for number in range(PLUGINS)]
    run = new_run(RunKey(PluginId(FIRST), then), RunStatus.SUCCEEDED, "interval_1h")
    notes = [NoteRow(then, "enabled", name, "switched on by bench") for name in names]
    await store.commit(Batch(runs=[run], notes=notes))
    await store.close()


@contextmanager
def _started(settings: Settings, command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a service, and end it and all its children at the end of the block."""
    log = settings.fresh("log") / "log.txt"
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, env=_environment())
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _environment() -> dict[str, str]:
    scripts = str(Path(__file__).parents[1])
    return {**os.environ, "PYTHONPATH": scripts}


def _ready(process: subprocess.Popen[bytes], ready: Callable[[], bool], began: float) -> float:
    """Wait until a service has recorded its first run; gives the seconds since it was started."""
    while not ready():
        require(process.poll(), None, "the service's exit")
        if time.perf_counter() - began > TIMEOUT:
            raise RuntimeError(f"no run was recorded within {TIMEOUT:g} s")
        time.sleep(LOOK)
    return time.perf_counter() - began


def _cold(settings: Settings, command: Sequence[str], ready: Callable[[], bool]) -> float:
    began = time.perf_counter()
    with _started(settings, command) as process:
        return _ready(process, ready, began)


def _finished(settings: Settings, command: Sequence[str]) -> float:
    """Give how long a command takes from start to exit."""
    log = settings.fresh("log") / "log.txt"
    with log.open("wb") as stream:
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=stream, env=_environment())
        return time.perf_counter() - began


def _rest(settings: Settings, command: Sequence[str], ready: Callable[[], bool]) -> Rest:
    """Watch a service at rest."""
    with _started(settings, command) as process:
        _ready(process, ready, time.perf_counter())
        time.sleep(SETTLE)
        began, before = time.perf_counter(), _cpu(process.pid)
        time.sleep(settings.idle)
        spent = (_cpu(process.pid) - before) / (time.perf_counter() - began) * 100
        tree = _tree(process.pid)
        pss = sum(each.memory_full_info().pss for each in tree) / MIB
        return Rest(pss, spent, len(tree))


def _tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def _cpu(pid: int) -> float:
    """Give the processor seconds of a tree, with those of children that have ended."""
    times = [each.cpu_times() for each in _tree(pid)]
    return sum(
        each.user + each.system + each.children_user + each.children_system for each in times
    )
