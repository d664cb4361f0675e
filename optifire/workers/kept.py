"""The large values of a ledger that was opened, put into files for the runs that will read them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from optifire.workers.sealed import file_of, share

if TYPE_CHECKING:
    from collections.abc import Iterable

    from optifire.core.ledger import ContextValue
    from optifire.core.types import Encoded


def in_files(values: Iterable[ContextValue]) -> list[ContextValue]:
    """Give values with the large ones in files; what stands under several names is in one."""
    files: dict[tuple[str, str], Encoded] = {}
    made: list[ContextValue] = []
    for value in values:
        shared = files.get((value.run_id, value.key)) or share(value.value)
        if file_of(shared) is None:
            made.append(value)
        else:
            files[value.run_id, value.key] = shared
            made.append(replace(value, value=shared))
    return made
