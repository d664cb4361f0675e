"""The floor of meter and stop: forks that do what a run does, with nobody around them.

``python -m benchmarks.forks burn 20 ms=7`` makes 20 in a process of its own, one after the other,
and prints what the kernel says of each, less what it says of one that does nothing.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.loads.impl import LOADS, MIB
from benchmarks.measure import require

#: ru_maxrss is in KiB on Linux, see getrusage(2).
KIB = 1 << 10


class Bare(NamedTuple):
    """What a fork used beyond one that does nothing: milliseconds of processor time, megabytes.

    ``kill_ms`` is how long it took from its kill until it was reaped.
    """

    cpu_ms: float
    mem_mb: float
    kill_ms: float = 0.0


def measured(do: str, count: int, **config: float) -> list[Bare]:
    """Have so many forks made, in a process that has nothing else in it."""
    words = [f"{key}={value}" for key, value in config.items()]
    command = [sys.executable, "-m", "benchmarks.forks", do, str(count), *words]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    said = subprocess.run(command, check=True, capture_output=True, env=environment).stdout
    return [Bare(*each) for each in json.loads(said)]


def bare(do: str, **config: Any) -> Bare:  # noqa: ANN401 - passed on
    """Fork, do one of the loads in the child, and give its resource usage as it is."""
    child = os.fork()
    if not child:
        code = 1
        try:
            LOADS[do](**config)
            code = 0
        finally:
            os._exit(code)
    _, status, usage = os.wait4(child, 0)
    require(status, 0, "the exit of a bare fork")
    return Bare((usage.ru_utime + usage.ru_stime) * 1e3, (usage.ru_maxrss * KIB) / MIB)


def killed(mb: int) -> Bare:
    """Kill a fork that holds so much memory."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        held = bytearray(b"x") * (mb * MIB)
        os.write(writer, b"." if held else b"")
        signal.pause()
        os._exit(1)
    os.close(writer)
    require(os.read(reader, 1), b".", "what a bare fork says")
    os.close(reader)
    began = time.perf_counter()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return Bare(0.0, mb, (time.perf_counter() - began) * 1e3)


def beyond(do: str, **config: Any) -> Bare:  # noqa: ANN401 - passed on
    """Give what one of the loads takes more than a fork that does nothing, made just before."""
    floor, used = bare("nothing"), bare(do, **config)
    return Bare(used.cpu_ms - floor.cpu_ms, used.mem_mb - floor.mem_mb)


def main(do: str, count: str, *words: str) -> None:
    """Make the forks and print their figures."""
    config = {key: json.loads(value) for key, _, value in (each.partition("=") for each in words)}
    make = killed if do == "kill" else beyond
    given = config if do == "kill" else {"do": do, **config}
    json.dump([make(**given) for _ in range(int(count))], sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
