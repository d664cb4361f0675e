"""Uses what it is told to use: processor time and memory of several kinds.

Imports stand where they are needed: those at the top would be part of every run's figures.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

from optifire.plugins import Plugin, PluginMetadata, PluginResult

MIB = 1 << 20


class Spends(Plugin):
    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(plugin_id="spends", version="1", description="spends")

    def plan(self) -> dict[str, Any]:
        return {"schedule": "@manual"}

    async def run(self, context: Any) -> PluginResult:
        config = dict(context.config)
        done = globals()[config.pop("do")](**config)
        return PluginResult(success=True, data={"done": done})


def nothing() -> int:
    return 0


def burn(ms: float, *, deaf: bool = False) -> float:
    if deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    began = time.process_time()
    while (time.process_time() - began) * 1e3 < ms:
        pass
    return (time.process_time() - began) * 1e3


def loop_deaf_to_everything(where: str) -> None:
    """Say where the clock stands, for as long as anybody lets this go on."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open(where, "w", encoding="utf-8") as file:
        while True:
            file.seek(0)
            file.write(f"{time.process_time():.6f}")
            file.flush()


def hold(mb: int) -> int:
    held = bytearray(b"x") * (mb * MIB)
    return len(held)


def hold_objects(mb: int) -> int:
    held = [bytes(1000) for _ in range(mb * 1024)]
    return len(held)


def hold_arrays(mb: int) -> int:
    import numpy as np

    held = [np.ones(MIB // 8) for _ in range(mb)]
    return len(held)


def hold_shared(mb: int) -> int:
    """Memory that belongs to nobody's data segment."""
    import mmap

    held = mmap.mmap(-1, mb * MIB)
    for at in range(0, mb * MIB, mmap.PAGESIZE):
        held[at] = 1
    return len(held)


def hold_file(mb: int) -> int:
    """A file in memory only, mapped."""
    import mmap

    made = os.memfd_create("held")
    os.truncate(made, mb * MIB)
    with mmap.mmap(made, mb * MIB) as held:
        for at in range(0, mb * MIB, mmap.PAGESIZE):
            held[at] = 1
        return len(held)


def swallow(mb: int) -> str:
    """Ask for too much and go on as if it did not matter."""
    try:
        hold(mb)
    except MemoryError:
        return "never mind"
    return "granted"


def swallow_arrays(mb: int) -> str:
    import numpy as np

    try:
        np.ones(mb * MIB // 8)
    except MemoryError:
        return "never mind"
    return "granted"


def limits() -> dict[str, list[int]]:
    import resource

    names = ("DATA", "AS", "CPU", "NOFILE", "FSIZE", "CORE")
    return {name: list(resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))) for name in names}


def crash() -> None:
    import ctypes

    ctypes.string_at(0)


def daemon(*, forks: int) -> int:
    """Start a process that leaves the group, through that many parents that end at once."""
    import subprocess

    text = "import os, sys, time\n"
    text += "os.fork() and os._exit(0)\nos.setsid()\n" * (forks - 1)
    text += "print(os.getpid(), flush=True)\nos.close(1)\ntime.sleep(60)\n"
    child = subprocess.Popen(
        [sys.executable, "-c", text], stdout=subprocess.PIPE, start_new_session=True
    )
    assert child.stdout is not None
    return int(child.stdout.readline())


def wait_for_daemon(seconds: float) -> bool:
    """Tell whether a process that has left the group is there after some time."""
    pid = daemon(forks=2)
    time.sleep(seconds)
    return os.path.exists(f"/proc/{pid}")


def fork_without_end(*, leave: bool = False) -> None:
    """Double for ever; or go on in the child alone, out of the group, and leave what was."""
    while True:
        try:
            child = os.fork()
        except OSError:  # the machine has no more
            continue
        if leave and child:
            os._exit(0)
        if leave:
            os.setsid()


def go_through(*, processes: int) -> int:
    """Start processes one after the other, more than there may be at once."""
    for _ in range(processes):
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    return processes


def crowd(*, processes: int) -> None:
    """Start processes that stay, and wait with them."""
    for _ in range(processes):
        if os.fork() == 0:
            break
    time.sleep(60)


def start_threads(*, threads: int) -> None:
    """Start threads that stay, with stacks that fit into any budget."""
    import threading

    threading.stack_size(32 << 10)
    for _ in range(threads):
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    time.sleep(60)


def _in_child(do: Any, *, leave: bool = False) -> int:
    """Have a process do something and then stay; with ``leave`` one that has left the group."""
    pid = os.fork()
    if pid == 0:
        if leave:
            os.setsid()
            if os.fork():
                os._exit(0)
        kept = do()
        time.sleep(60)
        os._exit(bool(kept))
    if leave:
        os.waitpid(pid, 0)
    return pid


def burn_in_child(ms: float, *, leave: bool = False) -> None:
    _in_child(lambda: burn(ms), leave=leave)
    time.sleep(60)


def burn_beside(ms: float, seconds: float) -> float:
    """Leave a process alone that uses processor time, and end before it does."""
    _in_child(lambda: burn(ms))
    time.sleep(seconds)
    return ms


def burn_in_turns(ms: float) -> None:
    """Wait for processes that end by themselves, each long before anybody could object."""
    while True:
        pid = os.fork()
        if pid == 0:
            burn(ms)
            os._exit(0)
        os.waitpid(pid, 0)


def burn_in_program() -> None:
    import subprocess

    subprocess.run([sys.executable, "-c", "while True: pass"], check=True)


def hold_in_children(mb: int, processes: int, *, leave: bool = False) -> None:
    """Have processes hold something, each its own."""
    for _ in range(processes):
        _in_child(lambda: bytearray(b"x") * (mb * MIB), leave=leave)
    time.sleep(60)


def hold_shared_in_children(mb: int, processes: int) -> None:
    """Have processes hold what they share among them, and this one does not touch."""
    import mmap

    held = mmap.mmap(-1, mb * MIB)

    def touch() -> None:
        for at in range(0, mb * MIB, mmap.PAGESIZE):
            held[at] = 1

    for _ in range(processes):
        _in_child(touch)
    time.sleep(60)


def hold_then_fork(mb: int, rounds: int) -> None:
    """Have each process hand on to a child what it holds, and end."""

    def hand_on() -> bytearray:
        kept = bytearray(b"x") * (mb * MIB)
        if os.fork():
            os._exit(0)
        return kept

    for _ in range(rounds):
        _in_child(hand_on, leave=True)
    time.sleep(60)


def share_with_children(mb: int, processes: int, seconds: float) -> int:
    """Hold something of which processes are given the pages, and use none of their own."""
    held = bytearray(b"x") * (mb * MIB)
    pids = []
    for _ in range(processes):
        pid = os.fork()
        if pid == 0:
            time.sleep(seconds)
            os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    return len(held)


def burn_beside_child(ms: float) -> float:
    """Use some processor time here, and as much in a process that is waited for."""
    pid = os.fork()
    if pid == 0:
        burn(ms)
        os._exit(0)
    burn(ms)
    os.waitpid(pid, 0)
    return 2 * ms
