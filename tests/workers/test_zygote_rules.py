"""The rules a zygote keeps: one thread, frozen objects, a clean environment, no loose ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import psutil
import pytest

from optifire.core.run import RunStatus
from optifire.workers.isolated import IsolatedWorker, WorkerSettings
from optifire.workers.link import ENVIRONMENT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.workers.conftest import Ask

#: Looks at itself as no test can from outside.
LOOKS = """
import ctypes, gc, os
from optifire.plugins import Plugin, PluginMetadata, PluginResult

class Looks(Plugin):
    def describe(self):
        return PluginMetadata.create(plugin_id="looks", version="1", description="looks")

    def plan(self):
        return {"schedule": "@manual"}

    async def run(self, context):
        wanted = ctypes.c_int()
        ctypes.CDLL(None).prctl(2, ctypes.byref(wanted))
        return PluginResult(success=True, data={
            "signal": wanted.value,
            "parent": os.getppid(),
            "frozen": gc.get_freeze_count(),
            "collects": gc.isenabled(),
            "environment": dict(os.environ),
            "threads": len(os.listdir("/proc/self/task")),
        })
"""

#: A zygote in a process that has a second thread, which asks it for a child.
THREADED = """
import os, socket, threading
from optifire.child import LazyBars, surroundings
from optifire.workers import messages as say
from optifire.workers.zygote import Zygote

near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
out = os.dup(1)

def ask():
    ready = say.from_zygote.decode(near.recv(1 << 16))
    reader, writer = os.pipe()
    socket.send_fds(near, [say.encode(say.Fork(7))], [reader, writer])
    answer = say.from_zygote.decode(near.recv(1 << 16))
    os.write(out, f"{type(ready).__name__} {answer.number} {answer.why}".encode())
    near.close()

threading.Thread(target=ask).start()
settings = say.ChildSettings("/nonexistent")
Zygote(far, surroundings(settings, LazyBars(settings))).serve()
"""


@pytest.fixture
def looks(tmp_path: Path) -> Path:
    folder = tmp_path / "looks"
    folder.mkdir()
    (folder / "impl.py").write_text(LOOKS)
    return folder


async def seen(worker: IsolatedWorker, folder: Path, ask: Ask) -> dict[str, Any]:
    outcome = await worker.run(ask("look", plugin="looks", folder=folder))
    assert outcome.status is RunStatus.SUCCEEDED, (outcome.reason, outcome.failure)
    return {key: msgspec.msgpack.decode(value) for key, value in outcome.outputs.items()}


async def test_a_child_is_frozen_clean_and_dies_with_its_zygote(
    tmp_path: Path, looks: Path, monkeypatch: pytest.MonkeyPatch, ask: Ask
) -> None:
    monkeypatch.setenv("SECRET_KEY", "very secret")
    worker = IsolatedWorker(WorkerSettings(tmp_path, tmp_path / "data"))
    await worker.start()
    try:
        found = await seen(worker, looks, ask)
        (zygote,) = worker.zygote_pids()
    finally:
        await worker.stop()
    assert found["signal"] == signal.SIGKILL
    assert found["parent"] == zygote
    assert found["frozen"] > 10_000  # all that the zygote has imported; a bare Python has none
    assert found["collects"]
    assert found["threads"] == 1
    assert found["environment"] == ENVIRONMENT


async def test_a_zygote_keeps_nothing_of_the_runs_that_have_ended(
    tmp_path: Path, looks: Path, ask: Ask
) -> None:
    worker = IsolatedWorker(WorkerSettings(tmp_path, tmp_path / "data"))
    await worker.start()
    try:
        await seen(worker, looks, ask)
        zygote = psutil.Process(worker.zygote_pids()[0])
        before = zygote.num_fds()
        for _ in range(10):
            await seen(worker, looks, ask)
        assert zygote.num_fds() == before
        assert zygote.children() == []
        assert zygote.num_threads() == 1
    finally:
        await worker.stop()


def test_a_process_with_two_threads_forks_nobody() -> None:
    done = subprocess.run(
        [sys.executable, "-c", THREADED], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == "Ready 7 the zygote has more than one thread"


def test_who_has_lost_its_parent_already_ends_at_once() -> None:
    text = (
        "from optifire.workers.zygote import die_with_parent as die\ndie(1 << 30)\nprint('alive')"
    )
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
