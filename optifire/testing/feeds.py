"""Recorded data for tests: the built-in series, frames of one's own over them, or none at all."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn

from optifire.core.errors import ContractError, NoData

if TYPE_CHECKING:
    from pathlib import Path

    from optifire.core.calendar import Calendar
    from optifire.core.ports import BarReader, Frame


class NoBars:
    """A reader of recorded data that has nothing: every question is answered with `NoData`."""

    def bars(self, symbol: str, **_: Any) -> NoReturn:  # noqa: ANN401 - any question
        """Say that there are no bars."""
        raise NoData("there is no data at all in this test", where=f"bars {symbol}")

    def series(self, key: str, **_: Any) -> NoReturn:  # noqa: ANN401 - as above
        """Say that there is no such series."""
        raise NoData("there is no data at all in this test", where=f"series {key}")

    def closes(self, symbols: object, **_: Any) -> NoReturn:  # noqa: ANN401 - as above
        """Say that there are no such series."""
        raise NoData("there is no data at all in this test", where=f"closes {symbols}")


@lru_cache(maxsize=4)
def _builtin(calendar: Calendar) -> BarReader:
    from optifire.data.source import BarSource

    return BarSource(None, calendar, watch=False)


def reader_of(
    bars: Mapping[str, Frame] | BarReader | None,
    home: Path,
    calendar: Calendar,
    aliases: Mapping[str, str],
) -> BarReader:
    """Give the reader of recorded data that a test asks for.

    Frames are written where a user's own files lie, so that they are read, checked and become
    known as those do.
    """
    if bars is None and not aliases:
        return _builtin(calendar)  # type: ignore[arg-type] # calendars are values, or compare by id
    if bars is not None and not isinstance(bars, Mapping):
        return bars
    from optifire.data.source import BarSource

    for symbol, frame in (bars or {}).items():
        _write(frame, symbol, home / "data" / "bars" / f"{symbol}.csv")
    return BarSource(home, calendar, aliases, watch=False)


def _write(frame: Frame, symbol: str, file: Path) -> None:
    """Write one frame as a user's file; its index is the column ``ts`` unless it has one."""
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise ContractError(
            f"a {type(frame).__name__} is no frame of bars",
            where=f"bars[{symbol!r}]",
            remedy="Give a pandas DataFrame with open, high, low, close, volume",
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    if "ts" in frame.columns:
        frame.to_csv(file, index=False)
    else:
        frame.rename_axis("ts").to_csv(file, date_format="%Y-%m-%dT%H:%M:%S%z")
