"""Frames, series and arrays as a header and column buffers; imported only in workers.

The payload of the extension is MessagePack ``[header, [buffer, ...]]``. Buffers are little-endian
and contiguous; text columns are MessagePack lists of str, with nil or NaN where text is missing.
Equal frames give equal bytes.
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
    import numpy as np
    import pandas as pd
else:
    # `wire` imports this module where numpy is imported already; written so that nothing else does.
    np = sys.modules.get("numpy") or importlib.import_module("numpy")

#: Kinds of numpy dtypes that are plain: bool, signed, unsigned, float, instant.
_PLAIN_KINDS: Final = "biufM"
#: float128 and the like are not the same on every machine.
_MAX_ITEM: Final = 8
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
    if kind in "biuSU" or (kind == "f" and size <= _MAX_ITEM):
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


# --- packing ----------------------------------------------------------------------------------


def pack(value: Any, path: str) -> bytes:
    """Give the payload of a frame, series or array of plain dtypes.

    Raises `ContractError` naming the column and the dtype that is not plain.
    """
    buffers: list[bytes] = []
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
    return _ENCODER.encode([header, buffers])


def _frame_header(value: pd.DataFrame, path: str, buffers: list[bytes]) -> dict[str, Any]:
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


def _index(index: pd.Index[Any], path: str, buffers: list[bytes]) -> dict[str, Any]:
    import pandas as pd

    names = [_label(name, path) for name in index.names]
    if isinstance(index, pd.RangeIndex):
        return {"names": names, "range": [index.start, index.stop, index.step]}
    if isinstance(index, pd.MultiIndex):
        levels = [index.get_level_values(place) for place in range(index.nlevels)]
        columns = [_column(level.array, path, buffers) for level in levels]
        return {"names": names, "levels": columns, "many": True}
    return {"names": names, "levels": [_column(index.array, path, buffers)], "many": False}


def _column(array: Any, path: str, buffers: list[bytes]) -> dict[str, Any]:
    """Give dtype and buffer number of one column."""
    dtype = _dtype(array)
    if isinstance(dtype, np.dtype) and dtype.kind in _PLAIN_KINDS:
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


def _array(array: np.ndarray[Any, Any], path: str, buffers: list[bytes]) -> dict[str, Any]:
    dtype = array.dtype
    if dtype.kind in "UO":
        return _texts(array, path, buffers)
    if dtype.kind not in _PLAIN_KINDS or dtype.itemsize > _MAX_ITEM:
        raise refuse(path, f"an array of dtype {dtype}")
    little = np.ascontiguousarray(array.astype(dtype.newbyteorder("<"), copy=False))
    buffers.append(little.tobytes())
    return {"dtype": little.dtype.str, "at": len(buffers) - 1}


def _texts(array: Any, path: str, buffers: list[bytes]) -> dict[str, Any]:
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


# --- unpacking --------------------------------------------------------------------------------


def unpack(payload: memoryview | bytes) -> Any:
    """Give the frame, series or array of a payload, in memory of its own that may be written to."""
    header, buffers = msgspec.msgpack.decode(payload)
    if header["kind"] == "array":
        return _opened(header["column"], buffers).reshape(header["shape"])
    import pandas as pd

    index = _opened_index(header["index"], buffers)
    if header["kind"] == "series":
        made: Any = _opened_series(header["column"], buffers, index)
        made.name = _hashable(header["name"])
    else:
        columns = [_opened_series(spec, buffers, index) for spec in header["columns"]]
        made = pd.DataFrame(dict(enumerate(columns)), index=index)
        made.columns = _opened_index(header["names"], buffers)
    if header["attrs"]:
        made.attrs = msgspec.msgpack.decode(header["attrs"])
    return made


def _opened_series(spec: dict[str, Any], buffers: list[bytes], index: pd.Index[Any]) -> Any:
    import pandas as pd

    # The dtype is said where pandas would read objects that are all text as dtype str.
    dtype = object if spec["dtype"] == "object" else None
    return pd.Series(_opened(spec, buffers), index=index, dtype=dtype, copy=False)


def _hashable(name: Any) -> Any:
    return tuple(name) if isinstance(name, list) else name


def _opened_index(spec: dict[str, Any], buffers: list[bytes]) -> pd.Index[Any]:
    import pandas as pd

    names = [_hashable(name) for name in spec["names"]]
    if "range" in spec:
        start, stop, step = spec["range"]
        return pd.RangeIndex(start, stop, step, name=names[0])
    levels = [_opened_level(level, buffers) for level in spec["levels"]]
    if spec["many"]:
        return pd.MultiIndex.from_arrays(levels, names=names)
    return levels[0].rename(names[0])


def _opened_level(spec: dict[str, Any], buffers: list[bytes]) -> pd.Index[Any]:
    import pandas as pd

    dtype = object if spec["dtype"] == "object" else None
    index: pd.Index[Any] = pd.Index(_opened(spec, buffers), dtype=dtype)
    return index


def _opened(spec: dict[str, Any], buffers: list[bytes]) -> Any:
    raw = buffers[spec["at"]]
    dtype = spec["dtype"]
    if dtype in {"object", "str", "string"}:
        return _opened_texts(dtype, msgspec.msgpack.decode(raw))
    if np.dtype(dtype).kind == "U":
        return np.array(msgspec.msgpack.decode(raw), dtype=dtype)
    array = np.frombuffer(raw, dtype=dtype).copy()
    if not spec.get("utc"):
        return array
    import pandas as pd

    return pd.DatetimeIndex(array).tz_localize("UTC").array


def _opened_texts(dtype: str, texts: list[str | float | None]) -> Any:
    """Give text as it was kept, missing text as the dtype has it."""
    if dtype == "object":
        made = np.empty(len(texts), dtype=object)
        made[:] = texts
        return made
    import pandas as pd

    return pd.array(texts, dtype="str" if dtype == "str" else "string")
