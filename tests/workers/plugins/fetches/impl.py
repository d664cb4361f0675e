"""Fetches by ``context.http`` as ``config["do"]`` says."""

# mypy: ignore-errors

from __future__ import annotations

import asyncio
import time

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


def ok(**data: object) -> PluginResult:
    return PluginResult(success=True, data=data)


class Fetches(Plugin):
    def describe(self) -> PluginMetadata:
        return PluginMetadata(plugin_id="fetches", version="1", description="fetches")

    def plan(self) -> dict[str, object]:
        return {"schedule": "@manual"}

    async def run(self, context: PluginContext) -> PluginResult:
        self.base = context.config["base"]
        return await getattr(self, context.config["do"])(context)

    async def get(self, context: PluginContext) -> PluginResult:
        fields = {"X-Key": "hush"}
        answer = await context.api_client.get(f"{self.base}/get", {"day": [1, 2]}, fields)
        return ok(status=answer.status, json=answer.json(), left=answer.headers["X-Left"])

    async def post(self, context: PluginContext) -> PluginResult:
        first = await context.http.post(f"{self.base}/post", json={"a": None})
        second = await context.http.post(f"{self.base}/post", data={"a": "b c"})
        return ok(first=first.text, second=second.text)

    async def together(self, context: PluginContext) -> PluginResult:
        urls = [f"{self.base}/together?{n}" for n in range(20)]
        answers = await asyncio.gather(*(context.http.get(url) for url in urls))
        return ok(texts=[answer.text for answer in answers])

    async def ask_meanwhile(self, context: PluginContext) -> PluginResult:
        fetch = asyncio.ensure_future(context.http.get(f"{self.base}/late"))
        await asyncio.sleep(0)
        names = []
        for _ in range(50):
            names.append(context.data.get("nobody"))
            await context.db.fetch_all("SELECT 1")
        await context.http.post(f"{self.base}/release")
        return ok(text=(await fetch).text, names=names)

    async def impatient(self, context: PluginContext) -> PluginResult:
        try:
            async with asyncio.timeout(0.05):
                await context.http.get(f"{self.base}/late")
        except TimeoutError:
            await context.http.post(f"{self.base}/release")
            rows = await context.db.fetch_all("SELECT 1")
            return ok(text=(await context.http.get(f"{self.base}/get")).text, rows=rows)
        return PluginResult(success=False, error="it did answer")

    async def late(self, context: PluginContext) -> PluginResult:
        return ok(text=(await context.http.get(f"{self.base}/late")).text)

    async def elsewhere(self, context: PluginContext) -> PluginResult:
        await context.http.get("https://elsewhere.example/")
        return ok()

    async def in_a_thread(self, context: PluginContext) -> PluginResult:
        await asyncio.to_thread(asyncio.run, context.http.get(f"{self.base}/get"))
        return ok()

    async def never_read(self, context: PluginContext) -> PluginResult:
        """Ask on and on, past the client, and read none of the answers."""
        from optifire.sdk.http import Call
        from optifire.workers.messages import AskFetch

        line = context._fetch.__self__._line  # noqa: SLF001 - it wants to
        for number in range(10_000):
            line.send(AskFetch(number, Call("GET", f"{self.base}/large")))
            time.sleep(0.001)  # so that nothing here reads
        return ok()

    async def around(self, context: PluginContext) -> PluginResult:
        """Ask the service past the client, as a plugin may that wants to."""
        from optifire.sdk.http import Call

        await context._fetch(Call(**context.config["call"]))  # noqa: SLF001 - it wants to
        return ok()
