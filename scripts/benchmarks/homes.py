"""W4 and W5: a whole service, as a person starts it: memory at rest, and the first run recorded."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
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
#: The HTTP API is on, at a port that is free.
CONFIG = "api: {enabled: true, port: 0}\n"
#: What a plugin imports at the top, and the megabytes that are then allowed, two spares included.
DATA = (("numpy pandas", 260.0), ("numpy pandas statsmodels arch", 330.0))
#: The module that a zygote runs; its settings come last.
CHILD = "optifire.child"


@dataclass(frozen=True, slots=True)
class Rest:
    """What a tree of processes takes at rest: megabytes (2**20) of PSS by role, percent of a core.

    A role is that of one process or of several, such as all spares of a zygote.
    """

    parts: Mapping[str, float]
    cpu: float

    @property
    def pss(self) -> float:
        """All of it."""
        return sum(self.parts.values())

    def __str__(self) -> str:
        return ", ".join(f"{role} {pss:.1f}" for role, pss in self.parts.items())


def w4(settings: Settings) -> list[Figure]:
    """Measure services that hold 75 jobs and have nothing to do."""
    home = new_home(settings)
    mine = _rest(settings, _up(home), _ledger_has_a_run(home, prepare=True))
    plain = _rest(settings, *_comparator(settings, "floor"))
    theirs = _rest(settings, *_comparator(settings, "peer"))
    pss = Figure(
        "W4",
        f"PSS at rest, {PLUGINS} plugins, API on",
        "MiB",
        [mine.pss],
        [plain.pss],
        [theirs.pss],
        (Target("most", 70.0),),
        f"{mine} MiB",
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
    return [pss, cpu, *(_with_data(settings, *each) for each in DATA)]


def _with_data(settings: Settings, modules: str, bound: float) -> Figure:
    """Measure the same service when the first run has brought up the zygote for its modules."""
    home = new_home(settings, imports="\n".join(f"import {each}" for each in modules.split()))
    mine = _rest(settings, _up(home), _ledger_has_a_run(home, prepare=True))
    require(mine.parts.keys() >= {"light", "data"}, expected=True, what="both zygotes are there")
    name = f"PSS with {' '.join(modules.split())} at hand"
    return Figure("W4", name, "MiB", [mine.pss], (), (), (Target("most", bound),), f"{mine} MiB")


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


def new_home(settings: Settings, *, imports: str = "") -> Path:
    """Make a home with 75 isolated plugins and the API, whose catalogue is cached.

    All are light, but the first where ``imports`` stand at the top of its code.
    """
    home = settings.fresh("home")
    (home / "configs").mkdir()
    lines = ["environment: paper", "plugin_paths: [plugins]", "plugins:"]
    for number in range(PLUGINS):
        name = f"bench_{number:02d}"
        word = "interval_1h" if name == FIRST else f"cron: {number % 60} 3 * * *"
        schedule = word.removeprefix("cron: ")
        mine = imports if name == FIRST else ""
        ours.write_plugin(home / "plugins", name, plan={"schedule": schedule}, imports=mine)
        lines += [f"  {name}:", "    enabled: true"]
    (home / "configs" / "features.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (home / "configs" / "config.yaml").write_text(CONFIG, encoding="utf-8")
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
        return Rest(_parts(process.pid), spent)


def _parts(pid: int) -> dict[str, float]:
    """Give the megabytes of PSS of a tree by role."""
    parts: dict[str, float] = {}
    zygotes: dict[int, str] = {}
    for each in _tree(pid):
        role = "service" if each.pid == pid else zygotes.get(each.ppid(), "")
        if not role:
            role = zygotes[each.pid] = _zygote(each.cmdline())
        elif each.pid != pid:
            role = f"spares of {role}"
        parts[role] = parts.get(role, 0.0) + each.memory_full_info().pss / MIB
    return parts


def _zygote(words: Sequence[str]) -> str:
    """Give which zygote a command line starts, ``other`` if none."""
    if CHILD not in words:
        return "other"
    return "data" if json.loads(words[-1])["modules"] else "light"


def _tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def _cpu(pid: int) -> float:
    """Give the processor seconds of a tree, with those of children that have ended.

    What lives is read from the clock of its process, since psutil counts in ticks of 10 ms.
    """
    spent = 0.0
    for each in _tree(pid):
        ended = each.cpu_times()
        spent += ended.children_user + ended.children_system
        spent += time.clock_gettime(~each.pid << 3 | 2)  # clock_getcpuclockid(3), as glibc does it
    return spent
