"""Steps of many lengths: `config["do"]` names what a test wants to see."""

# mypy: ignore-errors

from __future__ import annotations

import asyncio
import os
import re
import time
from contextlib import suppress
from pathlib import Path

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult

#: Backtracks for ever, inside one call of C code that never lets go of the interpreter.
CATASTROPHE = re.compile(r"(?:a|aa)+$")

kept: list[asyncio.Task] = []
ended: list[str] = []


def ok(**data: object) -> PluginResult:
    return PluginResult(success=True, data=data)


def burn(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def match_for(seconds: float) -> None:
    """Match ever longer texts, until one took long enough."""
    length, took = 24, 0.0
    while took < seconds:
        began = time.monotonic()
        CATASTROPHE.match("a" * length + "b")
        took = time.monotonic() - began
        length += 1


class Stepping(Plugin):
    def describe(self) -> PluginMetadata:
        return PluginMetadata(plugin_id="stepping", version="1", description="takes steps")

    def plan(self) -> dict[str, object]:
        return {"schedule": "@manual"}

    async def run(self, context: PluginContext) -> PluginResult:
        return await getattr(self, context.config["do"])(context)

    async def nothing(self, context: PluginContext) -> PluginResult:
        return ok()

    async def burn_a_little(self, context: PluginContext) -> PluginResult:
        burn(0.06)
        return ok()

    async def sleep_once(self, context: PluginContext) -> PluginResult:
        time.sleep(0.16)
        return ok()

    async def burn_in_turns(self, context: PluginContext) -> PluginResult:
        """Use 100 ms in steps of 5 ms, and let others have theirs in between."""
        for _ in range(20):
            burn(0.005)
            await asyncio.sleep(0)
        return ok()

    async def burn_in_tasks(self, context: PluginContext) -> PluginResult:
        """Use 90 ms in all the ways in which tasks are made."""
        made = asyncio.create_task(self._turns(3), name="made")
        async with asyncio.TaskGroup() as group:
            group.create_task(self._turns(3))
            group.create_task(self._parent())
        await asyncio.gather(self._turns(3), asyncio.ensure_future(self._turns(3)), made)
        return ok(name=made.get_name())

    async def _parent(self) -> None:
        await asyncio.create_task(self._turns(6))

    async def _turns(self, number: int) -> None:
        for _ in range(number):
            burn(0.005)
            await asyncio.sleep(0)

    async def _leave(self) -> None:
        ended.clear()
        stays = (self._tidy, self._stubborn, self._multiply)
        kept[:] = [asyncio.create_task(stay()) for stay in stays]
        await asyncio.sleep(0)

    async def leave_behind(self, context: PluginContext) -> PluginResult:
        await self._leave()
        kept.append(asyncio.create_task(self._never_begun()))
        return ok()

    async def leave_behind_and_fail(self, context: PluginContext) -> PluginResult:
        await self._leave()
        raise ValueError("no more")

    async def leave_behind_and_wait(self, context: PluginContext) -> PluginResult:
        await self._leave()
        await asyncio.Event().wait()

    async def _tidy(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("tidy")

    async def _stubborn(self) -> None:
        try:
            while True:
                with suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
        finally:
            ended.append("stubborn")

    async def _multiply(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("multiply")
            kept.append(asyncio.create_task(self._multiply()))

    async def _never_begun(self) -> None:
        ended.append("begun")

    async def not_a_coroutine(self, context: PluginContext) -> PluginResult:
        asyncio.get_running_loop().create_task(42)

    async def hold(self, context: PluginContext) -> PluginResult:
        match_for(0.3)
        return ok()

    async def hold_in_task(self, context: PluginContext) -> PluginResult:
        await asyncio.create_task(self.hold(context))
        return ok()

    async def sleep_twice(self, context: PluginContext) -> PluginResult:
        time.sleep(0.15)
        await asyncio.sleep(0)
        time.sleep(0.15)
        return ok()

    async def descriptors(self, context: PluginContext) -> PluginResult:
        """Tell what of the service this process has: descriptors, mappings, signals caught."""
        status = dict(
            line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines()
        )
        files = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
        maps = Path("/proc/self/maps").read_text().splitlines()
        return ok(
            files=[os.readlink(file) for file in files if os.path.exists(file)],
            maps=[line for line in maps if "optifire-steps" in line],
            caught=int(status["SigCgt"], 16),
            ignored=int(status["SigIgn"], 16),
        )
