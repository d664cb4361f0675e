"""features.yaml: merge order, sources, and every way to get it wrong."""

from collections.abc import Callable
from pathlib import Path

import pytest

from optifire.core.errors import ConfigError
from optifire.host.documents import Document
from optifire.host.features import load_features
from optifire.host.findings import InvalidConfigError
from optifire.host.home import Home
from optifire.host.layers import interpolate, is_secret

Write = Callable[[str, str], Path]


def refused(home: Home, environ: dict[str, str] | None = None) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_features(home, environ or {})
    return caught.value


@pytest.mark.row("A072")
def test_layers_merge_in_the_order_of_the_contract_and_each_value_knows_its_source(
    home: Home, write: Write
) -> None:
    main = write(
        "configs/features.yaml",
        """\
environment: demo
defaults:
  timeout: 20
  retries: 1
plugins:
  fe_garch:
    enabled: true
    priority: 10
    config: {window: 100, tail: {low: 1, high: 9}}
""",
    )
    special = write(
        "configs/features.demo.yaml", "plugins:\n  fe-garch:\n    config: {tail: {low: 2}}\n"
    )
    environ = {
        "OPTIFIRE_FE_GARCH__PRIORITY": "11",
        "OPTIFIRE_FE_GARCH__CONFIG__WINDOW": "250",
        "OPTIFIRE_HOME": "/nowhere",
    }
    command = {"plugins": {"fe_garch": {"budget": {"cpu_ms": 5}, "priority": 12}}}
    plan = Document("plan", {"schedule": "@close", "timeout": 99, "retries": 3})
    own = Document("defaults.yaml", {"config": {"window": 1, "seed": 7}, "overlap": "skip"})
    entry = load_features(home, environ, command).entry("fe_garch", [plan, own])
    values = {
        key: (entry.get(key), entry.source(key))
        for key in ("schedule", "timeout", "retries", "priority", "overlap", "budget.cpu_ms")
    }
    assert values == {
        "schedule": ("@close", "plan: schedule"),
        "timeout": (20.0, f"{main}:3: defaults.timeout"),
        "retries": (1, f"{main}:4: defaults.retries"),
        "priority": (12, "command line: plugins.fe_garch.priority"),
        "overlap": ("skip", "defaults.yaml: overlap"),
        "budget.cpu_ms": (5, "command line: plugins.fe_garch.budget.cpu_ms"),
    }
    config = {key: (found.value, found.source) for key, found in entry.config.items()}
    assert config == {
        "window": (250, "OPTIFIRE_FE_GARCH__CONFIG__WINDOW: config.window"),
        "seed": (7, "defaults.yaml: config.seed"),
        "tail.low": (2, f"{special}:3: plugins.fe-garch.config.tail.low"),
        "tail.high": (9, f"{main}:9: plugins.fe_garch.config.tail.high"),
    }
    assert entry.enabled


@pytest.mark.row("A073")
def test_a_list_replaces_a_list_as_a_whole(home: Home, write: Write) -> None:
    write("configs/features.yaml", "plugins: {a: {enabled: true, dependencies: [x]}}\n")
    plan = Document("plan", {"dependencies": ["y", {"after": "z"}]})
    (need,) = load_features(home, {}).entry("a", [plan]).get("dependencies")
    assert need.name == "x"


def test_a_plugin_that_no_file_names_is_off(home: Home, write: Write) -> None:
    write("configs/features.yaml", "plugins:\n")
    features = load_features(home, {})
    assert not features.entry("fe_garch").enabled
    assert features.environment == "paper"
    assert features.environment_source == "default"


def test_the_environment_comes_from_command_line_variable_file_in_this_order(
    home: Home, write: Write
) -> None:
    write("configs/features.yaml", "environment: demo\n")
    variable = {"OPTIFIRE_ENVIRONMENT": "paper"}
    assert load_features(home, {}).environment == "demo"
    assert load_features(home, variable).environment == "paper"
    assert load_features(home, variable, {"environment": "demo"}).environment == "demo"
    error = refused(home, {"OPTIFIRE_ENVIRONMENT": "prod"})
    assert error.where == "OPTIFIRE_ENVIRONMENT"
    assert error.remedy == "Write demo or paper"


