"""The shared context: committed values by name, and how a cycle sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import msgspec

from optifire.core.errors import ContractError
from optifire.core.ports import Given, TableReader
from optifire.core.run import Source
from optifire.core.types import Encoded, PluginId

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from optifire.core.ledger import ContextValue

_pack = msgspec.msgpack.Encoder().encode
_MAP_16 = 0xDE
_FIX_MAP = 0x80
_MOST_IN_FIX_MAP = 15


def given_of(value: ContextValue) -> Given:
    """Give a published value as a run is given it."""
    return Given(value.value, Source(value.run_id, value.as_of))


def marker_of(keys: Iterable[str]) -> Encoded:
    """Encode what a success leaves under the plugin's own id: the keys it published."""
    return Encoded(_pack(sorted(keys)))


def compose(parts: Mapping[str, Encoded]) -> Encoded:
    """Join encoded values to one encoded mapping, without looking into them."""
    count = len(parts)
    head = bytes([_FIX_MAP | count]) if count <= _MOST_IN_FIX_MAP else _long_head(count)
    body = b"".join(msgspec.msgpack.encode(key) + parts[key] for key in sorted(parts))
    return Encoded(head + body)


def _long_head(count: int) -> bytes:
    return bytes([_MAP_16]) + count.to_bytes(2, "big")


class Blackboard:
    """The last committed value of every name; snapshots are free until the next write.

    A name is ``<id>.<key>``, a bare key that has one owner, or a plugin id (which marks the
    plugin's last success and lists its keys).
    """

    def __init__(self, values: Iterable[ContextValue] = ()) -> None:
        self._values: dict[str, ContextValue] = {value.name: value for value in values}
        self._shared = False

    def snapshot(self) -> Mapping[str, ContextValue]:
        """Give all values as they are now; later writes do not change what was given."""
        self._shared = True
        return self._values

    def get(self, name: str) -> ContextValue | None:
        """Give the value of a name as committed last."""
        return self._values.get(name)

    def left_by(self, run_id: str) -> dict[str, ContextValue]:
        """Give the values that one run left and no other has replaced, by name."""
        return {name: held for name, held in self._values.items() if held.run_id == run_id}

    def owner_of_bare(self, key: str) -> PluginId | None:
        """Give the plugin that a bare name belongs to by an earlier write, None if free."""
        value = self._values.get(key)
        return value.producer if value is not None and value.key == key else None

    def apply(self, values: Sequence[ContextValue]) -> None:
        """Take over committed values; a late one never replaces one that is newer."""
        if not values:
            return
        if self._shared:
            self._values = dict(self._values)
            self._shared = False
        for value in values:
            held = self._values.get(value.name)
            if held is None or (held.as_of, held.turn) <= (value.as_of, value.turn):
                self._values[value.name] = value


class CycleView:
    """What the runs of one cycle may see beyond what they are handed.

    Parameters
    ----------
    values
        The shared context as it stood when the cycle began.
    reader
        The tables at the same point; None where there are none.
    """

    def __init__(self, values: Mapping[str, ContextValue], reader: TableReader | None) -> None:
        self.values = values
        self._reader = reader

    def names(self) -> Sequence[str]:
        """Give the names of all values that stood when the cycle began, sorted."""
        return sorted(self.values)

    def value(self, name: str) -> Given | None:
        """Give one value of then; under a plugin's id, the mapping of what it published."""
        held = self.values.get(name)
        if held is None:
            return None
        return given_of(held) if held.key else given_all(held, self.values)

    async def fetch(self, sql: str, params: Encoded, *, one: bool, plugin_id: str) -> Encoded:
        """Answer a query of one plugin on the tables of then."""
        if self._reader is None:
            raise ContractError("there are no tables here", remedy="Use a host with a store")
        return await self._reader.fetch(sql, params, one=one, plugin_id=plugin_id)

    async def close(self) -> None:
        """Let the point in time go."""
        if self._reader is not None:
            await self._reader.close()


@dataclass(frozen=True, slots=True)
class RunView:
    """What one run may see of its cycle's view: all values, and the tables that are its own."""

    cycle: CycleView
    plugin_id: PluginId

    def names(self) -> Sequence[str]:
        """Give the names of all values that stood when the cycle began, sorted."""
        return self.cycle.names()

    def value(self, name: str) -> Given | None:
        """Give one value of then, or None."""
        return self.cycle.value(name)

    async def fetch(self, sql: str, params: Encoded, *, one: bool) -> Encoded:
        """Answer a query on own and shared tables of then."""
        return await self.cycle.fetch(sql, params, one=one, plugin_id=self.plugin_id)


@dataclass(frozen=True, slots=True)
class FreshView:
    """What a stream may see: the world as it is at each question.

    One that lives for days would otherwise see that of its beginning, and keep the ledger's file
    from being cleaned up.
    """

    recorder: Views
    board: Blackboard
    plugin_id: PluginId

    def names(self) -> Sequence[str]:
        """Give the names of all values that stand now, sorted."""
        return sorted(self.board.snapshot())

    def value(self, name: str) -> Given | None:
        """Give one value of now, or None."""
        return CycleView(self.board.snapshot(), None).value(name)

    async def fetch(self, sql: str, params: Encoded, *, one: bool) -> Encoded:
        """Answer a query on own and shared tables as they are now."""
        view = await self.recorder.view()
        try:
            return await view.fetch(sql, params, one=one, plugin_id=self.plugin_id)
        finally:
            await view.close()


class Views(Protocol):
    """Where views of the present come from."""

    async def view(self) -> CycleView:
        """Hold context and tables as they are now."""


def given_all(marker: ContextValue, values: Mapping[str, ContextValue]) -> Given:
    """Give everything that a plugin's last success published, as one mapping."""
    keys = msgspec.msgpack.decode(marker.value, type=list[str])
    names = ((key, f"{marker.producer}.{key}") for key in keys)
    parts = {key: values[name].value for key, name in names if name in values}
    return Given(compose(parts), Source(marker.run_id, marker.as_of))
