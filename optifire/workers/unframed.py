"""Frames, series and arrays out of the payload that `frames` makes; imported only in workers.

What stands in a file that is shared is not copied: columns lie on it and are read-only there.
Since pandas copies a column on the first write to it only while somebody else holds it too, a
second holder of every such column is kept here as long as the run goes on.
"""

# ruff: noqa: ANN401 - the wire: values of any plain type

from __future__ import annotations

from typing import Any, Final

import msgspec

from optifire.core.errors import ContractError
from optifire.workers.columns import Columns
from optifire.workers.frames import ALIGNED
from optifire.workers.sealed import file_of

_parts_of: Final = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_view_of: Final = msgspec.msgpack.Decoder(memoryview).decode
_views_of: Final = msgspec.msgpack.Decoder(list[memoryview]).decode

#: The second holders of shared columns.
_holders: Final[list[Any]] = []


def let_go() -> None:
    """Forget the frames of the run that has ended."""
    _holders.clear()


def unpack(payload: memoryview | bytes) -> Any:
    """Give the frame, series or array of a payload.

    Frames and series may be written to: the write is the run's own. Arrays are read-only.

    Raises
    ------
    ContractError
        When the payload is not what `frames.pack` makes: it may come from another plugin.
    """
    view = memoryview(payload)
    try:
        return _unpacked(view)
    except (msgspec.MsgspecError, LookupError, TypeError, ValueError, AttributeError) as broken:
        raise ContractError(
            f"these bytes are no frame: {type(broken).__name__}: {broken}", where="value"
        ) from broken


def _unpacked(payload: memoryview) -> Any:
    shared = file_of(payload) is not None
    raw = _parts_of(payload)
    header = msgspec.msgpack.decode(raw[0])
    columns = Columns(_buffers(header, raw), shared=shared)
    if header["kind"] == "array":
        return columns.array(header["column"]).reshape(header["shape"])
    made = columns.series(header) if header["kind"] == "series" else columns.frame(header)
    if header["attrs"]:
        made.attrs = msgspec.msgpack.decode(header["attrs"])
    if not shared:
        return made
    _holders.append(made)
    return made.copy(deep=False)


def _buffers(header: dict[str, Any], raw: list[msgspec.Raw]) -> list[memoryview]:
    """Give the column buffers; they lay in a list of their own before they were aligned."""
    if "lengths" not in header:
        return _views_of(raw[1])
    data, place, views = _view_of(raw[2]), 0, []
    for length in header["lengths"]:
        views.append(data[place : place + length])
        if len(views[-1]) != length:
            raise ValueError(f"a column of {length} bytes ends behind the data")
        place += -(-length // ALIGNED) * ALIGNED
    return views