@pytest.mark.row("A070")
@pytest.mark.row("A071")
@pytest.mark.row("P109")
@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("plugin:\n  a: {}\n", 1, "unknown key 'plugin'. Did you mean plugins?"),
        ("plugins:\n  a: {enabeld: true}\n", 2, "Did you mean enabled?"),
        ("plugins:\n  a:\n    enabled: maybe\n", 3, "'maybe' is text, not true or false"),
        ("plugins:\n  a:\n    enabled:\n", 3, "is nothing, not true or false"),
        ("plugins:\n  a: true\n", 2, "not a mapping"),
        ("plugins:\n  a:\n", 2, "does not say whether it is enabled"),
        ("plugins:\n  a: {enabled: true, priority: 0}\n", 2, "Write a number from 1 to 100"),
        ("plugins:\n  a: {enabled: true, priority: true}\n", 2, "not a whole number"),
        ("plugins:\n  a: {enabled: true, retries: 1.5}\n", 2, "not a whole number"),
        ("plugins:\n  a: {enabled: true, timeout: 0}\n", 2, "above 0 to 86400 seconds"),
        ("plugins:\n  a: {enabled: true, timeout: 5 min}\n", 2, 'as in "5m"'),
        ("plugins:\n  a: {enabled: true, misfire: lates}\n", 2, "Did you mean latest?"),
        ("plugins:\n  a: {enabled: true, budget: {cpu: 5}}\n", 2, "Did you mean cpu_ms?"),
        ("plugins:\n  a: {enabled: true, budget: 5}\n", 2, "is a number, not a mapping"),
        ("plugins:\n  a: {enabled: true, budget: {mem_mb: -1}}\n", 2, "above 0"),
        ("plugins:\n  a: {enabled: true, schedule: []}\n", 2, "not a schedule word"),
        ("plugins:\n  a: {enabled: true, dependencies: x}\n", 2, "not a list of names"),
        ("plugins:\n  a: {enabled: true, dependencies: [{nedes: x}]}\n", 2, "not a dependency"),
        ("plugins:\n  a: {enabled: true}\n  A: {enabled: true}\n", 3, "are the same id"),
        ("plugins:\n  a: {enabled: true}\n  a: {enabled: false}\n", 3, "stands twice"),
        ("plugins:\n  a:\n    enab", 2, "not a mapping"),
        ("plugins: {a: {enabled: tr", 1, "is not YAML"),
        ("plugin_paths: mine\n", 1, "not a list of texts"),
        ("environment: live\n", 1, "Write demo or paper"),
        ("auto_load: 3\n", 1, "not true or false"),
        ("defaults: {enabled: true}\n", 1, "unknown key 'enabled'"),
        ("defaults: [1]\n", 1, "not a mapping"),
    ],
)
def test_what_is_wrong_is_refused_with_file_line_and_remedy(
    home: Home, write: Write, text: str, line: int, said: str
) -> None:
    file = write("configs/features.yaml", text)
    error = refused(home)
    assert error.where.startswith(f"{file}:{line}")
    assert said in str(error)


def test_all_that_is_wrong_is_told_at_once(home: Home, write: Write) -> None:
    write("configs/features.yaml", "plugins:\n  a: {enabeld: 1, priority: x}\n  b: {tz: 3}\n")
    error = refused(home)
    assert isinstance(error, InvalidConfigError)
    assert [finding.where.rpartition(": ")[2] for finding in error.findings] == [
        "plugins.a.enabeld", "plugins.a.priority", "plugins.b.tz",
    ]  # fmt: skip
    assert "(and 2 more)" in str(error)


def test_the_file_of_an_environment_cannot_set_the_environment(home: Home, write: Write) -> None:
    write("configs/features.yaml", "environment: demo\n")
    file = write("configs/features.demo.yaml", "environment: paper\n")
    assert refused(home).where == f"{file}:1: environment"


def test_two_feature_files_or_none_are_refused(home: Home, write: Write) -> None:
    assert "optifire init" in refused(home).remedy
    write("configs/features.yaml", "")
    write("configs/features.toml", "")
    assert "features.yaml and features.toml" in str(refused(home))


@pytest.mark.row("P076")
def test_toml_and_json_say_the_same_as_yaml(home: Home, write: Write) -> None:
    file = write("configs/features.toml", "[plugins.a]\nenabled = true\ntimeout = '5m'\n")
    assert load_features(home, {}).entry("a").get("timeout") == 300
    file.unlink()
    write("configs/features.json", '{"plugins": {"a": {"enabled": true, "timeout": 30}}}')
    assert load_features(home, {}).entry("a").get("timeout") == 30


def test_a_variable_that_does_not_fit_is_the_fault_of_that_plugin_alone(
    home: Home, write: Write
) -> None:
    write("configs/features.yaml", "plugins: {a: {enabled: true}, b: {enabled: true}}\n")
    features = load_features(home, {"OPTIFIRE_A__TIMEOUTS": "5", "OPTIFIRE_C__ENABLED": "true"})
    with pytest.raises(ConfigError, match="Did you mean timeout") as caught:
        features.entry("a")
    assert caught.value.where == "OPTIFIRE_A__TIMEOUTS: timeouts"
    assert features.entry("b").enabled
    (unused,) = features.unused_variables(["a", "b"])
    assert unused.where == "OPTIFIRE_C__ENABLED"


def test_a_variable_that_is_half_written_is_named(home: Home, write: Write) -> None:
    write("configs/features.yaml", "plugins: {a: {enabled: true}}\n")
    with pytest.raises(ConfigError, match="is not YAML") as caught:
        load_features(home, {"OPTIFIRE_A__DEPENDENCIES": "[b"}).entry("a")
    assert caught.value.where == "OPTIFIRE_A__DEPENDENCIES:1"


@pytest.mark.row("A079")
def test_variables_are_filled_in_and_never_shown(home: Home, write: Write) -> None:
    text = "plugins: {a: {enabled: true, config: {key: 'x-${KEY}', plain: '$${KEY}', n: ['${N}']}}}"
    write("configs/features.yaml", text)
    config = load_features(home, {}).entry("a").config
    known = {"KEY": "s3cret", "N": "1"}
    assert {key: interpolate(found, known) for key, found in config.items()} == {
        "key": "x-s3cret",
        "plain": "${KEY}",
        "n": ["1"],
    }
    assert {key: is_secret(found) for key, found in config.items()} == {
        "key": True,
        "plain": False,
        "n": True,
    }
    with pytest.raises(ConfigError, match="'N' is not set") as caught:
        interpolate(config["n"], {"KEY": "s3cret"})
    assert "features.yaml:1: plugins.a.config.n" in caught.value.where
