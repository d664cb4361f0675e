"""One plugin, many behaviours: `config["do"]` names the one that a test wants to see."""

# mypy: ignore-errors

from __future__ import annotations

import asyncio
import ctypes
import os
import random
import signal
import subprocess
import sys
import threading
import time

from optifire.core.errors import NoData, NotInReplay, TransientError
from optifire.core.logger import logger
from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult
from optifire.sdk.scope import current_scope


def ok(**data: object) -> PluginResult:
    return PluginResult(success=True, data=data)


def tell(context: PluginContext, pid: int) -> None:
    """Write a process's number where the test looks for it, whole or not at all."""
    where = context.config["where"]
    with open(f"{where}.part", "w") as file:
        file.write(str(pid))
    os.replace(f"{where}.part", where)


class Acts(Plugin):
    def describe(self) -> PluginMetadata:
        return PluginMetadata(plugin_id="acts", version="1", description="does as it is told")

    def plan(self) -> dict[str, object]:
        return {"schedule": "@manual"}

    async def run(self, context: PluginContext) -> PluginResult:
        return await getattr(self, context.config["do"])(context)

    async def succeed(self, context: PluginContext) -> PluginResult:
        return ok(answer=42, now=context.now, config=dict(context.config))

    async def effects(self, context: PluginContext) -> PluginResult:
        await context.db.execute("INSERT INTO p_acts_t VALUES (?, ?)", (1, context.now))
        await context.bus.publish("acted", {"n": 1})
        context.data["extra"] = [1.5, None]
        return ok(extra=[1.5, None])

    async def effects_then_fail(self, context: PluginContext) -> PluginResult:
        await self.effects(context)
        return PluginResult(success=False, error="changed its mind")

    async def two_values(self, context: PluginContext) -> PluginResult:
        context.data["x"] = 1
        return ok(x=2)

    async def fail(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=False, error="no luck")

    async def skip(self, context: PluginContext) -> PluginResult:
        return PluginResult.skipped("nothing to trade")

    async def no_data(self, context: PluginContext) -> PluginResult:
        raise NoData("last bar 2018-12-31", where="bars SPX")

    async def fail_after_no_data(self, context: PluginContext) -> PluginResult:
        current_scope().no_data.append("no bars of XYZ")
        return PluginResult(success=False, error="no bars")

    async def live_only(self, context: PluginContext) -> PluginResult:
        current_scope().require_live("the machine")
        raise NotInReplay("the machine is not part of a replay")

    async def fail_with_value_error(self, context: PluginContext) -> PluginResult:
        raise ValueError("the number is wrong")

    async def fail_for_now(self, context: PluginContext) -> PluginResult:
        raise RuntimeError("outer") from TransientError("come back later")

    async def raise_odd_error(self, context: PluginContext) -> PluginResult:
        class OddError(Exception):
            def __str__(self) -> str:
                raise RuntimeError

        raise OddError

    async def exit_softly(self, context: PluginContext) -> PluginResult:
        sys.exit(3)

    async def exit_hard(self, context: PluginContext) -> PluginResult:
        print("about to go", flush=True)
        os._exit(3)

    async def exit_zero(self, context: PluginContext) -> PluginResult:
        os._exit(0)

    async def segfault(self, context: PluginContext) -> PluginResult:
        ctypes.string_at(0)
        return ok()

    async def loop_for_ever(self, context: PluginContext) -> PluginResult:
        while True:
            pass

    async def loop_deaf(self, context: PluginContext) -> PluginResult:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        tell(context, subprocess.Popen(["/bin/sleep", "1000"]).pid)
        while True:
            pass

    async def wait_for_ever(self, context: PluginContext) -> PluginResult:
        await asyncio.Event().wait()
        return ok()

    async def wait_stubbornly(self, context: PluginContext) -> PluginResult:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue

    async def leave_process(self, context: PluginContext) -> PluginResult:
        tell(context, subprocess.Popen(["/bin/sleep", "1000"]).pid)
        return ok()

    async def tell_and_loop(self, context: PluginContext) -> PluginResult:
        tell(context, os.getpid())
        while True:
            pass

    async def tell_and_wait(self, context: PluginContext) -> PluginResult:
        tell(context, os.getpid())
        while not os.path.exists(context.config["go"]):
            await asyncio.sleep(0.005)
        return ok(answer=1)

    async def start_and_loop(self, context: PluginContext) -> PluginResult:
        subprocess.Popen(context.config["command"])
        while True:
            pass

    async def leave_task(self, context: PluginContext) -> PluginResult:
        self.task = asyncio.create_task(asyncio.Event().wait())
        await asyncio.sleep(0)
        return ok(answer=1)

    async def leave_thread(self, context: PluginContext) -> PluginResult:
        threading.Thread(target=threading.Event().wait).start()
        return ok(answer=1)

    async def use_loop(self, context: PluginContext) -> PluginResult:
        async with asyncio.timeout(5):
            parts = await asyncio.gather(*(self.later(n) for n in range(3)))
        threaded = await asyncio.to_thread(sum, [1, 2, 3])
        loop = asyncio.get_running_loop()
        woken = loop.create_future()
        threading.Thread(target=loop.call_soon_threadsafe, args=(woken.set_result, 7)).start()
        return ok(parts=parts, threaded=threaded, woken=await woken)

    async def later(self, number: int) -> int:
        await asyncio.sleep(0.001)
        return number

    async def print_flood(self, context: PluginContext) -> PluginResult:
        for number in range(20_000):
            print(f"line {number} of a great many")
        return ok(answer=1)

    async def speak(self, context: PluginContext) -> PluginResult:
        print("printed words")
        context.logger.info("logged words")
        logger.warning("shared logger")
        print("to stderr", file=sys.stderr)
        return ok()

    async def speak_below(self, context: PluginContext) -> PluginResult:
        os.write(1, b"below python\n")
        return ok()

    async def give_none(self, context: PluginContext) -> PluginResult:
        return None

    async def give_object(self, context: PluginContext) -> PluginResult:
        return ok(nested={"deep": [1, object()]})

    async def give_surrogate(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=False, error="half \ud800 a letter")

    async def write_garbage(self, context: PluginContext) -> PluginResult:
        for descriptor in range(3, 64):
            try:
                os.write(descriptor, b"\x00\x00\x00\x05hello" * 3)
            except OSError:
                continue
        return ok()

    async def claim_gigabyte(self, context: PluginContext) -> PluginResult:
        for descriptor in range(3, 64):
            try:
                os.write(descriptor, b"\x40\x00\x00\x00")
            except OSError:
                continue
        return ok()

    async def close_everything(self, context: PluginContext) -> PluginResult:
        os.closerange(0, 1000)
        return ok()

    async def fetch(self, context: PluginContext) -> PluginResult:
        rows = await context.db.fetch_all("SELECT a FROM t WHERE a > ?", (1,))
        return ok(rows=rows, first=await context.db.fetch_one("SELECT 1", {"n": 2}))

    async def fetch_wrong(self, context: PluginContext) -> PluginResult:
        await context.db.fetch_all("SELECT nonsense")
        return ok()

    async def fetch_for_ever(self, context: PluginContext) -> PluginResult:
        await context.db.fetch_all("SELECT endless")
        return ok()

    async def fetch_after_write(self, context: PluginContext) -> PluginResult:
        await context.db.execute("INSERT INTO p_acts_t VALUES (1)")
        await context.db.fetch_all("SELECT a FROM t")
        return ok()

    async def read(self, context: PluginContext) -> PluginResult:
        data = context.data
        data["mine"] = 1
        return ok(
            given=data["given"],
            other=data.get("other"),
            absent=data.get("absent", "nothing"),
            has=["other" in data, "absent" in data, "given" in data],
            names=[name for name in data if name != "market_data"],
        )

    async def draw(self, context: PluginContext) -> PluginResult:
        return ok(own=context.rng.random(), shared=random.random())

    async def draw_own(self, context: PluginContext) -> PluginResult:
        return ok(own=context.rng.random())

    async def look(self, context: PluginContext) -> PluginResult:
        return ok(
            key=context.key,
            run_id=context.run_id,
            phase=context.session.phase,
            date=context.session.date,
            events=[[event.name, event.data, event.source] for event in context.events],
            started=context.started,
            secrets=dict(context.secrets),
            aliases=context["event_bus"] is context.bus,
        )

    async def folders(self, context: PluginContext) -> PluginResult:
        (context.data_dir / "kept.txt").write_text("kept")
        (context.temp_dir / "gone.txt").write_text("gone")
        return ok(data_dir=str(context.data_dir), temp_dir=str(context.temp_dir))

    async def process(self, context: PluginContext) -> PluginResult:
        return ok(
            pid=os.getpid(),
            parent=os.getppid(),
            group=os.getpgid(0),
            environment=sorted(os.environ),
            files=sorted(int(name) for name in os.listdir("/proc/self/fd")),
            threads=threading.active_count(),
            modules=[
                name for name in ("pandas", "numpy", "multiprocessing") if name in sys.modules
            ],
        )

    async def burn(self, context: PluginContext) -> PluginResult:
        until = time.process_time() + 0.1
        while time.process_time() < until:
            pass
        return ok()

    async def hold(self, context: PluginContext) -> PluginResult:
        return ok(size=len(b"x" * (40 << 20)))

    async def count(self, context: PluginContext) -> PluginResult:
        self.calls = getattr(self, "calls", 0) + 1
        return ok(calls=self.calls)

    async def frame(self, context: PluginContext) -> PluginResult:
        import pandas as pd

        index = pd.DatetimeIndex(["2018-01-02", "2018-01-03"], tz="UTC", name="ts")
        frame = pd.DataFrame({"close": [1.5, float("nan")], "name": ["a", None]}, index=index)
        context.data["series"] = frame["close"]
        return ok(frame=frame, last=frame.index[-1], value=frame["close"].iloc[0])

    async def read_frame(self, context: PluginContext) -> PluginResult:
        frame = context.data["given"]
        frame.loc[frame.index[0], "close"] = 9.0
        return ok(total=float(frame["close"].sum()), name=frame.index.name)

    async def market(self, context: PluginContext) -> PluginResult:
        bars = context.data["market_data"]
        same = await context.feed.get_bars("SPY", limit=1)
        return ok(close=bars["close"].iloc[-1], same=same["close"].iloc[-1], last=bars.index[-1])

    async def connect(self, context: PluginContext) -> PluginResult:
        import socket

        socket.create_connection(("127.0.0.1", 9), timeout=1)
        return ok()

    async def read_file(self, context: PluginContext) -> PluginResult:
        with open(context.config["path"]) as file:
            return ok(text=file.read())

    async def own_files(self, context: PluginContext) -> PluginResult:
        (context.data_dir / "own.txt").write_text("mine")
        (context.temp_dir / "own.txt").write_text("mine")
        return ok(text=(context.data_dir / "own.txt").read_text())

    async def system_random(self, context: PluginContext) -> PluginResult:
        import uuid

        return ok(id=str(uuid.uuid4()))

    async def write_file(self, context: PluginContext) -> PluginResult:
        with open(context.config["path"], "w") as file:
            file.write("mine")
        return ok()

    async def draw_numpy(self, context: PluginContext) -> PluginResult:
        import numpy as np

        return ok(drawn=np.random.rand(3))
