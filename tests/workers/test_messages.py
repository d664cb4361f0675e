"""Messages on a socket: cut from a stream wherever it is torn, refused when they are too long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optifire.core.limits import HANDED_BYTES
from optifire.workers import messages as say
from optifire.workers import stream


@given(st.lists(st.text()), st.lists(st.integers(1, 40), min_size=1))
def test_messages_come_whole_from_a_torn_stream(names: list[str], cuts: list[int]) -> None:
    sent = b"".join(stream.framed(say.AskValue(name)) for name in names)
    frames, got, place, turn = stream.Frames(), [], 0, 0
    while place < len(sent):
        size = cuts[turn % len(cuts)]
        got += [say.from_child.decode(body) for body, _ in frames.feed(sent[place : place + size])]
        place, turn = place + size, turn + 1
    assert got == [say.AskValue(name) for name in names]
    assert frames.wanted == 0


def test_a_message_longer_than_any_is_refused_before_it_has_come() -> None:
    with pytest.raises(ValueError, match="201,326,593 bytes"):
        list(stream.Frames().feed((HANDED_BYTES + 1).to_bytes(4, "big") + b"\0"))
