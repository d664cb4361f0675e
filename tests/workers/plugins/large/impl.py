"""Publishes and reads large values, or hands over files that are none."""

# mypy: ignore-errors

from __future__ import annotations

import errno
import fcntl
import gc
import mmap
import os
import signal
import socket
import sys

import numpy as np
import pandas as pd

from optifire.core.ports import Outcome
from optifire.core.run import RunStatus
from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult
from optifire.workers import messages as say
from optifire.workers import sealed, sealing, stream

SEALS = sealing.SEALS


def ok(**data: object) -> PluginResult:
    return PluginResult(success=True, data=data)


def frame(rows: int) -> pd.DataFrame:
    index = pd.date_range("2018-01-01", periods=rows, freq="min", tz="UTC", name="ts")
    columns = {f"c{place}": np.arange(rows) * (place + 1.0) for place in range(4)}
    return pd.DataFrame(columns, index=index)


def resident_mb(part: str) -> float:
    """Give what this process holds, in MiB: ``RssAnon``, ``RssShmem``..., see proc(5)."""
    with open("/proc/self/status") as status:
        return sum(int(line.split()[1]) for line in status if line.startswith(part)) / 1024


def line() -> socket.socket:
    """Give the run's socket, which a plugin is to leave alone."""
    for name in os.listdir("/proc/self/fd"):
        path = f"/proc/self/fd/{name}"
        if os.path.exists(path) and os.readlink(path).startswith("socket:"):
            return socket.socket(fileno=os.dup(int(name)))
    raise AssertionError("there is no socket")


