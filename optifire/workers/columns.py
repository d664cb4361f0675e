"""Columns out of buffers: copies, or views of a file that is shared."""

# ruff: noqa: ANN401 - the wire: values of any plain type

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any, Final

import msgspec

from optifire.workers.frames import MAX_ITEM, PLAIN_KINDS

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
else:
    np = sys.modules.get("numpy") or importlib.import_module("numpy")

_TEXTS: Final = frozenset({"object", "str", "string"})


def _hashable(name: Any) -> Any:
    return tuple(name) if isinstance(name, list) else name


class Columns:
    """Makes columns of buffers."""

    def __init__(self, buffers: list[memoryview], *, shared: bool) -> None:
        self._buffers = buffers
        self._shared = shared

    def frame(self, header: dict[str, Any]) -> pd.DataFrame:
        """Give the frame of a header."""
        import pandas as pd

        index = self._index(header["index"])
        columns = [self._series(spec, index) for spec in header["columns"]]
        made = pd.DataFrame(dict(enumerate(columns)), index=index, copy=not self._shared)
        made.columns = self._index(header["names"])
        return made

    def series(self, header: dict[str, Any]) -> pd.Series[Any]:
        """Give the series of a header."""
        made = self._series(header["column"], self._index(header["index"]))
        made.name = _hashable(header["name"])
        return made

    def array(self, spec: dict[str, Any]) -> np.ndarray[Any, Any]:
        """Give a bare array; nothing copies it on a write, so nobody may write to it."""
        array: np.ndarray[Any, Any] = self._column(spec)
        array.flags.writeable = False
        return array

    def _series(self, spec: dict[str, Any], index: pd.Index[Any]) -> pd.Series[Any]:
        import pandas as pd

        # The dtype is said where pandas would read objects that are all text as dtype str.
        dtype = object if spec["dtype"] == "object" else None
        return pd.Series(self._column(spec), index=index, dtype=dtype, copy=False)

    def _index(self, spec: dict[str, Any]) -> pd.Index[Any]:
        import pandas as pd

        names = [_hashable(name) for name in spec["names"]]
        if "range" in spec:
            start, stop, step = spec["range"]
            return pd.RangeIndex(start, stop, step, name=names[0])
        levels = [self._level(level) for level in spec["levels"]]
        if spec["many"]:
            return pd.MultiIndex.from_arrays(levels, names=names)
        return levels[0].rename(names[0])

    def _level(self, spec: dict[str, Any]) -> pd.Index[Any]:
        import pandas as pd

        dtype = object if spec["dtype"] == "object" else None
        index: pd.Index[Any] = pd.Index(self._column(spec), dtype=dtype, copy=False)
        return index

    def _column(self, spec: dict[str, Any]) -> Any:
        raw, name = self._buffers[spec["at"]], spec["dtype"]
        if name in _TEXTS:
            return _texts(name, msgspec.msgpack.decode(raw))
        dtype = np.dtype(name)
        if dtype.kind == "U":
            return np.array(msgspec.msgpack.decode(raw), dtype=dtype)
        if dtype.kind not in PLAIN_KINDS or dtype.itemsize > MAX_ITEM:
            raise ValueError(f"a column of dtype {name}")
        array = np.frombuffer(raw, dtype=dtype)
        if not self._shared or not array.flags.aligned:
            array = array.copy()
        if not spec.get("utc"):
            return array
        import pandas as pd

        # Whole numbers with a zone are instants already; a tz_localize would copy them.
        zoned: Any = f"datetime64[{np.datetime_data(dtype)[0]}, UTC]"
        return pd.DatetimeIndex(array.view(np.int64), dtype=zoned, copy=False).array


def _texts(dtype: str, texts: list[str | float | None]) -> Any:
    """Give text as it was kept, missing text as the dtype has it."""
    if dtype == "object":
        made = np.empty(len(texts), dtype=object)
        made[:] = texts
        return made
    import pandas as pd

    return pd.array(texts, dtype="str" if dtype == "str" else "string")
