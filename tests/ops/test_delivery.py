"""Messages on their way: in order, again when they fail, never in anybody's way."""

import asyncio
from collections.abc import Awaitable, Callable

from optifire.ops.delivery import (
    LONGEST_PAUSE,
    MOST_TRIES,
    MOST_WAITING,
    NOTHING,
    Delivery,
    Trouble,
)
from optifire.ops.messages import Message


class Target:
    """A target that takes what it is told to take."""

    def __init__(self, *reasons: str) -> None:
        self.reasons = list(reasons)
        self.took: list[Message] = []
        self.tried: list[Message] = []
        self.pauses: list[float] = []
        self.hangs = asyncio.Event()
        self.hangs.set()

    async def send(self, address: str, message: Message) -> str:
        assert address == "json://somewhere"
        self.tried.append(message)
        await self.hangs.wait()
        reason = self.reasons.pop(0) if self.reasons else ""
        self.took += [] if reason else [message]
        return reason

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def delivery(self) -> Delivery:
        return Delivery("OPS", lambda: "json://somewhere", self.send, self.pause)


def message(title: str, kind: str = "warning") -> Message:
    return Message(title, f"body of {title}", kind)


async def until(look: Callable[[], bool]) -> None:
    """Let other tasks go on until something is true."""
    async with asyncio.timeout(5):
        while not look():
            await asyncio.wait([asyncio.ensure_future(nothing())])


async def nothing() -> None:
    return None


async def going(delivery: Delivery, then: Callable[[], Awaitable[None]]) -> None:
    task = asyncio.create_task(delivery.run())
    try:
        await then()
    finally:
        task.cancel()


async def test_a_few_are_sent_one_by_one_in_their_order() -> None:
    target = Target()
    delivery = target.delivery()
    for title in ("a", "b", "c"):
        delivery.put(message(title))
    await going(delivery, lambda: until(lambda: len(target.took) == 3))
    assert [each.title for each in target.took] == ["a", "b", "c"]
    assert delivery.trouble is None
    assert delivery.backlog() == NOTHING


async def test_many_at_once_are_one_message_with_the_gravest_of_them() -> None:
    target = Target()
    delivery = target.delivery()
    delivery.put(message("red", "failure"))
    for number in range(20):
        delivery.put(message(f"m{number}"))
    await going(delivery, lambda: until(lambda: len(target.took) == 1))
    assert target.took[0].title == "OptiFIRE: 21 alerts"
    assert target.took[0].kind == "failure"
    assert target.took[0].body.splitlines()[0] == "red"
    assert "11 more are in data/optifire.log" in target.took[0].body


async def test_a_failure_is_tried_again_after_longer_and_longer_pauses() -> None:
    target = Target(*["it answered with HTTP 500"] * 9)
    delivery = target.delivery()
    delivery.put(message("a"))
    await going(delivery, lambda: until(lambda: len(target.took) == 1))
    assert target.pauses == [5, 10, 20, 40, 80, 160, 320, LONGEST_PAUSE, LONGEST_PAUSE]
    assert [each.title for each in target.took] == ["a"]


async def test_what_is_tried_often_enough_is_let_go_and_counted() -> None:
    target = Target(*["refused"] * (MOST_TRIES + 1))
    delivery = target.delivery()
    delivery.put(message("old"))

    async def go_on() -> None:
        await until(lambda: len(target.tried) == MOST_TRIES and not delivery.backlog().messages)
        assert delivery.trouble == Trouble("refused", MOST_TRIES)
        delivery.put(message("new"))
        await until(lambda: len(target.took) == 1)

    await going(delivery, go_on)
    assert sum(target.pauses[:MOST_TRIES]) > 2 * 3600
    assert target.took[0].title == "OptiFIRE: 2 alerts"
    assert target.took[0].body.splitlines()[:2] == ["new", "1 more are in data/optifire.log"]


async def test_what_was_left_is_taken_up_by_another_with_what_was_let_go() -> None:
    before = Target("refused").delivery()
    for number in range(MOST_WAITING + 2):
        before.put(message(f"m{number}"))
    left = before.backlog()
    assert (left.messages[0].title, left.dropped) == ("m2", 2)
    target = Target()
    after = target.delivery()
    after.take_up(left)
    assert after.backlog() == left
    await going(after, lambda: until(lambda: len(target.took) == 1))
    assert target.took[0].title == f"OptiFIRE: {MOST_WAITING + 2} alerts"


async def test_a_failure_is_known_until_something_is_taken() -> None:
    target = Target("refused", "refused")
    delivery = target.delivery()
    seen: list[Trouble | None] = []

    async def pause(_: float) -> None:
        seen.append(delivery.trouble)

    delivery = Delivery("OPS", lambda: "json://somewhere", target.send, pause)
    delivery.put(message("a"))
    await going(delivery, lambda: until(lambda: len(target.took) == 1))
    assert seen == [Trouble("refused", 1), Trouble("refused", 2)]
    assert delivery.trouble is None


async def test_what_hangs_is_in_nobodys_way_and_what_waits_is_bounded_and_counted() -> None:
    target = Target()
    target.hangs.clear()
    delivery = target.delivery()
    delivery.put(message("first"))

    async def flood() -> None:
        await until(lambda: len(target.tried) == 1)
        for number in range(MOST_WAITING + 10):
            delivery.put(message(f"m{number}"))
        assert len(delivery.backlog().messages) == MOST_WAITING
        target.hangs.set()
        await until(lambda: len(target.took) == 2)

    await going(delivery, flood)
    assert [each.title for each in target.took] == [
        "first",
        f"OptiFIRE: {MOST_WAITING + 10} alerts",
    ]
