"""Plain values: what may be recorded without further ado, and the error for what may not.

Plain are None, bool, int (64 bits), float (NaN and infinities kept), str, bytes, list and mappings
of these. Instants and dates become ISO text, tuples lists, subclasses their plain base.
"""

# ruff: noqa: ANN401 - the wire: values of any plain type

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import msgspec

from optifire.core.errors import ContractError

#: Deepest nesting of lists and mappings; MessagePack readers recurse.
MAX_DEPTH: Final = 64

_PLAIN_TYPES: Final = frozenset({type(None), bool, float, str, bytes})
_INT_RANGE: Final = (-(1 << 63), (1 << 64) - 1)
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder()
_REMEDY: Final = (
    "Use plain data (numbers, text, bytes, lists, mappings, dates), or frames and arrays of bool, "
    "integers, floats, datetime64 in UTC or str"
)

#: Gives the plain form of a value that is none of the plain types, or raises `ContractError`.
Other = Callable[[Any, str], Any]


def refuse(path: str, what: str, remedy: str = _REMEDY) -> ContractError:
    """Make the error that names the key and what stands there."""
    return ContractError(f"{what} cannot be recorded", where=path, remedy=remedy)


def refuse_type(value: object, path: str) -> ContractError:
    """Make the error that names the key and the type of what stands there."""
    kind = type(value)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return refuse(path, f"a value of type {module}{kind.__qualname__}")


@dataclass(frozen=True, slots=True)
class Plainer:
    """Turns values into types that MessagePack knows; ``other`` knows further types."""

    other: Other

    def plain(self, value: Any, path: str, above: tuple[int, ...] = ()) -> Any:
        """Give the plain form of a value; ``above`` are the ids of the containers around it.

        Raises
        ------
        ContractError
            Naming the key (``path`` and what lies below it) and the type of what is not plain, is
            cyclic, or nested more than 64 deep.
        """
        kind = type(value)
        if kind in _PLAIN_TYPES:
            return value
        if kind is int:
            return _whole(value, path)
        if isinstance(value, Mapping):
            return self._mapping(value, path, _deeper(value, path, above))
        if isinstance(value, list | tuple):
            below = _deeper(value, path, above)
            return [self.plain(item, f"{path}[{n}]", below) for n, item in enumerate(value)]
        return self._special(value, path, above)

    def _mapping(self, value: Mapping[Any, Any], path: str, below: tuple[int, ...]) -> Any:
        made: dict[Any, Any] = {}
        for key, item in value.items():
            name = key if type(key) is str else self._key(key, path)
            if name in made:
                raise refuse(f"{path}.{name}", "a second key of the same text")
            made[name] = self.plain(item, f"{path}.{name}", below)
        return made

    def _key(self, key: Any, path: str) -> str | int:
        """Give a mapping's key: text and whole numbers as they are, dates and instants as text."""
        made = None if key is None or isinstance(key, tuple) else self.plain(key, f"{path}.{key}")
        if isinstance(made, str) or (isinstance(made, int) and not isinstance(made, bool)):
            return made
        kind = type(key).__qualname__
        raise refuse(f"{path}.{key}", f"a key of type {kind}", "Use text or whole numbers as keys")

    def _special(self, value: Any, path: str, above: tuple[int, ...]) -> Any:
        if isinstance(value, Enum):
            return self.plain(value.value, path, above)
        if isinstance(value, dt.date):
            return _instant(value)
        return self.other(value, path)


def subclass(value: Any, path: str) -> Any:
    """Give values of subclasses of plain types as those types say them; refuse the rest."""
    if isinstance(value, int):
        return _whole(int(value), path)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise refuse_type(value, path)


def canonical(encoded: bytes) -> bytes:
    """Give the bytes by which values compare: keys sorted, one NaN, frames by content hash."""
    return _ENCODER.encode(_sorted(_DECODER.decode(encoded)))


def _deeper(value: object, path: str, above: tuple[int, ...]) -> tuple[int, ...]:
    if id(value) in above:
        raise refuse(path, "a value that contains itself")
    if len(above) >= MAX_DEPTH:
        raise refuse(path, f"a value nested more than {MAX_DEPTH} deep")
    return (*above, id(value))


def _whole(value: int, path: str) -> int:
    if _INT_RANGE[0] <= value <= _INT_RANGE[1]:
        return value
    raise refuse(path, "a whole number beyond 64 bits", "Use a float, or text")


def _instant(value: dt.date) -> str | None:
    """Give ISO text: an aware instant in UTC with ``Z``, a naive one as it stands, NaT as None."""
    if not isinstance(value, dt.datetime):
        return value.isoformat()
    if value != value:  # noqa: PLR0124 - only NaT differs from itself
        return None
    if value.tzinfo is None:
        return value.isoformat()
    return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (isinstance(key, str), key))
        return {key: _sorted(value[key]) for key in keys}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    if isinstance(value, float) and math.isnan(value):
        return math.nan
    if isinstance(value, msgspec.msgpack.Ext):
        return msgspec.msgpack.Ext(value.code, hashlib.sha256(value.data).digest())
    return value
