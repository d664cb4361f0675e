"""A slice of a backfill, as it is asked for over the control socket."""

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from optifire.core.errors import UsageError
from optifire.core.stretch import Stretch
from optifire.host.control import Controlled, handlers_for

FIRST, LAST = datetime(2018, 11, 1, tzinfo=UTC), datetime(2018, 11, 2, tzinfo=UTC)
STRETCH = {"first": "2018-11-01T00:00:00Z", "last": "2018-11-02T02:00:00+02:00"}


class FakeService:
    """A service that makes up for nothing, and remembers what it was asked."""

    backing: Any = None
    pausing: Any = None
    metrics: Any = None

    def __init__(self) -> None:
        self.backfilling = self
        self.requests: list[Stretch] = []

    async def backfill(self, stretch: Stretch) -> "FakeService":
        self.requests.append(stretch)
        return self

    def as_json(self) -> dict[str, Any]:
        return {"done": True}


@pytest.fixture
def service() -> FakeService:
    return FakeService()


async def ask(service: FakeService, **fields: object) -> object:
    handlers = handlers_for(cast("Controlled", service), lambda value: value)
    return await handlers["backfill"]({"command": "backfill", "plugin_id": "fe_garch", **fields})


async def test_it_is_asked_for_with_its_stretch_and_who_asks(service: FakeService) -> None:
    assert await ask(service, **STRETCH, who="eva", why="it was off") == {"done": True}
    await ask(service, **STRETCH, after="2018-11-01T18:00:00Z")
    after = datetime(2018, 11, 1, 18, tzinfo=UTC)
    assert service.requests == [
        Stretch("fe_garch", FIRST, LAST, None, "eva", "it was off"),
        Stretch("fe_garch", FIRST, LAST, after, "a program", ""),
    ]


@pytest.mark.parametrize("key", ["first", "last", "after"])
@pytest.mark.parametrize("bad", ["yesterday", "2018-11-01T00:00:00", "2018-11-01", 7, ""])
async def test_an_instant_needs_its_offset(service: FakeService, key: str, bad: object) -> None:
    with pytest.raises(UsageError, match=f"{key} is"):
        await ask(service, **(STRETCH | {key: bad}))
    assert service.requests == []
