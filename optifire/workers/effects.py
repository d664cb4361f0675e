"""What a run reads and leaves: shared values, tables and bus; effects are kept, not done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from optifire.core.errors import ContractError
from optifire.core.ledger import Statement
from optifire.core.ports import Given, Published, View
from optifire.core.types import Encoded
from optifire.workers.wire import encode_shared, encode_value

if TYPE_CHECKING:
    from optifire.sdk.scope import Scope

#: Gives the value of some bytes.
Decode = Callable[[bytes], Any]


class Offer(Protocol):
    """The host's lazy values by name, and how bytes become values."""

    @property
    def values(self) -> Mapping[str, Callable[[], Any]]:
        """Give the functions that fetch what the host provides."""

    @property
    def decode(self) -> Decode:
        """Give what turns stored bytes into values."""


@dataclass(slots=True)
class Kept:
    """What a run wants done when it has succeeded, and what it looked at undeclared."""

    writes: dict[str, Encoded] = field(default_factory=dict)
    statements: list[Statement] = field(default_factory=list)
    events: list[Published] = field(default_factory=list)
    undeclared: dict[str, None] = field(default_factory=dict)

    def close(self) -> None:
        """Take nothing more: whoever still holds the context is told so, and nothing is lost."""
        self.writes, self.statements, self.events = _ClosedDict(), _ClosedList(), _ClosedList()


def _closed() -> ContractError:
    return ContractError(
        "no run is in progress: nothing can be written or published now",
        where="context",
        remedy="Keep it on `self` and write it in run(), or with `await context.commit()`",
    )


class _ClosedList(list[Any]):
    """Takes nothing."""

    def append(self, _: object) -> None:
        """Refuse; raises `ContractError`."""
        raise _closed()


class _ClosedDict(dict[str, Encoded]):
    """Takes nothing."""

    def __setitem__(self, _: str, __: object) -> None:
        """Refuse; raises `ContractError`."""
        raise _closed()


class Values(MutableMapping[str, Any]):
    """The shared context: own writes, then what was given, then the host's, then all the rest."""

    def __init__(
        self,
        given: Mapping[str, Given],
        view: View,
        kept: Kept,
        scope: Scope,
        offer: Offer,
    ) -> None:
        self._given = given
        self._view = view
        self._kept = kept
        self._scope = scope
        self._offer = offer
        self._open: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - values are of any plain type
        if name not in self._open:
            self._open[name] = self._find(name)
        return self._open[name]

    def __setitem__(self, name: str, value: Any) -> None:  # noqa: ANN401 - as above
        if not name or type(name) is not str:
            raise ContractError(
                f"{name!r} is not a name of a value", where="context.data", remedy="Use text"
            )
        self._kept.writes[name] = encode_shared(value, f'context.data["{name}"]')
        self._open[name] = value

    def __delitem__(self, name: str) -> None:
        if name not in self._kept.writes:
            raise ContractError(
                f"{name!r} was not written by this run and cannot be deleted",
                where="context.data",
                remedy="Values of others stay; publish a new value instead",
            )
        del self._kept.writes[name]
        self._open.pop(name, None)

    def __contains__(self, name: object) -> bool:
        known = name in self._kept.writes or name in self._given or name in self._offer.values
        return known or name in self._view.names()

    def __iter__(self) -> Iterator[str]:
        names = {*self._view.names(), *self._given, *self._offer.values, *self._kept.writes}
        return iter(sorted(names))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _find(self, name: str) -> Any:  # noqa: ANN401 - as above
        given = self._given.get(name)
        if given is None and name in self._offer.values:
            return self._offer.values[name]()
        if given is None:
            given = self._view.value(name)
            if given is None:
                raise KeyError(name)
            self._kept.undeclared[name] = None
            self._scope.reads[name] = given.source
        return self._offer.decode(given.value)


class Tables:
    """The plugin's tables: writes are kept, queries see them as the cycle found them."""

    def __init__(self, view: View, kept: Kept, decode: Decode, plugin_id: str) -> None:
        self._view = view
        self._kept = kept
        self._decode = decode
        self._plugin_id = plugin_id

    async def execute(self, sql: str, params: Sequence[Any] | Mapping[str, Any] = ()) -> None:
        """Keep one write for when the run succeeds."""
        self._kept.statements.append(Statement(_text(sql), _params(params)))

    async def fetch_one(
        self, sql: str, params: Sequence[Any] | Mapping[str, Any] = ()
    ) -> dict[str, Any] | None:
        """Give the first row of a query by column name, or None."""
        rows = await self._fetch(sql, params, one=True)
        return rows[0] if rows else None

    async def fetch_all(
        self, sql: str, params: Sequence[Any] | Mapping[str, Any] = ()
    ) -> list[dict[str, Any]]:
        """Give all rows of a query by column name."""
        return await self._fetch(sql, params, one=False)

    async def _fetch(
        self, sql: str, params: Sequence[Any] | Mapping[str, Any], *, one: bool
    ) -> list[dict[str, Any]]:
        if self._kept.statements:
            raise ContractError(
                "a fetch after an execute would not see what was written",
                where=f"{self._plugin_id}: {_text(sql)}",
                remedy="Fetch first, then write: writes are applied when the run succeeds",
            )
        rows: list[dict[str, Any]] = self._decode(
            await self._view.fetch(_text(sql), _params(params), one=one)
        )
        return rows


class Bus:
    """Keeps events for after the commit."""

    def __init__(self, kept: Kept, plugin_id: str) -> None:
        self._kept = kept
        self._plugin_id = plugin_id

    async def publish(self, event: str, data: object = None, source: str | None = None) -> None:
        """Keep one event for when the run succeeds."""
        if not event or type(event) is not str:
            raise ContractError(
                f"{event!r} is not a name of an event", where="context.bus", remedy="Use text"
            )
        encoded = encode_value(data, f'context.bus.publish("{event}")')
        self._kept.events.append(Published(event, encoded, source or self._plugin_id))


def _text(sql: object) -> str:
    if isinstance(sql, str):
        return sql
    raise ContractError(
        f"{type(sql).__name__} is not a statement", where="context.db", remedy="Give SQL as text"
    )


def _params(params: Sequence[Any] | Mapping[str, Any]) -> Encoded:
    if isinstance(params, list | tuple | Mapping):
        return encode_value(params, "parameters")
    raise ContractError(
        f"parameters are {type(params).__name__}",
        where="context.db",
        remedy="Give a list, a tuple or a mapping",
    )
