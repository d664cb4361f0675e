"""Frames, series and arrays as a header and column buffers; imported only in workers.

The payload of the extension is MessagePack ``[header, gap, data]``. The header tells the length of
each buffer in ``data``; they lie there one after the other, each beginning at a multiple of 64
bytes. The gap puts ``data`` itself at such a multiple where the frame is the whole value, so that
columns can be used where they lie in a mapped file. Buffers are little-endian and contiguous; text
columns are MessagePack lists of str, with nil or NaN where text is missing. Equal frames give equal
bytes. What takes a payload apart is `unframed`.
"""

# ruff: noqa: ANN401 - the wire: values of any plain type

from __future__ import annotations

import importlib
import math
import sys
from typing import TYPE_CHECKING, Any, Final

import msgspec

from optifire.workers.plain import Plainer, canonical, refuse, refuse_type, subclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd
else:
    # `wire` imports this module where numpy is imported already; written so that nothing else does.
    np = sys.modules.get("numpy") or importlib.import_module("numpy")

#: Kinds of numpy dtypes that are plain: bool, signed, unsigned, float, instant.
PLAIN_KINDS: Final = "biufM"
#: float128 and the like are not the same on every machine.
MAX_ITEM: Final = 8
#: Bytes of a value; those of a column are shown where they lie.
Part = bytes | memoryview
#: Columns begin at multiples of this many bytes: a cache line, and enough for every dtype.
ALIGNED: Final = 64
#: Bytes before the payload where a frame is the whole value: the head of a long extension.
_HEAD: Final = 6
_UTC: Final = frozenset({"UTC", "UTC+00:00"})
_ENCODER: Final = msgspec.msgpack.Encoder()


def is_frame(value: object) -> bool:
    """Tell whether a value is a frame, a series, or an array of one dimension or more."""
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame | pandas.Series)


def scalar(value: Any, path: str) -> Any:
    """Give a numpy or pandas scalar as a plain value; missing ones as None.

    A ``datetime64`` is UTC; one of whole days or longer is a date.
    """
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return _PLAINER.plain(value[()], path)
    if not isinstance(value, np.generic):
        return None if _is_missing(value) else subclass(value, path)
    kind, size = value.dtype.kind, value.dtype.itemsize
    if kind == "M":
        return _instant(value)
    if kind in "biuSU" or (kind == "f" and size <= MAX_ITEM):
        return value.item()
    raise refuse_type(value, path)


def _instant(value: Any) -> str | None:
    if np.isnat(value):
        return None
    text = str(value)
    if "T" not in text:
        return text
    whole, _, fraction = str(value.astype("M8[ns]")).partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}Z" if fraction else f"{whole}Z"


_PLAINER: Final = Plainer(scalar)


def pack(value: Any, path: str) -> list[Part]:
    """Give the payload of a frame, series or array of plain dtypes, in parts.

    Columns are not copied: the parts show their memory. Raises `ContractError` naming the column
    and the dtype that is not plain.
    """
    buffers: list[Part] = []
    if isinstance(value, np.ndarray):
        header = {
            "kind": "array",
            "rows": len(value),
            "labels": [],
            "shape": list(value.shape),
            "column": _array(value.ravel(), path, buffers),
        }
    elif hasattr(value, "columns"):
        header = _frame_header(value, path, buffers)
    else:
        header = {
            "kind": "series",
            "rows": len(value),
            "labels": [_label(value.name, path)],
            "name": _label(value.name, path),
            "index": _index(value.index, f"{path}.index", buffers),
            "column": _column(value.array, path, buffers),
            "attrs": _attrs(value.attrs, path),
        }
    return _laid_out(header, buffers)


