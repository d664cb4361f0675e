"""Configuration files as plain values that remember the line of every key: YAML, TOML or JSON.

YAML is read by the core schema with the booleans of YAML 1.1: a scalar is text unless it is a
decimal number, a boolean or null. Dates, octal and sexagesimal numbers stay text, so that
``10:30`` is not 630.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from optifire.core.errors import ConfigError
from optifire.host.nesting import MOST_VALUES, check_depth, too_deep, too_many
from optifire.host.texts import read_text
from optifire.host.toml_lines import toml_lines

#: The way to a value: keys of mappings and indices of lists.
KeyPath = tuple[str | int, ...]
HALF_WRITTEN = "Finish or undo the edit at this line"
#: Digits of a whole number, at most; Python itself takes no more than 4,300.
MOST_DIGITS = 400

_RESOLVERS = {
    "bool": (r"(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)",
             "yYnNtTfFoO"),
    "int": (r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    "float": (r"[-+]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)",
              "-+0123456789."),
    "null": (r"(?:~|null|Null|NULL|)", "~nN\0"),
}  # fmt: skip
_TRUE = frozenset({"yes", "true", "on"})


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # libyaml is optional
    """Resolves scalars as the head of this module says."""

    yaml_implicit_resolvers: Mapping[str, list[tuple[str, re.Pattern[str]]]] = {}


def _install_resolvers() -> None:
    table: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for name, (pattern, starts) in _RESOLVERS.items():
        for start in starts:
            row = (f"tag:yaml.org,2002:{name}", re.compile(f"^{pattern}$"))
            table.setdefault("" if start == "\0" else start, []).append(row)
    _Loader.yaml_implicit_resolvers = table


_install_resolvers()


@dataclass(frozen=True, slots=True)
class Document:
    """One file (or other source) as plain values; ``lines`` says where each key stands."""

    name: str
    data: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    text: str = ""

    def where(self, path: KeyPath = ()) -> str:
        """Give file and line of a key, or of the nearest key above it, then the key itself."""
        key = ".".join(str(part) for part in path)
        key = key if key.isprintable() else repr(key)  # nothing that a terminal would obey
        line = next((self.lines[above] for above in _upwards(path) if above in self.lines), None)
        place = self.name if line is None else f"{self.name}:{line}"
        return f"{place}: {key}" if key else place


def _upwards(path: KeyPath) -> Iterator[KeyPath]:
    for length in range(len(path), -1, -1):
        yield path[:length]


def read_document(file: Path) -> Document:
    """Read a file by its suffix.

    Raises
    ------
    ConfigError
        It cannot be read, is not what its suffix says, or has a key twice; with file and line.
    """
    return parse_document(read_text(file), str(file))


def parse_document(text: str, name: str) -> Document:
    """Parse the text of a file whose name says the format."""
    parse = {".toml": _parse_toml, ".json": _parse_json}.get(Path(name).suffix, _parse_yaml)
    data, lines = parse(text, name)
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise ConfigError(
            f"holds {describe(data)}, not a mapping", where=f"{name}:1", remedy="Write KEY: VALUE"
        )
    return Document(name, data, lines, text)


def parse_value(text: str, name: str = "value") -> Any:  # noqa: ANN401 - plain, of any type
    """Read one value as a YAML file would, such as that of the environment variable ``name``."""
    return _parse_yaml(text, name)[0]


def describe(value: object) -> str:
    """Name a plain value's type as a person would."""
    names = {bool: "true or false", int: "a number", float: "a number", str: "text"}
    names |= {list: "a list", tuple: "a list", dict: "a mapping", type(None): "nothing"}
    return names.get(type(value), type(value).__name__)


