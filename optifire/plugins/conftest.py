"""What the suites of the bundled plugins share: recorded closes, and one run as of an instant."""

import datetime as dt
import sqlite3
import warnings
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import exchange_calendars
import pandas as pd
import pytest

from optifire.core.calendar import RegularHours, SessionTable
from optifire.core.errors import ContractError
from optifire.data.source import BarSource
from optifire.plugins import Plugin, PluginContext, PluginResult
from optifire.sdk.scope import Scope, in_scope

END = dt.datetime(2019, 1, 10, tzinfo=dt.UTC)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
#: The tables that all plugins share, and their columns.
SHARED = {
    "features": "symbol, feature_name, value",
    "signals": "symbol, signal_type, value, strength, price, size, reason",
    "metrics": "name, value, unit, tags",
}
HOUR = dt.timedelta(hours=1)


@pytest.fixture(scope="session")
def sessions() -> SessionTable:
    """Give the sessions of the New York Stock Exchange, 1990 to 2022."""
    first, last = dt.date(1990, 1, 2), dt.date(2022, 12, 30)
    with warnings.catch_warnings(action="ignore"):  # its own, about its own use of pandas
        calendar = exchange_calendars.get_calendar("XNYS", start=str(first), end=str(last))
        opens, closes = calendar.opens_nanos.tolist(), calendar.closes_nanos.tolist()
    opens, closes = (
        [EPOCH + dt.timedelta(microseconds=n // 1000) for n in x] for x in (opens, closes)
    )
    return SessionTable(
        name="XNYS",
        tz="America/New_York",
        first=first,
        horizon=last,
        regular=RegularHours(9.5 * HOUR, 16 * HOUR),
        dates=[opening.date() for opening in opens],
        opens=opens,
        closes=closes,
    )


@pytest.fixture(scope="session")
def source(sessions: SessionTable) -> BarSource:
    """Give the built-in data set, point in time."""
    return BarSource(None, sessions, watch=False)


@pytest.fixture(scope="session")
def vix(source: BarSource) -> pd.Series:
    """Give every recorded close of the VIX, 2014-01-03 to 2019-01-03, in points."""
    return source.series("VIX", asof=END, stale_ok=True)


@pytest.fixture(scope="session")
def spx(source: BarSource) -> pd.Series:
    """Give the closes of the S&P 500 from 1999 to 2018."""
    return source.series("SPX", asof=END, stale_ok=True).loc["1999":"2018"]


@pytest.fixture(scope="session")
def spx_monthly(source: BarSource) -> pd.Series:
    """Give the last close of each month of 1999 to 2018, labelled by its first day."""
    monthly = source.series("SPX", asof=END, freq="1mo", stale_ok=True)
    return monthly.loc["1999":"2018"]


@pytest.fixture(scope="session")
def bond(source: BarSource) -> pd.Series:
    """Give monthly total returns derived from the AAA yield, as fractions."""
    return source.series("BOND_PROXY", asof=END, stale_ok=True)


class Tables:
    """Tables as a run sees them: a fetch sees what was there before, writes are kept aside."""

    def __init__(self) -> None:
        self.writes: list[tuple[str, Sequence[Any]]] = []
        self._sqlite = sqlite3.connect(":memory:")
        weakref.finalize(self, self._sqlite.close)
        self._sqlite.row_factory = sqlite3.Row
        for table, columns in SHARED.items():
            filled = "plugin_id DEFAULT '', at_us DEFAULT 0"
            self._sqlite.execute(f"CREATE TABLE {table} ({columns}, {filled})")

    async def execute(self, sql: str, params: Sequence[Any] | Mapping[str, Any] = ()) -> None:
        """Keep one write."""
        self.writes.append((sql, list(params)))

    async def fetch_one(
        self, sql: str, params: Sequence[Any] | Mapping[str, Any] = ()
    ) -> dict[str, Any] | None:
        """Give the first row, or None."""
        rows = await self.fetch_all(sql, params)
        return rows[0] if rows else None

    async def fetch_all(
        self, sql: str, params: Sequence[Any] | Mapping[str, Any] = ()
    ) -> list[dict[str, Any]]:
        """Give all rows as they were when the run began."""
        if self.writes:
            raise ContractError("a fetch after a write", where=sql)
        return [dict(row) for row in self._sqlite.execute(sql, params)]

    def commit(self, plugin_id: str, now: dt.datetime) -> None:
        """Apply what was kept, as the host does when a run succeeds, and say whose it was."""
        at_us = (now - EPOCH) // dt.timedelta(microseconds=1)
        with self._sqlite:
            for sql, params in self.writes:
                self._sqlite.execute(sql, params)
            for table in SHARED:
                self._sqlite.execute(
                    f"UPDATE {table} SET plugin_id = ?, at_us = ? WHERE plugin_id = ''",  # noqa: S608 - one of ours
                    (plugin_id, at_us),
                )
        self.writes.clear()

    def close(self) -> None:
        """Let the database go."""
        self._sqlite.close()


@dataclass
class Bus:
    """A bus that keeps what was published: (event, data, source)."""

    events: list[tuple[str, Any, str | None]] = field(default_factory=list)

    async def publish(self, event: str, data: object = None, source: str | None = None) -> None:
        """Keep one event."""
        self.events.append((event, data, source))


class Blackboard(dict[str, Any]):
    """A shared context that keeps which keys were asked for."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401 - as of a mapping
        """Give one value and keep that it was asked for."""
        self.asked.add(key)
        return super().get(key, default)

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401 - as of a mapping
        self.asked.add(key)
        return super().__getitem__(key)


class Host:
    """Runs plugins as of an instant on the built-in data, and commits what a success left."""

    def __init__(self, source: BarSource) -> None:
        self.tables = Tables()
        self.bus = Bus()
        self.reads: set[str] = set()
        self.asked: set[str] = set()
        self._source = source

    async def run(
        self,
        plugin: Plugin,
        now: dt.datetime,
        *,
        data: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> PluginResult:
        """Make one run; what it read is in `reads` (recorded data) and `asked` (context)."""
        board = Blackboard(data or {})
        context = PluginContext(
            config=dict(config or {}),
            db=self.tables,
            bus=self.bus,
            data=board,
            plugin_id=plugin.metadata.plugin_id,
            now=now,
            started=now,
        )
        with in_scope(Scope(now=now, bars=self._source)) as scope:
            result = await plugin.run(context)
        self.reads, self.asked = set(scope.reads), board.asked
        if result.success:
            self.tables.commit(plugin.metadata.plugin_id, now)
        return result


@pytest.fixture
def host(source: BarSource) -> Iterator[Host]:
    """Give a host with empty tables."""
    made = Host(source)
    yield made
    made.tables.close()
