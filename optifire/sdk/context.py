"""What a run is given: configuration, time, data, tables and the bus."""

from __future__ import annotations

import datetime as dt
import logging
import random
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol

from optifire.core.errors import ContractError
from optifire.core.logger import logger as plugin_logger

#: Other names under which fields may be asked for.
ALIASES: Mapping[str, str] = {"event_bus": "bus", "api_client": "http"}


#: A field of the context, of whatever type it has.
Value = Any


class Database(Protocol):
    """The plugin's own tables (``p_<id>_*``) and the shared ``signals``, ``features``, ``metrics``.

    Writes are kept and applied together with the result. A fetch sees the tables as they stood
    when the cycle began; a fetch after a write in the same run is a contract error.
    """

    async def execute(self, sql: str, params: Sequence[Any] | Mapping[str, Any] = ()) -> None:
        """Keep one write for when the run succeeds."""

    async def fetch_one(
        self, sql: str, params: Sequence[Any] | Mapping[str, Any] = ()
    ) -> dict[str, Any] | None:
        """Give the first row of a query by column name, or None."""

    async def fetch_all(
        self, sql: str, params: Sequence[Any] | Mapping[str, Any] = ()
    ) -> list[dict[str, Any]]:
        """Give all rows of a query by column name."""


class EventBus(Protocol):
    """Events leave with the result, after it is committed."""

    async def publish(self, event: str, data: object = None, source: str | None = None) -> None:
        """Keep one event for when the run succeeds."""


@dataclass(frozen=True, slots=True)
class SessionView:
    """The market as of ``context.now``, by the job's calendar.

    `date`, `open`, `close` and `half_day` are those of the session that `now` falls in, else of
    the latest one before it (None when the calendar knows none). `phase` is premarket, regular,
    postmarket or closed.
    """

    calendar: str
    phase: str
    date: dt.date | None = None
    open: dt.datetime | None = None
    close: dt.datetime | None = None
    half_day: bool = False


@dataclass(frozen=True, slots=True)
class BusEvent:
    """One event that a run was started by: name, plain data, and who published it."""

    name: str
    data: Any = None
    source: str = ""


@dataclass
class PluginContext:
    """What one run is given; ``context.bus`` and ``context.get("bus")`` mean the same.

    Attributes
    ----------
    config
        The plugin's settings, merged and checked.
    data
        The shared context: values of other plugins by ``<id>.<key>`` or bare key, as they stood
        when the cycle began, plus the outputs of declared needs. Writes leave with the result.
    now
        The occurrence's due instant, UTC, whatever the clock says; `started` is the clock.
    key
        The run's key as text: the same for every attempt of the same occurrence.
    rng
        A `random.Random` seeded from the key.
    feed
        The data feed as of `now`; the same as ``DataFeed()``.
    data_dir, temp_dir
        A folder that stays and one that ends with the run; both only the plugin's own.
    http
        Fetches from hosts that are granted (`optifire.sdk.http.HttpClient`).
    """

    config: Mapping[str, Any] = field(default_factory=dict)
    db: Database | None = None
    bus: EventBus | None = None
    data: MutableMapping[str, Any] = field(default_factory=dict)
    plugin_id: str = ""
    run_id: str = ""
    key: str = ""
    now: dt.datetime | None = None
    started: dt.datetime | None = None
    session: SessionView | None = None
    events: Sequence[BusEvent] = ()
    rng: random.Random | None = None
    logger: logging.Logger = plugin_logger
    data_dir: Path | None = None
    temp_dir: Path | None = None
    http: Any = None
    feed: Any = None
    secrets: Mapping[str, str] = field(default_factory=dict)

    async def commit(self) -> None:
        """Have what a stream wrote and published so far recorded as one transaction, now.

        Raises
        ------
        ContractError
            The plugin is no stream, whose schedule is ``@continuous``: what other runs leave is
            recorded with their result. Or a statement failed; then nothing of it is recorded.
        """
        raise ContractError(
            "commit() is for streams",
            where=self.plugin_id or "context",
            remedy="Return a result: what the run wrote and published is recorded with it",
        )

    @property
    def event_bus(self) -> EventBus | None:
        """The bus, under its other name."""
        return self.bus

    @property
    def api_client(self) -> object:
        """The http client, under its other name."""
        return self.http

    def __getitem__(self, name: str) -> Value:
        """Give a field by name, as in ``context["bus"]``."""
        if name not in self:
            raise KeyError(name)
        return getattr(self, ALIASES.get(name, name))

    def __contains__(self, name: object) -> bool:
        """Tell whether a field has this name."""
        return name in _FIELDS or name in ALIASES

    def __iter__(self) -> Iterator[str]:
        """Give the names of the fields."""
        return iter(_FIELDS)

    def get(self, name: str, default: Value = None) -> Value:
        """Give a field by name, or the default when there is none or it is None."""
        known = name in _FIELDS or name in ALIASES
        value = self[name] if known else None
        return default if value is None else value


_FIELDS = tuple(entry.name for entry in fields(PluginContext))
