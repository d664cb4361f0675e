"""A plugin's own settings against its schema: every misfit with its line, defaults filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optifire.core.errors import ContractError
from optifire.core.lifecycle import PluginState
from optifire.host.config_schema import ConfigSchema

if TYPE_CHECKING:
    from tests.host.conftest import World

SCHEMA: dict[str, Any] = {
    "$ref": "#/$defs/Config",
    "$defs": {
        "Config": {
            "type": "object",
            "properties": {
                "window": {"type": "integer", "minimum": 2, "maximum": 500, "default": 14},
                "level": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
                "mode": {"enum": ["fast", "slow"], "default": "slow"},
                "name": {"anyOf": [{"type": "string", "minLength": 2}, {"type": "null"}]},
                "limits": {"$ref": "#/$defs/Limits"},
                "symbols": {"type": "array", "items": {"type": "string"}, "minItems": 1},
                "weights": {"type": "object", "additionalProperties": {"type": "number"}},
            },
            "required": ["level"],
        },
        "Limits": {"type": "object", "properties": {"most": {"type": "integer", "default": 9}}},
    },
}


KEYS = "level, limits, mode, name, symbols, weights, window"


def misfits(config: dict[str, Any], schema: dict[str, Any] | None = None) -> list[str]:
    """Give place, message and remedy of all that does not fit, as text."""
    found = ConfigSchema(SCHEMA if schema is None else schema, "impl.py").misfits(config)
    return [f"{list(each.place)} {each.message}. {each.remedy}" for each in found]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"window": 2, "mode": "fast", "name": None},
        {"name": "ab", "symbols": ["SPY"], "weights": {"any": 1, "other": 0.5}},
        {"limits": {"most": 1}},
    ],
)
def test_what_fits_is_taken(more: dict[str, Any]) -> None:
    assert misfits({"level": 0.5, **more}) == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"window": "14"}, "['window'] is text. Write a whole number"),
        ({"window": True}, "['window'] is true or false. Write a whole number"),
        ({"window": 5.5}, "['window'] is a number. Write a whole number"),
        ({"window": 1}, "['window'] is out of range. Write a number of at least 2"),
        ({"window": 501}, "['window'] is out of range. Write a number of at most 500"),
        ({"level": 0}, "['level'] is out of range. Write a number above 0"),
        ({"level": 1}, "['level'] is out of range. Write a number below 1"),
        (
            {"mode": "slwo"},
            "['mode'] is not one of its values. Did you mean slow? Write fast or slow",
        ),
        ({"name": "a"}, "['name'] has 1 characters. Write 2 characters or more"),
        ({"symbols": []}, "['symbols'] has 0 items. Write 1 items or more"),
        ({"symbols": ["SPY", 3]}, "['symbols', 1] is a number. Write text"),
        ({"weights": {"SPY": "all"}}, "['weights', 'SPY'] is text. Write a number"),
        ({"limits": {"most": "x"}}, "['limits', 'most'] is text. Write a whole number"),
        ({"limits": {"mots": 3}}, "is no key of this plugin's configuration. Did you mean most?"),
        ({"windows": 3}, "is no key of this plugin's configuration. Did you mean window?"),
    ],
)
def test_what_does_not_fit_is_found_where_it_stands(more: dict[str, Any], said: str) -> None:
    (found,) = misfits({"level": 0.5, **more})
    assert said in found


def test_a_required_key_is_missed_and_all_is_found_at_once() -> None:
    assert misfits({"window": 1, "other": 2}) == [
        "[] lacks 'level'. Write level",
        "['window'] is out of range. Write a number of at least 2",
        f"['other'] is no key of this plugin's configuration. Known: {KEYS}",
    ]


def test_nothing_that_is_said_repeats_a_value() -> None:
    secret = "hunter2"  # noqa: S105 - stands for one
    said = misfits({"level": secret, "window": secret, "name": {"a": secret}, "mode": secret})
    assert len(said) == 4
    assert secret not in "".join(said)


def test_defaults_are_filled_in_where_a_key_is_left_out() -> None:
    filled = ConfigSchema(SCHEMA, "impl.py").filled
    assert filled({}) == {"window": 14, "mode": "slow"}
    assert filled({"window": None, "limits": {}}) == {
        "window": None,
        "mode": "slow",
        "limits": {"most": 9},
    }


def test_a_schema_without_properties_takes_any_keys() -> None:
    assert misfits({"a": 1}, {"type": "object"}) == []
    assert misfits({"a": 1}, {}) == []


def test_a_schema_may_refer_to_itself() -> None:
    tree = {"properties": {"next": {"$ref": "#"}, "size": {"type": "integer"}}}
    assert misfits({"next": {"next": {"size": 1}}}, tree) == []
    assert misfits({"next": {"next": {"size": "a"}}}, tree) == [
        "['next', 'next', 'size'] is text. Write a whole number"
    ]


@pytest.mark.parametrize(
    ("schema", "what"),
    [
        ({"$ref": "#"}, "comes back to itself"),
        ({"$ref": "#/$defs/None"}, "not there"),
        ({"$ref": "http://example.org/x"}, "not a place in it"),
        ({"type": "integre"}, "the type 'integre'"),
        ({"properties": [1]}, "properties that is a list"),
        ({"properties": {"a": 3}}, "a number in place of a schema"),
        ({"properties": {"a": {"minimum": "1"}}}, "minimum that is text"),
        ({"required": "a"}, "required that is text"),
    ],
)
def test_a_broken_schema_is_the_plugins_fault(schema: dict[str, Any], what: str) -> None:
    with pytest.raises(ContractError, match=r"impl\.py") as caught:
        misfits({"a": 1}, schema)
    assert what in caught.value.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*SCHEMA["$defs"]["Config"]["properties"], "x"]), JSON))
def test_any_configuration_has_an_answer_and_defaults_fit(config: dict[str, Any]) -> None:
    checker = ConfigSchema(SCHEMA, "impl.py")
    filled = checker.filled(config)
    assert {key: filled[key] for key in config if not isinstance(config[key], dict | list)} == {
        key: each for key, each in config.items() if not isinstance(each, dict | list)
    }
    places = {each.place for each in checker.misfits(config)}
    assert {each.place for each in checker.misfits(filled)} <= places


FEATURES = """\
plugins:
  a:
    enabled: true
    config:
      level: 0.5
