"""Lives on: says what was called, keeps what it was told, and does what a test wants to see."""

# mypy: ignore-errors

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult

MIB = 1 << 20


class Stays(Plugin):
    def __init__(self) -> None:
        super().__init__()
        self.called = []
        self.heard = []
        self.kept = []

    def describe(self) -> PluginMetadata:
        return PluginMetadata(plugin_id="stays", version="1", description="lives on")

    def plan(self) -> dict[str, object]:
        return {"schedule": "interval_500ms", "triggers": ["shout"]}

    async def initialize(self, context: PluginContext) -> None:
        self.called.append("initialize")
        self.context = context

    async def start(self, context: PluginContext) -> bool | None:
        self.called.append("start")
        how = context.config.get("start", "")
        if how == "raises":
            raise RuntimeError("no connection")
        if how == "hangs":
            await asyncio.Event().wait()
        if how == "reads":
            self.rows = await context.db.fetch_all("SELECT 1")
        if how == "writes":
            await context.bus.publish("started")
        return False if how == "refuses" else None

    async def stop(self, context: PluginContext) -> None:
        self._write(context, "stop")

    def cleanup(self, context: PluginContext) -> None:  # a hook need not be a coroutine
        self._write(context, "cleanup")

    def _write(self, context: PluginContext, what: str) -> None:
        with (context.data_dir / "called").open("a") as file:
            file.write(f"{what}\n")

    async def handle_event(self, event_type: str, data: object) -> None:
        if data == "fail":
            raise ValueError("what was that?")
        if data == "write":
            await self.context.bus.publish("heard")
        print("heard", data)
        self.heard.append([event_type, data])

    async def run(self, context: PluginContext) -> PluginResult:
        return await getattr(self, context.config["do"])(context)

    async def tell(self, context: PluginContext) -> PluginResult:
        return ok(called=self.called, heard=self.heard, pid=os.getpid(), rows=len(self.kept))

    async def hold(self, context: PluginContext) -> PluginResult:
        self.kept.append(bytearray(b"x") * (context.config["mb"] * MIB))
        return ok(held=len(self.kept), pid=os.getpid())

    async def touch(self, context: PluginContext) -> PluginResult:
        len(bytearray(b"x") * (context.config["mb"] * MIB))
        return ok(pid=os.getpid())

    async def burn(self, context: PluginContext) -> PluginResult:
        began = time.process_time()
        while (time.process_time() - began) * 1e3 < context.config["ms"]:
            pass
        return ok(pid=os.getpid())

    async def burn_in_child(self, context: PluginContext) -> PluginResult:
        pid = os.fork()
        if pid == 0:
            await self.burn(context)
            os._exit(0)
        os.waitpid(pid, 0)
        return ok(pid=os.getpid())

    async def burn_later(self, context: PluginContext) -> PluginResult:
        later = threading.Timer(0.1, burn_for_ever)
        later.daemon = True
        later.start()
        return ok(pid=os.getpid())

    async def die(self, context: PluginContext) -> PluginResult:
        os.kill(os.getpid(), signal.SIGKILL)

    async def wait(self, context: PluginContext) -> PluginResult:
        await asyncio.Event().wait()

    async def stream(self, context: PluginContext) -> PluginResult:
        for n in range(context.config["parts"]):
            context.data["n"] = n
            print("part", n, end="")
            await context.db.execute("INSERT INTO p_stays_t VALUES (?)", (n,))
            await context.bus.publish("part", n)
            await context.commit()
        await context.bus.publish("rest")
        return ok(pid=os.getpid())


def burn_for_ever() -> None:
    while True:
        pass


def ok(**data: object) -> PluginResult:
    return PluginResult(success=True, data=data)