def _laid_out(header: dict[str, Any], buffers: Sequence[Part]) -> list[Part]:
    """Put header and aligned buffers one after the other."""
    lengths = [len(buffer) for buffer in buffers]
    head = _ENCODER.encode({**header, "lengths": lengths})
    # Around the gap stand: the head of the list, those of the gap and of the data.
    gap = -(_HEAD + 1 + len(head) + 2 + 5) % ALIGNED
    size = sum(-(-length // ALIGNED) * ALIGNED for length in lengths)
    parts: list[Part] = [
        b"\x93" + head + b"\xc4" + bytes([gap]) + bytes(gap) + b"\xc6" + size.to_bytes(4, "big")
    ]
    for buffer in buffers:
        parts += (buffer, bytes(-len(buffer) % ALIGNED))
    return parts


def _frame_header(value: pd.DataFrame, path: str, buffers: list[Part]) -> dict[str, Any]:
    return {
        "kind": "frame",
        "rows": len(value),
        "labels": [_label(name, path) for name in value.columns],
        "names": _index(value.columns, f"{path}.columns", buffers),
        "index": _index(value.index, f"{path}.index", buffers),
        "columns": [
            _column(value.iloc[:, place].array, f"{path}.{label}", buffers)
            for place, label in enumerate(value.columns)
        ],
        "attrs": _attrs(value.attrs, path),
    }


def _attrs(attrs: dict[Any, Any], path: str) -> bytes:
    """Give what the frame says of itself, sorted, so that equal frames give equal bytes."""
    plain = _PLAINER.plain(attrs, f"{path}.attrs")
    return canonical(_ENCODER.encode(plain)) if attrs else b""


def _label(name: Any, path: str) -> Any:
    """Give a column's name as plain data; a name of several levels becomes a list."""
    return _PLAINER.plain(name, f"{path}.columns")


def _index(index: pd.Index[Any], path: str, buffers: list[Part]) -> dict[str, Any]:
    import pandas as pd

    names = [_label(name, path) for name in index.names]
    if isinstance(index, pd.RangeIndex):
        return {"names": names, "range": [index.start, index.stop, index.step]}
    if isinstance(index, pd.MultiIndex):
        levels = [index.get_level_values(place) for place in range(index.nlevels)]
        columns = [_column(level.array, path, buffers) for level in levels]
        return {"names": names, "levels": columns, "many": True}
    return {"names": names, "levels": [_column(index.array, path, buffers)], "many": False}


def _column(array: Any, path: str, buffers: list[Part]) -> dict[str, Any]:
    """Give dtype and buffer number of one column."""
    dtype = _dtype(array)
    if isinstance(dtype, np.dtype) and dtype.kind in PLAIN_KINDS:
        return _array(np.asarray(array), path, buffers)
    zone = getattr(dtype, "tz", None)
    if zone is not None:
        if str(zone) not in _UTC:
            raise refuse(path, f"a column in zone {zone}", 'Convert it with tz_convert("UTC")')
        naive = np.asarray(array.tz_convert(None))
        return {**_array(naive, path, buffers), "utc": True}
    if _is_object(dtype) or getattr(dtype, "name", "") in {"str", "string"}:
        return _texts(array, path, buffers)
    raise refuse(path, f"a column of dtype {dtype}")


def _array(array: np.ndarray[Any, Any], path: str, buffers: list[Part]) -> dict[str, Any]:
    dtype = array.dtype
    if dtype.kind in "UO":
        return _texts(array, path, buffers)
    if dtype.kind not in PLAIN_KINDS or dtype.itemsize > MAX_ITEM:
        raise refuse(path, f"an array of dtype {dtype}")
    little = np.ascontiguousarray(array.astype(dtype.newbyteorder("<"), copy=False))
    buffers.append(little.reshape(-1).view(np.uint8).data)
    return {"dtype": little.dtype.str, "at": len(buffers) - 1}


def _texts(array: Any, path: str, buffers: list[Part]) -> dict[str, Any]:
    """Give a column of text, missing text as nil or NaN; anything else is refused by its type."""
    texts: list[str | float | None] = []
    for row, item in enumerate(array):
        if isinstance(item, str):
            texts.append(str.__str__(item))
        elif _is_missing(item):
            texts.append(math.nan if _is_nan(item) else None)
        else:
            raise refuse(f"{path}[{row}]", f"a value of type {type(item).__name__} among text")
    buffers.append(_ENCODER.encode(texts))
    dtype = _dtype(array)
    return {"dtype": dtype.str if dtype.kind == "U" else _text_dtype(dtype), "at": len(buffers) - 1}


def _dtype(array: Any) -> Any:
    """Give the dtype, that of numpy where pandas only wraps it."""
    wrapped = type(array).__name__ == "NumpyExtensionArray"
    return array.dtype.numpy_dtype if wrapped else array.dtype


def _is_object(dtype: object) -> bool:
    return isinstance(dtype, np.dtype) and dtype.kind == "O"


def _text_dtype(dtype: Any) -> str:
    """Name the three ways in which pandas keeps text: objects, and with NaN or NA as missing."""
    return "object" if _is_object(dtype) else "str" if _is_nan(dtype.na_value) else "string"


def _is_nan(item: object) -> bool:
    return isinstance(item, float) and math.isnan(item)


def _is_missing(item: object) -> bool:
    pandas = sys.modules.get("pandas")
    return item is None or _is_nan(item) or (pandas is not None and item is pandas.NA)
