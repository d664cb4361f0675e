"""Joins what a test asks for: the parts of a host, as the service joins its own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from optifire.app.joining import Calendars, Configuration, read_configuration
from optifire.child import LazyBars, surroundings
from optifire.core.errors import ConfigError, ContractError
from optifire.core.job import Placement
from optifire.core.ledger import Batch, ContextValue, RunRow, Statement, TableWrites
from optifire.core.run import RunKey, RunKind, RunStatus
from optifire.core.types import PluginId, fold_id
from optifire.host.build import Ground, build_catalog
from optifire.host.catalog import HOST_NAMES, Catalog
from optifire.host.descriptions import Descriptions
from optifire.runtime.aps_trigger import rebuild
from optifire.runtime.blackboard import Blackboard, marker_of
from optifire.runtime.clock import VirtualClock
from optifire.runtime.engine import Program, Rooms
from optifire.runtime.recorder import LiveRecorder
from optifire.runtime.runner import Runner
from optifire.runtime.slots import Slots
from optifire.runtime.standings import Standings
from optifire.store.memory import MemoryStore
from optifire.testing.asked import ONLY
from optifire.testing.feeds import reader_of
from optifire.testing.subjects import (
    GIVEN,
    Describing,
    Subject,
    discovery_of,
    stand_ins,
    subjects_of,
)
from optifire.testing.worker import KitWorker
from optifire.workers.messages import ChildSettings
from optifire.workers.wire import encode_value

if TYPE_CHECKING:
    import datetime as dt

    from optifire.host.home import Home
    from optifire.runtime.recorder import Listener
    from optifire.testing.asked import Asked

#: As many runs at once as the reference machine makes.
CONCURRENCY = 2


class KitClock(VirtualClock):
    """Virtual time for the live path: nothing is late, and the machine may be looked at."""

    timeless = False


@dataclass(slots=True)
class Joined:
    """The parts of one host."""

    subjects: Mapping[str, Subject]
    catalog: Catalog
    program: Program
    rooms: Rooms
    store: MemoryStore
    worker: KitWorker


async def join(
    plugins: Sequence[object], asked: Asked, home: Home, start: dt.datetime, listener: Listener
) -> Joined:
    """Make the parts of a host whose virtual present is `start`.

    Raises
    ------
    OptifireError
        A plugin or its configuration is at fault.
    """
    subjects = subjects_of(plugins)
    data = {name: value for name, value in asked.data.items() if name not in HOST_NAMES}
    given = stand_ins(data, subjects)
    write_configuration(home, asked, list(subjects), sorted(given.keys() - subjects.keys()))
    configuration = read_configuration(home)
    calendars = Calendars(home)
    catalog = await build_catalog(
        ground=Ground(Descriptions(Describing(subjects, given)), calendars.get, rebuild),
        features=configuration.features,
        settings=configuration.settings,
        discovery=discovery_of(subjects, given),
        variables=configuration.variables,
    )
    for listed in catalog.plugins.values():
        if listed.error is not None:
            raise listed.error
    store, clock = MemoryStore(), KitClock(start)
    await store.open()
    await _put_rows(store, asked.tables, subjects, start)
    board = Blackboard(_values(data, subjects, catalog, start))
    calendar = await calendars.get("XNYS")
    settings = _child_settings(home, configuration)
    bars = reader_of(asked.bars, home.root, calendar, settings.aliases)
    around = replace(surroundings(settings, LazyBars(settings)), bars=bars)
    fixed = {name: value for name, value in asked.data.items() if name in HOST_NAMES}
    lazy = {name: (lambda value=value: value) for name, value in fixed.items()}
    around = replace(around, values={**around.values, **lazy})
    worker = KitWorker(subjects, around, home.data, strict=asked.strict)
    standings = Standings()
    standings.adopt(catalog.jobs, start)
    rooms = Rooms(
        clock,
        LiveRecorder(store, board, clock, listener),
        Runner(dict.fromkeys(Placement, worker), clock),
        board,
        Slots(CONCURRENCY),
        standings=standings,
    )
    program = Program(catalog.jobs, catalog.graph)
    return Joined(subjects, catalog, program, rooms, store, worker)


def write_configuration(
    home: Home, asked: Asked, plugin_ids: Sequence[str], others: Sequence[str] = ()
) -> None:
    """Write the configuration that a person would have written, to be read as any other."""
    entries: dict[str, dict[str, Any]] = {each: {"enabled": True} for each in plugin_ids}
    folded = {fold_id(each): each for each in plugin_ids}
    if len(plugin_ids) == 1:
        folded[ONLY] = plugin_ids[0]
    for name, config in asked.config.items():
        entries[_known(name, folded, "config")]["config"] = dict(config)
    for name, entry in asked.features.items():
        entries[_known(name, folded, "features")].update(entry)
    entries |= {each: {"enabled": True} for each in others}
    home.configs.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"environment": "demo", "plugins": entries}, indent=1)
    (home.configs / "features.json").write_text(text, encoding="utf-8")


def _known(name: str, folded: Mapping[str, str], what: str) -> str:
    if fold_id(name) not in folded:
        raise ConfigError(
            f"no plugin of this test has the id {name!r}",
            where=what,
            remedy=f"It has {', '.join(sorted(set(folded.values())))}",
        )
    return folded[fold_id(name)]


def _child_settings(home: Home, configuration: Configuration) -> ChildSettings:
    data = configuration.settings.data
    return ChildSettings(str(home.root), aliases=dict(data.aliases), symbol=data.default_symbol)


def _values(
    data: Mapping[str, Any], subjects: Mapping[str, Subject], catalog: Catalog, at: dt.datetime
) -> list[ContextValue]:
    """Give what a test has given as its producers would have published it."""
    found: list[ContextValue] = []
    for producer, keys in stand_ins(data, subjects).items():
        owner = PluginId(producer)
        run_id = RunKey(owner, at, kind=RunKind.MANUAL).run_id

        def value(name: str, key: str, held: Any) -> ContextValue:  # noqa: ANN401 - plain values
            encoded = encode_value(held, f"data[{name!r}]")
            return ContextValue(name, owner, key, run_id, at, 0, encoded)  # noqa: B023 - used here

        for key in keys:
            full = f"{producer}.{key}"
            held = data[full] if full in data else data[key]
            found.append(value(full, key, held))
            if catalog.graph.publishes_bare(owner, key):
                found.append(value(key, key, held))
        found.append(ContextValue(producer, owner, "", run_id, at, 0, marker_of(keys)))
    return found


async def _put_rows(
    store: MemoryStore,
    tables: Mapping[str, Sequence[Mapping[str, Any]]],
    subjects: Mapping[str, Subject],
    at: dt.datetime,
) -> None:
    """Write the rows that are there before, each by the plugin that it is said to be of."""
    for table, rows in tables.items():
        owner = _owner(table, subjects)
        whose: dict[str, list[Statement]] = {}
        for row in rows:
            columns = {name: value for name, value in row.items() if owner or name != "plugin_id"}
            plugin_id = owner or str(row.get("plugin_id") or GIVEN)
            statements = whose.setdefault(plugin_id, _creation(table, columns) if owner else [])
            marks = ", ".join("?" * len(columns))
            sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - a test's
            statements.append(Statement(sql, encode_value(list(columns.values()), table)))
        for plugin_id, statements in whose.items():
            await _commit(store, PluginId(plugin_id), table, tuple(statements), at)


def _owner(table: str, subjects: Mapping[str, Subject]) -> str:
    """Give the plugin whose own table this is, empty for a shared one."""
    owners = [each for each in subjects if table.startswith(f"p_{fold_id(each)}_")]
    return max(owners, key=len, default="")


def _creation(table: str, row: Mapping[str, Any]) -> list[Statement]:
    sql = f"CREATE TABLE IF NOT EXISTS {table} ({', '.join(row)})"
    return [Statement(sql, encode_value([], table))]


async def _commit(
    store: MemoryStore,
    plugin_id: PluginId,
    table: str,
    statements: tuple[Statement, ...],
    at: dt.datetime,
) -> None:
    key = RunKey(plugin_id, at, kind=RunKind.BACKFILL)
    turn = 0
    while await store.ledger.run(key.run_id) is not None:
        turn += 1
        key = RunKey(plugin_id, at, turn, RunKind.BACKFILL)
    row = RunRow(key, key.run_id, RunStatus.SUCCEEDED, trigger="given by the test")
    writes = TableWrites(key.run_id, plugin_id, at, statements)
    for refused in await store.commit(Batch(runs=[row], writes=[writes])):
        raise ContractError(refused.failure.message, where=f"tables[{table!r}]")
