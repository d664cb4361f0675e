"""How deep and how large a file may be that a person writes.

The readers of YAML and JSON call themselves for what lies in what they read, the one of libyaml on
the stack of the process, where a file of brackets ends it. A few bytes of aliases can stand for
more values than there is memory. Neither is a configuration.
"""

from typing import TYPE_CHECKING

import yaml

from optifire.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Mappings and lists in each other, at most.
DEEPEST = 64
#: Values in one file, at most; what an alias stands for counts each time.
MOST_VALUES = 100_000

_OPENS = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
_CLOSES = (yaml.SequenceEndEvent, yaml.MappingEndEvent)


def check_depth(events: "Iterable[yaml.Event]", name: str) -> None:
    """Raise `ConfigError` with the line on which a text is nested too deeply to be read."""
    depth = 0
    for event in events:
        if isinstance(event, _OPENS):
            depth += 1
        elif isinstance(event, _CLOSES):
            depth -= 1
        if depth > DEEPEST:
            mark = event.start_mark
            raise too_deep(f"{name}:{mark.line + 1}" if mark else name)


def too_deep(where: str) -> ConfigError:
    """Give the error for a file that is nested too deeply."""
    return ConfigError(
        f"mappings and lists lie in each other more than {DEEPEST} deep",
        where=where,
        remedy="Close what was left open, or write it flatter",
    )


def too_many(where: str) -> ConfigError:
    """Give the error for a file that comes to too many values."""
    return ConfigError(
        f"there are more than {MOST_VALUES:,} values",
        where=where,
        remedy="Leave out what is not needed; each use of an alias counts all that it stands for",
    )
