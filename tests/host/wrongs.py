"""What cannot be said of each setting: made from the table itself, so that none is forgotten."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optifire.core.setting import Kind
from optifire.core.settings import CONFIG_FIELDS, DEFAULTS_FIELDS, FEATURES_FIELDS, PLUGIN_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optifire.core.setting import Setting

#: Values of a wrong type, by kind. A kind that is not here fails the collection of these tests.
OF_WRONG_TYPE: dict[Kind, tuple[Any, ...]] = {
    Kind.FLAG: ("maybe", 1, [True], None),
    Kind.COUNT: ("many", 2.5, True, [3], None),
    Kind.NUMBER: ("fast", True, {"a": 1}, None),
    Kind.TEXT: (7, ["a"], "", " ", None),
    Kind.TEXTS: ("a", [1], {"a": "b"}, None),
    Kind.DURATION: ("soon", "5 weeks", True, [5], None),
    Kind.DATE: ("2018-13-01", "yesterday", 2018, None),
    Kind.MAPPING: ("a", [1], 5),
    Kind.NAMES: ({"SPY": 3}, "SPX", ["SPX"], None),
    Kind.SCHEDULE: (7, [], [""], None),
    Kind.NEEDS: ("a", [5], [{"needs": 1}], None),
    Kind.VARIABLES: ("hunter2", ["hunter2"], [5], None),
}
#: A secret in clear text, which no message repeats.
HIDDEN = "hunter2"
#: The plugin of whose entry each setting is wrong.
PLUGIN = "fe_garch"


@dataclass(frozen=True)
class Wrong:
    """One wrong file: which, its text, and what the error names."""

    file: str
    text: str
    line: int
    key: str

    def __str__(self) -> str:
        return f"{self.file} {self.text!r}"


def values_of(setting: Setting) -> Iterator[object]:
    """Give everything that a setting does not take: types, choices, and both ends of its range."""
    yield from OF_WRONG_TYPE[setting.kind]
    if setting.choices:
        yield "no_such_word" if setting.kind is Kind.TEXT else ["no_such_word"]
    if setting.minimum is not None:
        yield setting.minimum - 1
    if setting.above is not None:
        yield setting.above
    if setting.maximum is not None:
        yield setting.maximum + 1


def of_config() -> Iterator[Wrong]:
    """Give every wrong config.yaml: each value of each setting, and each key with a letter more."""
    for setting in CONFIG_FIELDS:
        section, key = setting.path
        head = f"# settings\n{section}:\n  "
        for value in values_of(setting):
            text = f"{head}{key}: {said(value)}\n"
            yield Wrong("config.yaml", text, 3, setting.key)
        yield Wrong("config.yaml", f"{head}{key}x: 1\n", 3, f"{setting.key}x")


def of_features() -> Iterator[Wrong]:
    """Give every wrong features.yaml: of the top, of ``defaults``, and of one plugin's entry."""
    for setting in FEATURES_FIELDS:
        yield from _below("", setting)
    for setting in DEFAULTS_FIELDS:
        yield from _below("defaults", setting)
    for setting in PLUGIN_FIELDS:
        yield from _below(f"plugins.{PLUGIN}", setting)


def _below(above: str, setting: Setting) -> Iterator[Wrong]:
    path = [*filter(None, above.split(".")), *setting.path]
    lines = [f"{'  ' * depth}{key}:" for depth, key in enumerate(path)]
    key = ".".join(path)
    for value in values_of(setting):
        text = "\n".join(lines) + f" {said(value)}\n"
        yield Wrong("features.yaml", text, len(lines), key)
    yield Wrong("features.yaml", "\n".join(lines)[:-1] + "x: 1\n", len(lines), f"{key}x")


def said(value: object) -> str:
    """Write a value as YAML does."""
    return json.dumps(value)
