"""`DataFeed`: recorded market data as a plugin asks for it, as of the run's instant."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol, runtime_checkable

import pandas as pd

from optifire.core.errors import ContractError, NoData
from optifire.core.run import Source
from optifire.sdk.scope import current_scope, scope_if_any


@runtime_checkable
class Reader(Protocol):
    """What `DataFeed` asks of its source; `optifire.data.source.BarSource` is the one there is."""

    def bars(
        self,
        symbol: str,
        *,
        asof: datetime,
        limit: int | None,
        freq: str,
        stale_ok: bool,
        adjusted: bool,
    ) -> pd.DataFrame:
        """Give the latest bars known at an instant."""

    def series(
        self, key: str, *, asof: datetime, limit: int | None, freq: str | None, stale_ok: bool
    ) -> pd.Series:
        """Give the latest values of one series known at an instant."""

    def closes(
        self,
        symbols: Sequence[str],
        *,
        asof: datetime,
        limit: int | None,
        freq: str | None,
        stale_ok: bool,
    ) -> pd.DataFrame:
        """Give the values of several series known at an instant, side by side."""


class DataFeed:
    """Recorded data, point in time: nothing is given that was not known at the run's ``now``.

    Parameters
    ----------
    source
        Where data comes from; None: what the run in progress was given.
    now
        The instant to see the world at; None: the run's ``context.now``.

    ``DataFeed()`` works inside ``run()``; tests and notebooks pass both parts. Every answer
    carries ``attrs["provenance"]``: what was asked and given, provider, first and last bar.

    Every method raises `NoData` when there is no such series, nothing was known yet, or its next
    value is overdue (more than three sessions for daily series, one period for slower ones) and
    not ``stale_ok``. A run that ends with `NoData` is recorded ``skipped(no data)``.
    """

    def __init__(self, source: Reader | None = None, *, now: datetime | None = None) -> None:
        self._source = source
        self._now = now

    async def get_bars(
        self,
        symbol: str,
        limit: int | None = None,
        *,
        frequency: str = "1d",
        adjusted: bool = True,
        stale_ok: bool = False,
    ) -> pd.DataFrame:
        """Give the last `limit` bars (None: all), oldest first.

        Parameters
        ----------
        frequency
            ``1d``, ``1w`` or ``1mo``; a slower bar is there once its period has closed.
        adjusted
            Put prices before a split or dividend into the units of the last bar.

        Returns
        -------
        pandas.DataFrame
            (n,) float64 open, high, low, close, volume; NaN where the source has closes only.
            UTC index: the session's date at midnight (week: its Monday, month: its first).
        """
        with self._noted(symbol) as (source, now):
            frame = source.bars(
                symbol, asof=now, limit=limit, freq=frequency, stale_ok=stale_ok, adjusted=adjusted
            )
            self._note_read(symbol, frame.attrs["provenance"])
        return frame

    async def get_series(
        self,
        key: str,
        limit: int | None = None,
        *,
        frequency: str | None = None,
        stale_ok: bool = False,
    ) -> pd.Series:
        """Give the last `limit` values (None: all) of one series, oldest first, float64.

        The value of bars is their adjusted close (``VIX``, ``SPX``); macro series such as ``WTI``,
        ``AAA``, ``BOND_PROXY`` or ``CORE_CPI`` have one of their own, in the unit that the
        provenance names. `frequency` None is the one that the series has.
        """
        with self._noted(key) as (source, now):
            values = source.series(key, asof=now, limit=limit, freq=frequency, stale_ok=stale_ok)
            self._note_read(key, values.attrs["provenance"])
        return values

    async def get_closes(
        self,
        symbols: Sequence[str],
        limit: int | None = None,
        *,
        frequency: str | None = None,
        stale_ok: bool = False,
    ) -> pd.DataFrame:
        """Give the last `limit` rows (None: all) of several series side by side, as `get_series`.

        A row is there when any of the series has one; the others are NaN in it.
        """
        with self._noted(",".join(symbols)) as (source, now):
            table = source.closes(symbols, asof=now, limit=limit, freq=frequency, stale_ok=stale_ok)
            for symbol, provenance in table.attrs["provenance"].items():
                self._note_read(symbol, provenance)
        return table

    @contextmanager
    def _noted(self, asked: str) -> Iterator[tuple[Reader, datetime]]:
        """Give source and instant, and tell the run in progress when there is no data."""
        try:
            yield self._parts(asked)
        except NoData as nothing:
            scope = scope_if_any()
            if scope is not None:
                scope.no_data.append(str(nothing))
            raise

    def _parts(self, asked: str) -> tuple[Reader, datetime]:
        if self._source is not None and self._now is not None:
            return self._source, self._now
        scope = current_scope()
        source = self._source if self._source is not None else scope.bars
        if not isinstance(source, Reader):
            raise ContractError(
                f"this run has no recorded data to answer {asked} from",
                where=scope.plugin_id or "DataFeed",
                remedy="Run it isolated, or pass DataFeed a source",
            )
        return source, self._now if self._now is not None else scope.now

    def _note_read(self, asked: str, provenance: dict[str, Any]) -> None:
        """Make what was read part of the run's lineage."""
        scope = scope_if_any()
        if scope is None:
            return
        last = datetime.fromisoformat(provenance["last_bar"])
        origin = f"{provenance['provider']}:{provenance['given']}:{provenance['dataset'][:16]}"
        as_of = last if last.tzinfo else last.replace(tzinfo=UTC)
        scope.reads[f"feed:{asked}"] = Source(run_id=None, as_of=as_of, origin=origin)
