"""The schemas that ship are made from the tables, and agree with the checks."""

import json

import pytest

from optifire.core.setting import Setting
from optifire.core.settings import CONFIG_FIELDS, FEATURES_FIELDS, PLUGIN_FIELDS
from optifire.host.checks import WrongValueError, check_value
from optifire.host.documents import parse_document
from optifire.host.home import template
from optifire.host.schema import SHIPPED, as_text, object_of, schema_of


@pytest.mark.row("A078")
@pytest.mark.parametrize("name", SHIPPED)
def test_the_schema_that_ships_is_the_one_of_the_tables(name: str) -> None:
    assert template(name) == as_text(SHIPPED[name]())


@pytest.mark.parametrize("setting", [*PLUGIN_FIELDS, *CONFIG_FIELDS], ids=lambda each: each.key)
def test_the_limits_of_the_schema_are_those_of_the_check(setting: Setting) -> None:
    schema = schema_of(setting)
    for choice in schema.get("enum", ()):
        assert check_value(setting, choice) == choice
    inside = [schema[key] for key in ("minimum", "maximum") if key in schema]
    outside = [schema["minimum"] - 1] if "minimum" in schema else []
    outside += [schema["maximum"] + 1] if "maximum" in schema else []
    outside += [schema["exclusiveMinimum"]] if "exclusiveMinimum" in schema else []
    for value in inside:
        assert check_value(setting, int(value)) == value
    for value in outside:
        with pytest.raises(WrongValueError, match="out of range"):
            check_value(setting, int(value))


def test_every_key_of_the_template_is_in_the_schema() -> None:
    known = object_of(FEATURES_FIELDS)["properties"]
    assert set(parse_document(template("features.yaml"), "f.yaml").data) <= set(known)
    config = json.loads(template("config.schema.json"))["properties"]
    for section, values in parse_document(template("config.yaml"), "c.yaml").data.items():
        assert set(values) <= set(config[section]["properties"])
