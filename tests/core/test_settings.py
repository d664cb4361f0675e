"""The tables of settings agree with themselves and with what they describe."""

import pytest

from optifire.core.setting import Kind, Setting
from optifire.core.settings import (
    CONFIG_FIELDS,
    DEFAULTS_FIELDS,
    FEATURES_FIELDS,
    PLAN_FIELDS,
    PLUGIN_FIELDS,
    Settings,
    SystemSettings,
)
from optifire.host.checks import parse_duration

ALL = [*PLUGIN_FIELDS, *FEATURES_FIELDS, *CONFIG_FIELDS]


@pytest.mark.parametrize("setting", ALL, ids=lambda setting: setting.key)
def test_every_setting_says_what_it_means_and_what_holds_without_it(setting: Setting) -> None:
    assert setting.doc.endswith(".")
    told = setting.required or setting.default is not None or setting.otherwise
    assert told or setting.key in {"defaults", "plugins"}


@pytest.mark.parametrize("table", [PLUGIN_FIELDS, FEATURES_FIELDS, CONFIG_FIELDS])
def test_a_key_stands_once_and_never_above_another(table: tuple[Setting, ...]) -> None:
    paths = [setting.path for setting in table]
    assert len(set(paths)) == len(paths)
    assert not [a for a in paths for b in paths if a != b and b[: len(a)] == a]


def test_defaults_and_plans_are_parts_of_an_entry() -> None:
    assert set(DEFAULTS_FIELDS) < set(PLUGIN_FIELDS)
    assert set(PLAN_FIELDS) < set(PLUGIN_FIELDS)


@pytest.mark.parametrize("setting", CONFIG_FIELDS, ids=lambda setting: setting.key)
def test_the_table_and_the_settings_have_the_same_defaults(setting: Setting) -> None:
    section, name = setting.path
    name = {"from": "first", "to": "last"}.get(name, name)
    value = getattr(getattr(Settings(), section), name)
    if section == "demo" and name != "pace":
        value = str(value)
    written = setting.default
    assert value == (parse_duration(written) if setting.kind is Kind.DURATION else written)


@pytest.mark.parametrize(("cores", "slots"), [(1, 2), (2, 2), (8, 8)])
def test_concurrency_follows_the_cores_unless_it_is_set(cores: int, slots: int) -> None:
    assert SystemSettings().concurrency_on(cores) == slots
    assert SystemSettings(concurrency=3).concurrency_on(cores) == 3