def memory(size: int, seals: int = SEALS) -> int:
    descriptor = os.memfd_create("evil", os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


def hand_over(files: list[int], values: dict[str, bytes], said: int | None = None) -> None:
    """Say that the run has succeeded, with files; then wait to be stopped."""
    done = say.Done(Outcome(RunStatus.SUCCEEDED, outputs=values))
    data = stream.framed(done, len(files) if said is None else said)
    socket.send_fds(line(), [data], files)
    signal.pause()


FIRST = b"\xc1\x00"


class Large(Plugin):
    def describe(self) -> PluginMetadata:
        return PluginMetadata(plugin_id="large", version="1", description="publishes much")

    def plan(self) -> dict[str, object]:
        return {"schedule": "@manual"}

    async def run(self, context: PluginContext) -> PluginResult:
        return await getattr(self, context.config["do"])(context)

    async def publish(self, context: PluginContext) -> PluginResult:
        context.data["again"] = frame(context.config["rows"])
        return ok(frame=frame(context.config["rows"]))

    async def publish_where_files_are_denied(self, context: PluginContext) -> PluginResult:
        def denied(*_: object) -> int:
            raise PermissionError(errno.EPERM, "memfd_create")

        os.memfd_create = denied
        return ok(frame=frame(context.config["rows"]))

    async def publish_and_die(self, context: PluginContext) -> PluginResult:
        values = [sealed.share(bytes([0xC6]) + (1 << 20).to_bytes(4, "big") + bytes(1 << 20))]
        files = [sealed.file_of(value).descriptor for value in values]
        data = stream.framed(say.Done(Outcome(RunStatus.SUCCEEDED, outputs={"a": FIRST})), 1)
        socket.send_fds(line(), [data[:-1]], files)
        os.kill(os.getpid(), signal.SIGKILL)

    async def publish_on_and_on(self, context: PluginContext) -> PluginResult:
        """Publish the same 16 MB again and again, which are in memory once."""
        value = np.ones(16 << 17)
        for number in range(8):
            try:
                context.data[str(number)] = value
            except MemoryError:
                if not context.config["deaf"]:
                    raise
        return ok()

    async def publish_anew(self, context: PluginContext) -> PluginResult:
        value = np.ones(16 << 17)
        for _ in range(8):
            context.data["same"] = value
        return ok()

    async def read(self, context: PluginContext) -> PluginResult:
        before, rss = resident_mb("RssAnon"), resident_mb("RssShmem")
        given = context.data["frame"]
        total = float(sum(given[name].to_numpy().sum() for name in given))
        grown, shared = resident_mb("RssAnon") - before, resident_mb("RssShmem") - rss
        return ok(total=total, private=grown, shared=shared, last=given.index[-1])

    async def ask(self, context: PluginContext) -> PluginResult:
        return ok(total=float(context.data["undeclared"].sum().sum()))

    async def change(self, context: PluginContext) -> PluginResult:
        given = context.data["frame"]
        before = given.iloc[0, 1]
        given.iloc[0, 1] = before - 1.0
        given["c0"] += 1.0
        given.fillna(0.0, inplace=True)  # noqa: PD002 - what is tried here
        given.attrs["x"] = 1
        return ok(changed=float(given.iloc[0, 1] - before))

    async def change_an_array(self, context: PluginContext) -> PluginResult:
        context.data["array"][0] = 1.0
        return ok()

    async def zeros(self, context: PluginContext) -> PluginResult:
        size = context.config["mb"] << 20
        held = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        return ok(zeros=np.frombuffer(held, dtype="f8"))

    async def hold(self, context: PluginContext) -> PluginResult:
        held = np.ones(context.config["mb"] << 17)
        given = context.data["frame"]
        return ok(total=float(held[-1] + given["c0"].to_numpy()[-1]))

    async def map_memory(self, context: PluginContext) -> PluginResult:
        given = context.data["frame"]["c0"].to_numpy().sum()
        held = mmap.mmap(-1, context.config["mb"] << 20)
        for place in range(0, len(held), mmap.PAGESIZE):
            held[place] = 1
        while True:
            given += 1

    async def descriptors(self, context: PluginContext) -> PluginResult:
        context.data["frame"]
        gc.collect()
        return ok(count=len(os.listdir("/proc/self/fd")), unframed="pandas" in sys.modules)

    # --- what no plugin should do ---------------------------------------------------------------

    async def unsealed(self, context: PluginContext) -> PluginResult:
        hand_over([memory(1 << 20, fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)], {"a": FIRST})

    async def on_disk(self, context: PluginContext) -> PluginResult:
        path = context.temp_dir / "value"
        path.write_bytes(bytes(1 << 20))
        hand_over([os.open(path, os.O_RDONLY)], {"a": FIRST})

    async def empty(self, context: PluginContext) -> PluginResult:
        hand_over([memory(0)], {"a": FIRST})

    async def too_large(self, context: PluginContext) -> PluginResult:
        hand_over([memory((64 << 20) + 1)], {"a": FIRST})

    async def too_much(self, context: PluginContext) -> PluginResult:
        values = {str(place): bytes([0xC1, place]) for place in range(4)}
        hand_over([memory(64 << 20) for _ in values], values)

    async def garbage(self, context: PluginContext) -> PluginResult:
        hand_over([memory(1 << 20)], {"frame": FIRST})

    async def nothing_along(self, context: PluginContext) -> PluginResult:
        hand_over([], {"a": FIRST})

    async def fewer_than_said(self, context: PluginContext) -> PluginResult:
        hand_over([memory(1 << 20)], {"a": FIRST}, said=2)

    async def more_than_said(self, context: PluginContext) -> PluginResult:
        hand_over([memory(1 << 20) for _ in range(2)], {"a": FIRST}, said=1)

    async def unused(self, context: PluginContext) -> PluginResult:
        hand_over([memory(1 << 20)], {"a": b"\x01"})

    async def too_many(self, context: PluginContext) -> PluginResult:
        hand_over([memory(4096) for _ in range(200)], {"a": FIRST}, said=200)

    async def with_a_question(self, context: PluginContext) -> PluginResult:
        data = stream.framed(say.AskValue("x"), 1)
        socket.send_fds(line(), [data], [memory(4096)])
        signal.pause()

    async def a_byte_at_a_time(self, context: PluginContext) -> PluginResult:
        peer = line()
        for _ in range(4):
            socket.send_fds(peer, [b"\0"], [memory(4096) for _ in range(60)])
        signal.pause()
