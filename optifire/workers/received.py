"""The files that came with one message, taken over as the values that it refers to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Self

from optifire.core.limits import HANDED_BYTES
from optifire.workers.attempt import too_much
from optifire.workers.handing import MARK, REFERENCE
from optifire.workers.sealed import adopt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optifire.core.types import Encoded


class Received:
    """The files that came with one message; every descriptor is closed, whatever happens."""

    def __init__(self, descriptors: Sequence[int]) -> None:
        self._descriptors = list(descriptors)
        self._adopted: dict[int, Encoded] = {}
        #: Bytes of the files that were taken over.
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self._descriptors:
            if descriptor >= 0:
                os.close(descriptor)

    def value(self, value: Encoded) -> Encoded:
        """Give the value that a message holds or refers to.

        Raises
        ------
        ContractError
            When its file cannot be relied on.
        ValueError
            When it is neither a value nor a reference to a file that came along.
        """
        if not value:
            raise ValueError("a value without a byte")
        if value[0] != MARK:
            return value
        if len(value) != REFERENCE or value[1] >= len(self._descriptors):
            raise ValueError("a reference to a file that did not come along")
        place = value[1]
        if place not in self._adopted:
            descriptor, self._descriptors[place] = self._descriptors[place], -1
            self._adopted[place] = adopt(descriptor)
            self.size += len(self._adopted[place])
        return self._adopted[place]

    def within(self, most: int = HANDED_BYTES) -> None:
        """Raise `ContractError` when all files together are larger than a run may hand over."""
        if self.size > most:
            raise too_much(self.size)

    def all_used(self) -> None:
        """Raise `ValueError` when a file came along that nothing in the message refers to."""
        if any(descriptor >= 0 for descriptor in self._descriptors):
            raise ValueError("a file that nothing refers to")
