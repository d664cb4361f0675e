"""One cycle, from firings to records."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from optifire.core.job import Overlap
from optifire.core.ports import Outcome, Published, RunRequest, Statement
from optifire.core.run import Failure, RunStatus


def outputs(enc: Any, **values: object) -> Any:
    async def body(request: RunRequest) -> Outcome:
        return Outcome(RunStatus.SUCCEEDED, outputs={k: enc(v) for k, v in values.items()})

    return body


async def test_smoke(world: Any) -> None:
    import msgspec
    enc = msgspec.msgpack.encode
    world.job("a", outputs(enc, x=1), out=("x",))
    world.job("b", outputs(enc, y=2), out=("y",), needs=("x",))
    world.job("c", needs=("b",))
    await world.cycle("c", "b", "a")
    assert world.status("a") == "succeeded"
    assert world.status("b") == "succeeded"
    assert world.worker.given("b") == {"x": 1, "a.x": 1}
    assert world.worker.given("c") == {"y": 2, "b.y": 2, "b": {"y": 2}}
    print(world.store.history)