def _parse_toml(text: str, name: str) -> tuple[Any, dict[KeyPath, int]]:
    try:
        data = tomllib.loads(text)
    except RecursionError:
        raise too_deep(name) from None
    except ValueError as error:  # what is no TOML, and a number with too many digits
        found = re.search(r"line (\d+)", str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        raise ConfigError(
            f"is not TOML: {error}", where=f"{name}:{line}", remedy=HALF_WRITTEN
        ) from error
    return _dates_as_text(data), toml_lines(text)


def _dates_as_text(value: Any) -> Any:  # noqa: ANN401 - a plain value of any type
    if isinstance(value, dict):
        return {key: _dates_as_text(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_dates_as_text(each) for each in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def _parse_json(text: str, name: str) -> tuple[Any, dict[KeyPath, int]]:
    try:
        # A number that is too long is told by the reader of lines below, which knows its line.
        data = json.loads(text, parse_int=lambda digits: int(digits[:MOST_DIGITS]))
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"is not JSON: {error.msg}", where=f"{name}:{error.lineno}", remedy=HALF_WRITTEN
        ) from error
    except RecursionError:
        raise too_deep(name) from None
    # Indentation has no meaning in JSON, and a tab is no indentation in YAML.
    return data, _parse_yaml(text.replace("\t", " "), name)[1]


def compose_yaml(text: str, name: str) -> yaml.Node | None:
    """Give the node tree of one YAML document; None when it is empty."""
    try:
        check_depth(yaml.parse(text, Loader=_Loader), name)
        root: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise _not_yaml(error, text, name) from error
    return root


def _not_yaml(error: yaml.YAMLError, text: str, name: str) -> ConfigError:
    mark = getattr(error, "problem_mark", None)
    lines = text.splitlines()
    # libyaml puts what is missing at the end on the line after it.
    line = max(1, min(mark.line + 1, len(lines))) if mark else 1
    where = f"{name}:{line}"
    if mark and lines and lines[line - 1][mark.column : mark.column + 1] == "\t":
        return ConfigError("is not YAML: there is a tab", where=where, remedy="Indent with spaces")
    problem = getattr(error, "problem", None) or getattr(error, "reason", str(error))
    return ConfigError(f"is not YAML: {problem}", where=where, remedy=HALF_WRITTEN)


def _parse_yaml(text: str, name: str) -> tuple[Any, dict[KeyPath, int]]:
    lines: dict[KeyPath, int] = {}
    root = compose_yaml(text, name)
    reader = _NodeReader(name, lines)
    return None if root is None else reader.value(root, (), ()), lines


@dataclass(frozen=True, slots=True)
class _NodeReader:
    """Turns nodes into plain values and notes the lines of keys."""

    name: str
    lines: dict[KeyPath, int]

    def value(self, node: yaml.Node, path: KeyPath, above: tuple[int, ...]) -> Any:  # noqa: ANN401
        """Give the value of a node; ``above`` are the nodes that it lies in."""
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        if len(self.lines) > MOST_VALUES:
            raise too_many(f"{self.name}:{line}")
        if id(node) in above:
            raise self._error("an alias refers to what it lies in", line, "Write it out")
        inside = (*above, id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, inside)
        if isinstance(node, yaml.SequenceNode):
            return [
                self.value(item, (*path, index), inside) for index, item in enumerate(node.value)
            ]
        return self._scalar(node, line)

    def _mapping(
        self, node: yaml.MappingNode, path: KeyPath, above: tuple[int, ...]
    ) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise self._error("a key is not text", line, "Write KEY: VALUE")
            here = (*path, key.value)
            if key.value in found:
                raise self._error(
                    f"{key.value!r} stands twice, first in line {self.lines[here]}",
                    line,
                    "Remove one of the two",
                )
            self.lines[here] = line
            found[key.value] = self.value(value, here, above)
        return found

    def _scalar(self, node: yaml.Node, line: int) -> Any:  # noqa: ANN401
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        if kind == "bool":
            return node.value.lower() in _TRUE
        if kind == "null":
            return None
        convert = {"int": int, "float": float, "str": str}.get(kind)
        if convert is None:
            raise self._error(f"the tag {node.tag} is not taken", line, "Write a plain value")
        if kind == "int" and len(node.value) > MOST_DIGITS:
            message = f"a number has {len(node.value):,} digits"
            raise self._error(message, line, "Write a shorter one, or put it in quotes as text")
        return convert(node.value)

    def _error(self, message: str, line: int, remedy: str) -> ConfigError:
        return ConfigError(message, where=f"{self.name}:{line}", remedy=remedy)
