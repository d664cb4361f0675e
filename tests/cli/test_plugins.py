import asyncio
from pathlib import Path

import pytest

from .conftest import Program

FIELDS = {
    "plugin_id", "state", "enabled", "category", "kinds", "version", "origin", "reason",
    "since", "why",
}  # fmt: skip


@pytest.mark.parametrize("command", ["info", "enable", "disable", "validate", "test"])
def test_an_unknown_id_is_answered_with_near_ones(
    optifire: Program, home: Path, command: str
) -> None:
    said = optifire("--home", home, "plugins", command, "fe_grach", "--json")
    assert said.code == 1
    assert said.error["type"] == "NotFoundError"
    assert "fe_garch" in said.error["remedy"]


def test_a_typo_in_features_is_an_error_with_file_line_and_the_word_that_was_meant(
    optifire: Program, home: Path
) -> None:
    features = home / "configs" / "features.yaml"
    text = features.read_text(encoding="utf-8").replace("enabled: true", "enabeld: true", 1)
    features.write_text(text, encoding="utf-8")
    line = next(n for n, each in enumerate(text.splitlines(), 1) if "enabeld" in each)
    said = optifire("--home", home, "plugins", "list", "--json")
    assert said.code == 1
    assert f"features.yaml:{line}" in said.error["where"]
    assert "enabled" in said.error["remedy"]


def test_the_list_shows_every_plugin_on_or_off(optifire: Program, home: Path) -> None:
    optifire("--home", home, "plugins", "disable", "fe_garch")
    found = optifire("--home", home, "plugins", "list", "--json").json
    assert len(found) >= 10
    assert all(item.keys() == FIELDS for item in found)
    by_id = {item["plugin_id"]: item for item in found}
    assert by_id["fe_kalman"] == {
        "plugin_id": "fe_kalman",
        "state": "active",
        "enabled": True,
        "category": "fe",
        "kinds": ["job"],
        "version": by_id["fe_kalman"]["version"],
        "origin": "builtin",
        "reason": "",
        "since": None,  # no service has run here
        "why": "",
    }
    assert by_id["fe_garch"]["state"] == "unloaded"
    assert by_id["fe_garch"]["category"] == "fe"
    assert by_id["fe_garch"]["enabled"] is False


def test_info_says_what_holds_and_where_each_value_comes_from(
    optifire: Program, home: Path
) -> None:
    features = home / "configs" / "features.yaml"
    text = features.read_text(encoding="utf-8")
    more = "    budget: {cpu_ms: 321}\n    permissions: ['network:example.com']\n"
    changed = text.replace("  fe_garch:\n", f"  fe_garch:\n{more}")
    features.write_text(changed, encoding="utf-8")
    shape = optifire("--home", home, "plugins", "info", "fe_garch", "--config", "--json").json
    assert shape["job"]["budget"]["cpu_ms"] == 321
    assert shape["needed_by"] == ["alpha_vrp", "risk_vol_target"]
    stated = shape["config"]["budget.cpu_ms"]
    assert stated["value"] == 321
    assert "features.yaml:" in stated["source"]
    assert "plan()" in shape["config"]["schedule"]["source"]
    # It is granted, and not declared.
    assert shape["permissions"] == {
        "declared": [], "granted": ["network:example.com"], "effective": []
    }  # fmt: skip
    text = optifire("--home", home, "plugins", "info", "fe_garch").out
    assert "the close of each XNYS session" in text
    assert "granted    network:example.com" in text


