"""What a child sends is never more than the service takes."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from optifire.core.errors import ContractError
from optifire.core.ports import Outcome
from optifire.core.run import RunStatus
from optifire.core.types import Encoded
from optifire.workers import messages as say
from optifire.workers.line import Line
from optifire.workers.stream import Frames

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 2_000


@pytest.fixture
def ends() -> Iterator[tuple[Line, socket.socket]]:
    """Give a child's line that takes little, and the service's end of it."""
    near, far = socket.socketpair()
    line = Line(far.fileno())
    line.most = MOST
    yield line, near
    line.detach()
    near.close()
    far.close()


def heard(near: socket.socket) -> list[say.FromChild]:
    """Give all that has come."""
    near.settimeout(0)
    return [say.from_child.decode(body) for body, _ in Frames().feed(near.recv(1 << 16))]


def test_a_question_that_is_too_long_is_the_plugins_fault(
    ends: tuple[Line, socket.socket],
) -> None:
    line, near = ends
    with pytest.raises(ContractError, match="192 MB"):
        line.send(say.AskRows("SELECT 1", Encoded(bytes(MOST)), one=False))
    line.send(say.AskNames())
    assert heard(near) == [say.AskNames()]


def test_a_run_whose_names_alone_are_too_much_has_failed_and_says_why(
    ends: tuple[Line, socket.socket],
) -> None:
    line, near = ends
    outputs = {f"a_very_long_name_{n}": Encoded(b"\x01") for n in range(MOST // 20)}
    line.send_done(say.Done(Outcome(RunStatus.SUCCEEDED, outputs=outputs), lost=3, cpu=1.5))
    (done,) = heard(near)
    assert isinstance(done, say.Done)
    assert (done.outcome.status, done.lost, done.cpu) == (RunStatus.FAILED, 3, 1.5)
    assert done.outcome.failure is not None
    assert "the run hands over 2," in done.outcome.failure.message
    assert not done.outcome.outputs


def test_what_fits_is_sent_as_it_is(ends: tuple[Line, socket.socket]) -> None:
    line, near = ends
    done = say.Done(Outcome(RunStatus.SUCCEEDED, outputs={"a": Encoded(b"\x01")}))
    line.send_done(done)
    assert heard(near) == [done]