"""


async def test_a_job_is_given_the_defaults_of_the_schema(world: World) -> None:
    world.plugin("a", config_schema=SCHEMA)
    world.features(FEATURES)
    job = (await world.catalog()).jobs["a"]  # type: ignore[index]
    assert dict(job.config) == {"level": 0.5, "window": 14, "mode": "slow"}


async def test_a_default_says_where_it_comes_from(world: World) -> None:
    world.plugin("a", config_schema=SCHEMA)
    world.features(FEATURES)
    entry = (await world.catalog()).plugins["a"].entry
    assert entry is not None
    assert entry.config["window"].source.endswith("impl.py: Config: config.window")
    assert entry.config["level"].source.endswith("features.yaml:5: plugins.a.config.level")


@pytest.mark.parametrize(
    ("line", "where", "said"),
    [
        ("windwo: 3", "features.yaml:6", "config.windwo is no key"),
        ("window: many", "features.yaml:6", "config.window is text"),
        ("limits: {most: x}", "features.yaml:6", "config.limits.most is text"),
        ("symbols: [a, 2]", "features.yaml:6", "config.symbols[1] is a number"),
    ],
)
async def test_a_misfit_names_file_line_and_key(
    world: World, line: str, where: str, said: str
) -> None:
    world.plugin("a", config_schema=SCHEMA)
    world.features(f"{FEATURES}      {line}\n")
    listed = (await world.catalog()).plugins["a"]
    assert listed.state is PluginState.ERROR
    assert where in listed.reason
    assert said in listed.reason


async def test_a_key_that_is_missing_is_told_at_the_entry(world: World) -> None:
    world.plugin("a", config_schema={"properties": {"level": {}}, "required": ["level"]})
    world.features("plugins:\n  a:\n    enabled: true\n")
    listed = (await world.catalog()).plugins["a"]
    assert "config lacks 'level'. Write level" in listed.reason
    assert "features.yaml:3" in listed.reason


async def test_variables_are_filled_in_before_the_check_and_never_shown(world: World) -> None:
    world.plugin("a", config_schema={"properties": {"level": {"type": "number"}}})
    world.environ["LEVEL"] = "hunter2"
    world.features("plugins:\n  a:\n    enabled: true\n    config: {level: '${LEVEL}'}\n")
    listed = (await world.catalog()).plugins["a"]
    assert "config.level is text" in listed.reason
    assert "hunter2" not in listed.reason


async def test_a_plugin_that_checks_itself_is_asked_once_for_each_configuration(
    world: World,
) -> None:
    world.plugin("a", config_schema=SCHEMA, validates_config=True)
    world.plugin("b")
    text = FEATURES + "  b:\n    enabled: true\n"
    for level in ("0.5", "0.5", "0.25"):
        world.features(text.replace("0.5", level))
        assert "a" in (await world.catalog()).jobs
    assert [config["level"] for _, config in world.describer.accepted] == [0.5, 0.25]
    assert world.describer.accepted[0] == ("a", {"level": 0.5, "window": 14, "mode": "slow"})


async def test_what_a_plugin_says_against_its_configuration_is_its_error(world: World) -> None:
    world.plugin("a", validates_config=True)
    world.features("plugins:\n  a:\n    enabled: true\n    config:\n      refused: 1\n")
    for _ in range(2):  # a refusal is not remembered
        listed = (await world.catalog()).plugins["a"]
        assert listed.state is PluginState.ERROR
        assert "features.yaml:5" in listed.reason
        assert "refuses its configuration" in listed.reason
        assert "impl.py:7" in listed.reason
    assert len(world.describer.accepted) == 2


async def test_schema_and_checks_are_kept_for_the_next_start(world: World) -> None:
    world.plugin("a", config_schema=SCHEMA, validates_config=True)
    world.features(FEATURES)
    first = await world.catalog()
    again = world.again()
    assert dict((await again.catalog()).jobs["a"].config) == dict(first.jobs["a"].config)  # type: ignore[index]
    assert again.describer.asked == []
    assert len(again.describer.accepted) == 1
