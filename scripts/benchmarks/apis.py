"""The API under a read load while jobs run: how late they begin, with it and without."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import marks, ours
from benchmarks.asking import PATHS
from benchmarks.measure import Figure, Settings, Target, percentile, require
from optifire.app.listening import listen
from optifire.app.opening import Overrides, open_service
from optifire.host.home import Home, init_home
from optifire.runtime.clock import wall_now

if TYPE_CHECKING:
    from optifire.app.service import Service

#: Jobs on a second's interval, all at the same instant, and requests a second.
JOBS, RATE = 1_000, 1_000
SECOND = timedelta(seconds=1)
#: Rounds and seconds of each half of one, at most.
MOST_ROUNDS, MOST_SECONDS = 3, 10.0
CONFIG = "api: {enabled: true, port: 0, requests_per_minute: 1000000}\n"


@dataclass(frozen=True, slots=True)
class Half:
    """One half of a round: seconds that each run was late, and what was asked meanwhile."""

    late: list[float]
    asked: dict[str, float]


def api(settings: Settings) -> list[Figure]:
    """Measure the lateness of 1,000 jobs a second with 1,000 requests a second, and without."""
    rounds = min(settings.rounds, MOST_ROUNDS)
    seconds = min(settings.seconds, MOST_SECONDS)
    halves = [
        (asyncio.run(_half(settings, seconds, 0)), asyncio.run(_half(settings, seconds, RATE)))
        for _ in range(rounds)
    ]
    without = [percentile(quiet.late, 99) * 1e3 for quiet, _ in halves]
    under = [percentile(loaded.late, 99) * 1e3 for _, loaded in halves]
    said = halves[-1][1].asked
    note = (
        f"{JOBS:,} inline jobs aligned; the floor is the same without requests; last round: "
        f"{said['rate']:,.0f} of {RATE:,} requests/s for {', '.join(PATHS)}, answers p50 "
        f"{said['p50']:.1f} p99 {said['p99']:.1f} ms"
    )
    target = Target("floor", 2.0)
    name = f"p99 lateness under {RATE:,} requests/s"
    return [Figure("api", name, "ms", under, without, (), (target,), note)]


async def _half(settings: Settings, seconds: float, rate: int) -> Half:
    """Run a service with its API, and ask it at a rate."""
    home = Home(settings.fresh("home"))
    init_home(home.root)
    (home.configs / "config.yaml").write_text(CONFIG, encoding="utf-8")
    (home.configs / "features.yaml").write_text("environment: paper\nplugins: {}\n", "utf-8")
    code = ours.write_plugin(
        home.root,
        "noop",
        body="begin(context.now, context.plugin_id)",
        imports="from benchmarks.marks import begin",
    )
    word = ours.schedule_of("interval_1s")
    jobs = [ours.job_of(f"noop_{number}", code, word) for number in range(JOBS)]
    async with AsyncExitStack() as resources:
        service = await open_service(home, Overrides(), resources)
        service.engine.swap(ours.program_of(jobs))
        return await _watched(service, home, resources, (seconds, rate))


async def _watched(
    service: Service, home: Home, resources: AsyncExitStack, how: tuple[float, int]
) -> Half:
    """Watch whole seconds in the middle of the load."""
    listening = listen(service, resources)
    assert listening is not None  # noqa: S101 - the configuration says so
    seconds, rate = how
    token = home.first_token.read_text(encoding="utf-8").strip()
    port = listening.sock.getsockname()[1]
    marks.BEGUN.clear()
    async with asyncio.TaskGroup() as group:
        group.create_task(service.run({"API": listening.run}))
        await asyncio.sleep(3)  # until the packages are imported
        asking = group.create_task(_asked(port, token, rate, seconds + 2))
        first = wall_now().replace(microsecond=0) + 2 * SECOND
        last = first + timedelta(seconds=round(seconds))
        await asyncio.sleep((last - wall_now()).total_seconds() + 0.5)
        said = await asking
        service.stop()
    late = [late for due, _, late in marks.BEGUN if first <= due < last]
    require(len(late), JOBS * round(seconds), "runs that have begun")
    require(said.get("failed", 0), 0, "requests that failed")
    return Half(late, said)


async def _asked(port: int, token: str, rate: int, seconds: float) -> dict[str, float]:
    """Have another process ask; gives what came, nothing where nothing is asked."""
    if not rate:
        return {}
    words = (str(port), token, str(rate), str(seconds))
    scripts = str(Path(__file__).parents[1])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.asking", *words),
        env={**os.environ, "PYTHONPATH": scripts},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    require(process.returncode, 0, "the exit of who asks")
    said: dict[str, float] = json.loads(out)
    return said