def test_a_secret_that_was_set_by_a_variable_is_masked(
    optifire: Program, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTIFIRE_FE_GARCH__CONFIG__API_KEY", "hush")
    said = optifire("--home", home, "plugins", "info", "fe_garch", "--config", "--json")
    assert said.json["config"]["config.api_key"]["value"] == "***"
    assert "hush" not in said.out


@pytest.mark.row("O028")
def test_enabling_and_disabling_is_an_edit_of_features_and_of_nothing_else(
    optifire: Program, home: Path
) -> None:
    features = home / "configs" / "features.yaml"
    before = features.read_text(encoding="utf-8")
    said = optifire("--home", home, "plugins", "disable", "FE-GARCH", "--json")
    assert (said.code, said.json["changed"]) == (0, ["fe_garch"])
    after = features.read_text(encoding="utf-8")
    assert after == before.replace(
        "  fe_garch:\n    enabled: true", "  fe_garch:\n    enabled: false"
    )
    assert optifire("--home", home, "plugins", "disable", "fe_garch", "--json").json == {
        "ok": True,
        "changed": [],
        "errors": [],
    }
    assert optifire("--home", home, "plugins", "enable", "fe_garch").code == 0
    assert features.read_text(encoding="utf-8") == before


def test_disabling_names_those_who_need_it(optifire: Program, home: Path) -> None:
    said = optifire("--home", home, "plugins", "disable", "fe_garch")
    assert "alpha_vrp needs fe_garch" in said.err
    assert "risk_vol_target needs fe_garch" in said.err


@pytest.mark.parametrize("plugin_id", ["Alpha-Mine", "1st", "a__b", "../x"])
def test_an_id_that_cannot_be_is_not_made(optifire: Program, home: Path, plugin_id: str) -> None:
    said = optifire("--home", home, "plugins", "create", plugin_id, "--json")
    assert said.code == 2
    assert not (home / "plugins").exists() or list((home / "plugins").iterdir()) == []


def test_a_plugin_that_was_made_is_found_valid_tested_and_run(
    optifire: Program, home: Path
) -> None:
    features = home / "configs" / "features.yaml"
    text = features.read_text(encoding="utf-8")
    made = optifire("--home", home, "plugins", "create", "alpha_mine", "--json")
    assert (made.code, made.json["ok"]) == (0, True)
    assert str(features) in made.json["changed"]
    listed = text.replace("plugin_paths: []", "plugin_paths: [plugins]")
    assert features.read_text(encoding="utf-8") == listed
    assert str(home / "plugins" / "alpha_mine" / "impl.py") in made.json["changed"]
    again = optifire("--home", home, "plugins", "create", "alpha_mine", "--json")
    assert (again.code, again.error["type"]) == (1, "ConflictError")
    valid = optifire("--home", home, "plugins", "validate", "alpha_mine", "--json")
    assert (valid.code, valid.json) == (0, [])
    tested = optifire("--home", home, "plugins", "test", "alpha_mine", "--json")
    assert (tested.code, tested.json["ok"]) == (0, True)
    assert "passed" in tested.json["output"]
    assert optifire("--home", home, "plugins", "enable", "alpha_mine").code == 0
    words = ("run", "alpha_mine", "--at", "2018-11-23T18:00:00Z", "--json")
    assert optifire("--home", home, *words).json["status"] == "succeeded"


def test_a_failing_test_of_a_plugin_is_exit_code_1(optifire: Program, home: Path) -> None:
    features = home / "configs" / "features.yaml"
    text = features.read_text(encoding="utf-8")
    features.write_text(text.replace("plugin_paths: []", "plugin_paths: [plugins]"), "utf-8")
    optifire("--home", home, "plugins", "create", "alpha_mine")
    test = home / "plugins" / "alpha_mine" / "tests" / "test_impl.py"
    test.write_text("def test_it() -> None:\n    assert 1 == 2\n", "utf-8")
    said = optifire("--home", home, "plugins", "test", "alpha_mine", "--json")
    assert (said.code, said.json["ok"]) == (1, False)
    assert "1 failed" in said.json["output"]
    test.unlink()
    said = optifire("--home", home, "plugins", "test", "alpha_mine", "--json")
    assert said.code == 1
    assert "there are no tests" in said.error["message"]


def test_a_broken_plugin_is_listed_with_its_reason_and_the_others_go_on(
    optifire: Program, home: Path
) -> None:
    features = home / "configs" / "features.yaml"
    text = features.read_text(encoding="utf-8")
    features.write_text(text.replace("plugin_paths: []", "plugin_paths: [plugins]"), "utf-8")
    optifire("--home", home, "plugins", "create", "alpha_mine")
    (home / "plugins" / "alpha_mine" / "impl.py").write_text("def broken(:\n", "utf-8")
    said = optifire("--home", home, "plugins", "enable", "alpha_mine")
    assert said.code == 0
    found = optifire("--home", home, "plugins", "list", "--json").json
    states = {item["plugin_id"]: item["state"] for item in found}
    assert states["alpha_mine"] == "error"
    assert states["fe_garch"] == "active"
    for command in (["plugins", "validate", "alpha_mine"], ["lint"]):
        checked = optifire("--home", home, *command, "--json")
        assert checked.code == 1
        assert checked.json[0].keys() == {"rule", "level", "where", "message", "remedy"}
        assert checked.json[0]["level"] == "error"
        assert "impl.py" in checked.json[0]["where"]


def test_the_commands_leave_no_process_and_no_task_behind(optifire: Program, home: Path) -> None:
    import psutil

    before = {child.pid for child in psutil.Process().children(recursive=True)}
    (home / "data" / "cache" / "descriptions.msgpack").unlink()
    one = "environment: demo\nplugins: {infra_heartbeat: {enabled: true}}\n"
    (home / "configs" / "features.yaml").write_text(one, encoding="utf-8")
    (node,) = optifire("--home", home, "graph", "--json").json["nodes"]
    assert node["plugin_id"] == "infra_heartbeat"
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
