"""Checks plain values against the tables of settings, and turns them into what they mean."""

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from optifire.core.errors import ContractError
from optifire.core.job import parse_need
from optifire.core.setting import Kind, Setting
from optifire.host.documents import Document, KeyPath, describe
from optifire.host.findings import Finding, Level

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d)")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class WrongValueError(ValueError):
    """A value does not fit its setting."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


def parse_duration(value: object) -> float:
    """Give a length of time in seconds: a number of these, or text as in ``"5m"``."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    match = _DURATION.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    if match is None:
        raise _wrong(value, Kind.DURATION)
    return float(match[1]) * _SECONDS[match[2]]


def check_value(setting: Setting, value: object) -> Any:  # noqa: ANN401 - of the setting's kind
    """Give a value as the kind of its setting means it.

    Durations become seconds, dates `datetime.date`, lists tuples, needs `Need`.

    Raises
    ------
    WrongValueError
        With what is wrong and what to write.
    """
    result = _READ[setting.kind](value)
    said = result if isinstance(result, tuple) else (result,)
    odd = [each for each in said if each not in setting.choices] if setting.choices else []
    if odd:
        named = {choice.lower(): choice for choice in setting.choices}
        close = get_close_matches(str(odd[0]).lower(), list(named), n=1, cutoff=0.5)
        hint = f"Did you mean {named[close[0]]}? " if close else ""
        raise WrongValueError(
            f"{odd[0]!r} is not one of its values", f"{hint}Write {_or(setting.choices)}"
        )
    if setting.kind in {Kind.COUNT, Kind.NUMBER, Kind.DURATION}:
        _check_range(setting, result)
    return result


def _check_range(setting: Setting, number: float) -> None:
    low = setting.minimum is None or number >= setting.minimum
    above = setting.above is None or number > setting.above
    high = setting.maximum is None or number <= setting.maximum
    # NaN is outside of every range.
    if number == number and low and above and high:  # noqa: PLR0124
        return
    raise WrongValueError(f"{number:.12g} is out of range", f"Write a number {range_of(setting)}")


def range_of(setting: Setting) -> str:
    """Give a setting's range in words, empty when it has none."""
    unit = " seconds" if setting.kind is Kind.DURATION else ""
    low = f"from {setting.minimum:.12g}" if setting.minimum is not None else ""
    low = f"above {setting.above:.12g}" if setting.above is not None else low
    high = f" to {setting.maximum:.12g}" if setting.maximum is not None else ""
    return f"{low}{high}{unit}".strip()


def _or(words: Sequence[str]) -> str:
    return " or ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else words[0]


def _wrong(value: object, kind: Kind) -> WrongValueError:
    found = f"is {describe(value)}"
    if isinstance(value, bool):
        found = f"is {str(value).lower()}"
    elif value == "" or (isinstance(value, str) and value.isspace()):
        found = "is empty text"
    elif isinstance(value, (int, float, str)):
        found = f"{value!r} is {describe(value)}"
    return WrongValueError(f"{found}, not {kind}", f"Write {kind}")


def _of_type(kind: Kind, *types: type) -> Callable[[object], Any]:
    def read(value: object) -> object:
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise _wrong(value, kind)
        return value

    return read


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _wrong(value, Kind.TEXT)
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(each, str) for each in value):
        raise _wrong(value, Kind.TEXTS)
    return tuple(value)


def _variables(value: object) -> tuple[str, ...]:
    """Give the names of variables; whatever else is there may be a secret, and is never shown."""
    names = value if isinstance(value, (list, tuple)) else [value]
    found = [_VARIABLE.fullmatch(each) if isinstance(each, str) else None for each in names]
    if isinstance(value, (list, tuple)) and all(found):
        return tuple(match[1] for match in found if match is not None)
    raise WrongValueError(
        "holds something else than variables, which may be a secret in clear text",
        "Put it into configs/secrets.env as NAME=value, and write a list as in [${NAME}]",
    )


def _date(value: object) -> dt.date:
    try:
        return dt.date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise _wrong(value, Kind.DATE) from None


def _names(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise _wrong(value, Kind.NAMES)
    return MappingProxyType(dict(value))


def _mapping(value: object) -> dict[str, Any]:
    if value is None:
        return {}  # all of its lines are comments
    if not isinstance(value, dict):
        raise _wrong(value, Kind.MAPPING)
    return value


def _schedule(value: object) -> Any:  # noqa: ANN401 - words, or mappings of triggers
    words = value if isinstance(value, (list, tuple)) else [value]
    if not words or not all(isinstance(word, (str, Mapping)) and word for word in words):
        raise _wrong(value, Kind.SCHEDULE)
    return tuple(words) if isinstance(value, (list, tuple)) else value


def _needs(value: object) -> Any:  # noqa: ANN401 - a tuple of needs
    if not isinstance(value, (list, tuple)):
        raise _wrong(value, Kind.NEEDS)
    try:
        return tuple(parse_need(each) for each in value)
    except ContractError as error:
        raise WrongValueError(error.message, error.remedy) from error


_READ: Mapping[Kind, Callable[[object], Any]] = {
    Kind.FLAG: _of_type(Kind.FLAG, bool),
    Kind.COUNT: _of_type(Kind.COUNT, int),
    Kind.NUMBER: _of_type(Kind.NUMBER, int, float),
    Kind.TEXT: _text,
    Kind.TEXTS: _texts,
    Kind.DURATION: parse_duration,
    Kind.DATE: _date,
    Kind.MAPPING: _mapping,
    Kind.NAMES: _names,
    Kind.SCHEDULE: _schedule,
    Kind.NEEDS: _needs,
    Kind.VARIABLES: _variables,
}


@dataclass(frozen=True, slots=True)
class Checker:
    """Checks one mapping of a document against one table and collects all findings."""

    document: Document
    fields: Sequence[Setting]
    at: KeyPath = ()

    def findings(self, data: object) -> Iterator[Finding]:
        """Give what is wrong with the mapping at ``at``: unknown keys, wrong types and ranges."""
        yield from self._mapping(data, ())

    def _mapping(self, data: object, prefix: KeyPath) -> Iterator[Finding]:
        here = (*self.at, *prefix)
        if data is None:
            return  # all of its lines are comments
        if not isinstance(data, Mapping):
            yield self._finding(here, f"is {describe(data)}, not a mapping", "Write KEY: VALUE")
            return
        leaves = {setting.path: setting for setting in self.fields}
        for key, value in data.items():
            path = (*prefix, key)
            if path in leaves:
                yield from self._value(leaves[path], value, (*self.at, *path))
            elif any(leaf[: len(path)] == path for leaf in leaves):
                yield from self._mapping(value, path)
            else:
                yield self._unknown(path)

    def _value(self, setting: Setting, value: object, path: KeyPath) -> Iterator[Finding]:
        try:
            check_value(setting, value)
        except WrongValueError as error:
            yield self._finding(path, str(error), error.remedy)

    def _unknown(self, path: KeyPath) -> Finding:
        depth = len(path) - 1
        known = {
            setting.path[depth]
            for setting in self.fields
            if len(setting.path) > depth and setting.path[:depth] == path[:depth]
        }
        close = get_close_matches(str(path[-1]), sorted(known), n=1, cutoff=0.5)
        hint = f"Did you mean {close[0]}?" if close else f"Known keys: {', '.join(sorted(known))}"
        return self._finding((*self.at, *path), f"unknown key {path[-1]!r}", hint)

    def _finding(self, path: KeyPath, message: str, remedy: str) -> Finding:
        return Finding("config", Level.ERROR, self.document.where(path), message, remedy)
