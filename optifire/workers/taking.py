"""Messages as they arrive: references become the values of the files that came along.

Who sent them is not trusted. A file that cannot be relied on fails the run that handed it over; a
message that refers to what did not come, or a file that no message refers to, is garbage.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from optifire.core.errors import ContractError
from optifire.core.run import Failure, Reason, RunStatus
from optifire.workers import messages as say
from optifire.workers.received import Received
from optifire.workers.sealed import share

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from optifire.core.ports import Given, Outcome


def from_child(body: bytes, descriptors: Sequence[int]) -> say.FromChild:
    """Give a message of a child with its values; raises `ValueError` for what is no message.

    A run whose large values cannot be relied on has failed; values that could not travel in files
    are put into some here, so that their readers need not copy them.
    """
    with Received(descriptors) as received:
        message = say.from_child.decode(body)
        if isinstance(message, say.Done):
            message.outcome = _completed(message.outcome, received)
            message.handed = received.size
        elif isinstance(message, say.Commit):
            message.outcome = _completed(message.outcome, received)
        else:
            received.all_used()
        return message


def _completed(outcome: Outcome, received: Received) -> Outcome:
    if not (outcome.outputs or outcome.writes):
        received.all_used()
        return outcome
    try:
        outputs = {key: share(received.value(value)) for key, value in outcome.outputs.items()}
        writes = {key: share(received.value(value)) for key, value in outcome.writes.items()}
        received.within()
    except ContractError as error:
        failure = Failure(type(error).__name__, str(error))
        return replace(
            outcome,
            status=RunStatus.FAILED,
            reason=Reason("contract", str(error)),
            outputs={},
            writes={},
            statements=(),
            events=(),
            failure=failure,
        )
    received.all_used()
    return replace(outcome, outputs=outputs, writes=writes)


def from_service(body: bytes, descriptors: Sequence[int]) -> say.ToChild:
    """Give a message of the service with its values, the large ones mapped."""
    if not descriptors:
        return say.to_child.decode(body)
    with Received(descriptors) as received:
        message = say.to_child.decode(body)
        if isinstance(message, say.Order):
            message.given = _mapped(message.given, received)
        elif isinstance(message, say.Reply) and message.given is not None:
            value = received.value(message.given.value)
            message.given = replace(message.given, value=value)
        return message


def _mapped(given: Mapping[str, Given], received: Received) -> Mapping[str, Given]:
    return {name: replace(each, value=received.value(each.value)) for name, each in given.items()}
