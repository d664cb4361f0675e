"""Values in messages: the large ones as files that come along, by their place among these.

Where such a value belongs a message holds two bytes, of which the first begins no MessagePack
value; so nothing that a plugin publishes can be taken for a reference.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from optifire.core.types import Encoded
from optifire.workers import messages as say
from optifire.workers.sealed import file_of, share
from optifire.workers.stream import MOST_FILES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optifire.core.ports import Given, Outcome
    from optifire.workers.sealed import Sealed

#: Of all bytes the one that MessagePack never uses (its specification, "Overview").
MARK: Final = 0xC1
#: Bytes of a reference: the mark, and a place among the files.
REFERENCE: Final = 2

_Message = TypeVar("_Message", bound=msgspec.Struct)


class Sending:
    """Collects the files of one message while its values are replaced by references."""

    def __init__(self) -> None:
        self.files: list[Sealed] = []

    def value(self, value: Encoded) -> Encoded:
        """Give what stands in the message for a value; several names may share a file."""
        file = file_of(value)
        if file is None:
            return value
        place = next((n for n, each in enumerate(self.files) if each is file), len(self.files))
        if place == MOST_FILES:
            return value
        if place == len(self.files):
            self.files.append(file)
        return Encoded(bytes([MARK, place]))

    def given(self, given: Given) -> Given:
        """Give the same for a value with its source, put into a file here if it is in none yet."""
        value = self.value(share(given.value))
        return given if value is given.value else replace(given, value=value)


def to_send(message: _Message) -> tuple[_Message, Sequence[Sealed]]:
    """Give a message without its large values, and their files."""
    sending = Sending()
    if isinstance(message, say.Order):
        given = {name: sending.given(each) for name, each in message.given.items()}
        if sending.files:
            message = msgspec.structs.replace(message, given=given)
    elif isinstance(message, say.Reply) and message.given is not None:
        message = msgspec.structs.replace(message, given=sending.given(message.given))
    elif isinstance(message, say.Done | say.Commit):
        outcome = _stripped(message.outcome, sending)
        if sending.files:
            message = msgspec.structs.replace(message, outcome=outcome)
    return message, sending.files


def _stripped(outcome: Outcome, sending: Sending) -> Outcome:
    if not (outcome.outputs or outcome.writes):
        return outcome
    outputs = {key: sending.value(value) for key, value in outcome.outputs.items()}
    writes = {key: sending.value(value) for key, value in outcome.writes.items()}
    return replace(outcome, outputs=outputs, writes=writes) if sending.files else outcome
