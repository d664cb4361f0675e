"""The point-in-time reader of recorded data: `BarSource`, which workers share by fork."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import index
from pathlib import Path
from typing import Any, Final

import pandas as pd

from optifire.core.calendar import Calendar
from optifire.core.errors import ConfigError, ContractError, NoData
from optifire.data.bars import BarStore, check_symbol
from optifire.data.known import label_text, micros
from optifire.data.providers.files import SCHEMAS
from optifire.data.recorded import Recorded, labels_of, side_by_side

#: Shipped with the built-in data; the settings may say otherwise.
DEFAULT_ALIASES: Final[Mapping[str, str]] = {"SPY": "SPX"}


@dataclass(frozen=True, slots=True)
class Standing:
    """One series as it stands at an instant: how many of its rows are known."""

    asked: str
    series: Recorded
    seen: int
    asof: datetime

    def frame(self, limit: int | None, *, adjust: bool) -> pd.DataFrame:
        """Give the last rows, with where they came from in ``attrs["provenance"]``."""
        frame = self.series.rows(self.seen, limit, adjust=adjust)
        frame.attrs["provenance"] = self._provenance(frame.index, adjusted=adjust)
        return frame

    def values(self, limit: int | None) -> pd.Series:
        """Give the last values likewise, named as they were asked for."""
        values = self.series.values(self.seen, limit).rename(self.asked)
        values.attrs["provenance"] = self._provenance(values.index, adjusted=True)
        return values

    def _provenance(self, labels: pd.Index, *, adjusted: bool) -> dict[str, Any]:
        info = self.series.info
        return {
            "asked": self.asked,
            "given": info.key,
            "kind": info.kind,
            "provider": info.provider,
            "dataset": info.dataset,
            "frequency": info.frequency,
            "adjusted": info.adjusted or (adjusted and self.series.factor is not None),
            "derived": info.derived,
            "first_bar": label_text(int(labels_of(labels)[0])),
            "last_bar": label_text(self.series.last_label(self.seen)),
            "asof": self.asof.isoformat(),
            "missing_sessions": self.series.gaps(self.seen, len(labels)),
            "unit": info.unit,
            "note": info.note,
        }


class BarSource:
    """Recorded data as it was known at an instant; satisfies `optifire.core.ports.BarReader`.

    Parameters
    ----------
    home
        The folder with the user's ``data/``; None: built-in data only.
    calendar
        The exchange's sessions (XNYS for the built-in data), by which values become known.
    aliases
        Symbol to symbol, over `DEFAULT_ALIASES`. A user's own file of the name asked for goes
        before an alias, an alias before a built-in series.
    watch
        False in a replay: nothing is looked at again once it is loaded.

    Every method is synchronous, reads each series once a process, and costs microseconds then.
    `warm` it before a fork and the children share the memory.
    """

    def __init__(
        self,
        home: Path | None,
        calendar: Calendar,
        aliases: Mapping[str, str] | None = None,
        *,
        watch: bool = True,
    ) -> None:
        self._store = BarStore(home, calendar, watch=watch)
        self._aliases = {**DEFAULT_ALIASES, **(aliases or {})}
        for asked in self._aliases:
            self._check_alias(asked)

    def warm(self, keys: Sequence[str] | None = None) -> None:
        """Load series into this process: the named ones, aliases followed, else all built-in."""
        named = None if keys is None else [self._given("bars", check_symbol(key)) for key in keys]
        self._store.warm(named)

    def bars(
        self,
        symbol: str,
        *,
        asof: datetime,
        limit: int | None = None,
        freq: str = "1d",
        stale_ok: bool = False,
        adjusted: bool = True,
    ) -> pd.DataFrame:
        """Give the latest bars known at `asof`, oldest first.

        Returns
        -------
        pandas.DataFrame
            float64 columns open, high, low, close, volume; NaN where the source has closes only.
            Index ``ts``: UTC, the session's date at midnight (week: its Monday, month: its first).
            With `adjusted`, prices before a split or dividend are in the units of the last row
            (point in time; where the source tells). ``attrs["provenance"]`` says what was given.

        Raises
        ------
        NoData
            No such series, nothing known yet, or the series has ended and not `stale_ok`.
        """
        view = self._view(("bars",), symbol, asof, freq, stale_ok=stale_ok)
        return view.frame(_checked(limit), adjust=adjusted)

    def series(
        self,
        key: str,
        *,
        asof: datetime,
        limit: int | None = None,
        freq: str | None = None,
        stale_ok: bool = False,
    ) -> pd.Series:
        """Give the latest values known at `asof` of one series, oldest first, float64.

        The value of a bar is its close, adjusted as in `bars`; macro series have one of their own.
        `freq` None is the frequency that the series has. Index, attrs and errors as in `bars`.
        """
        view = self._view(("bars", "macro"), key, asof, freq, stale_ok=stale_ok)
        return view.values(_checked(limit))

    def closes(
        self,
        symbols: Sequence[str],
        *,
        asof: datetime,
        limit: int | None = None,
        freq: str | None = None,
        stale_ok: bool = False,
    ) -> pd.DataFrame:
        """Give the values of several series side by side, NaN where one has no row.

        `limit` counts rows of the table. ``attrs["provenance"]`` is keyed by symbol.
        """
        if not symbols:
            raise ContractError("no symbols were asked for", where="DataFeed", remedy="Name one")
        # The table's last rows hold at most as many rows of each series.
        views = {
            key: self._view(("bars", "macro"), key, asof, freq, stale_ok=stale_ok)
            for key in symbols
        }
        parts = {key: view.values(_checked(limit)) for key, view in views.items()}
        table = side_by_side(parts, _checked(limit))
        provenance = {key: part.attrs["provenance"] for key, part in parts.items()}
        table.attrs["provenance"] = provenance
        return table

    def _view(
        self, kinds: Sequence[str], asked: str, asof: datetime, freq: str | None, *, stale_ok: bool
    ) -> Standing:
        """Give the first series that goes on at `asof`; with `stale_ok`, else the longest one."""
        instant = micros(asof)
        views: list[Standing] = []
        for series in self._candidates(kinds, check_symbol(asked)):
            made = series if freq is None else self._store.at_frequency(series, freq, instant)
            seen = made.seen(instant)
            if seen and not made.is_overdue(seen, instant):
                return Standing(asked, made, seen, asof)
            if seen:
                views.append(Standing(asked, made, seen, asof))
        where = f"{kinds[0]} {asked}"
        if not views:
            raise NoData(
                f"nothing was known by {asof.isoformat()}",
                where=where,
                remedy="Ask for a later instant, or add older data",
            )
        newest = max(views, key=lambda view: view.series.last_label(view.seen))
        if stale_ok:
            return newest
        raise NoData(
            f"last bar {label_text(newest.series.last_label(newest.seen))}",
            where=where,
            remedy="Bring the data up to date, or ask with stale_ok=True",
        )

    def _candidates(self, kinds: Sequence[str], asked: str) -> Sequence[Recorded]:
        """Give what answers to that name: of the first kind that has anything."""
        for kind in kinds:
            if found := self._store.series(kind, self._given(kind, asked)):
                return found
        wanted = " or ".join(kinds)
        first = kinds[0]
        raise NoData(
            f"there are no {wanted} of {asked}",
            where=f"{first} {asked}",
            remedy=f"Put data/{first}/{asked}.csv into the home, with the columns "
            f"{SCHEMAS[first].text}",
        )

    def _given(self, kind: str, asked: str) -> str:
        alias = self._aliases.get(asked)
        if alias is None or self._store.user_series(kind, asked) is not None:
            return asked
        return alias

    def _check_alias(self, asked: str) -> None:
        given = check_symbol(self._aliases[check_symbol(asked)])
        if given in self._aliases:
            raise ConfigError(
                f"{asked} stands for {given}, which is an alias itself",
                where="config.yaml, data.aliases",
                remedy=f"Let {asked} name a series, not an alias",
            )


def _checked(limit: int | None) -> int | None:
    try:
        number = None if limit is None else index(limit)
    except TypeError:
        number = 0
    if number is not None and number < 1:
        raise ContractError(
            f"limit is {limit!r}", where="DataFeed", remedy="Ask for a whole number from 1 on"
        )
    return number
