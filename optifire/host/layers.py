"""Merging: layers of values, last wins, and every final value knows which layer it came from."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from optifire.core.errors import ConfigError

_VARIABLE = re.compile(r"\$\$\{|\$\{([^}]*)\}")


@dataclass(frozen=True, slots=True)
class Sourced:
    """One final value and the place that says it: file, line and key, or a variable."""

    value: Any
    source: str


#: Way to a value.
Path = tuple[str, ...]
#: Final values by their paths; no path lies above another.
Leaves = dict[Path, Sourced]


def overlay(leaves: Leaves, path: Path, value: object, source: Callable[[Path], str]) -> None:
    """Lay a value over what there is: mappings merge, scalars and lists replace."""
    for above in (path[:length] for length in range(len(path))):
        leaves.pop(above, None)
    if isinstance(value, Mapping) and value:
        leaves.pop(path, None)
        for key, each in value.items():
            overlay(leaves, (*path, str(key)), each, source)
        return
    below = [each for each in leaves if each[: len(path)] == path]
    if isinstance(value, Mapping) and below and below != [path]:
        return  # an empty mapping adds nothing to a full one
    for each in below:
        del leaves[each]
    leaves[path] = Sourced(dict(value) if isinstance(value, Mapping) else value, source(path))


def nested(leaves: Mapping[Path, Sourced]) -> dict[str, Any]:
    """Give the merged values as nested mappings again."""
    result: dict[str, Any] = {}
    for path, found in leaves.items():
        if not path:
            continue  # an empty whole
        inner = result
        for key in path[:-1]:
            inner = inner.setdefault(key, {})
        inner[path[-1]] = found.value
    return result


def interpolate(found: Sourced, variables: Mapping[str, str]) -> Any:  # noqa: ANN401 - plain value
    """Give a value with each ``${VAR}`` in its texts replaced; ``$${`` stands for ``${``.

    Raises
    ------
    ConfigError
        A variable is set neither in the environment nor in secrets.env; the message names it.
    """

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return "${"
        if name not in variables:
            raise ConfigError(
                f"the variable {name or match[0]!r} is not set",
                where=found.source,
                remedy=f"Set {name} in the environment or in configs/secrets.env",
            )
        return variables[name]

    def walk(value: Any) -> Any:  # noqa: ANN401 - plain value
        if isinstance(value, str):
            return _VARIABLE.sub(fill, value)
        if isinstance(value, list):
            return [walk(each) for each in value]
        if isinstance(value, dict):
            return {key: walk(each) for key, each in value.items()}
        return value

    return walk(found.value)


def is_secret(found: Sourced) -> bool:
    """Tell whether a value holds a variable, and is shown as written rather than filled in."""
    return any(match[1] is not None for match in _VARIABLE.finditer(repr(found.value)))
