"""`init`, `config`, `doctor`, `lint`, `graph` and `status` without a service."""

import asyncio
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from optifire.cli import doctor
from optifire.core.ledger import Batch, ConfigVersion
from optifire.store.sqlite import SqliteStore

from .conftest import Program

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def accept(home: Path, *names: str) -> None:
    """Write versions into the ledger of the home: each the files as they were, named by `names`."""

    async def write() -> None:
        store = SqliteStore(home / "data" / "demo.db", clock=lambda: NOON)
        await store.open()
        for name in names:
            configs = home / "configs"
            files = {
                each: (configs / each).read_text(encoding="utf-8")
                for each in ("features.yaml", "config.yaml")
            }
            version = ConfigVersion(name, NOON, "start", files)
            await store.commit(Batch(configs=[version]))
        await store.close()

    asyncio.run(write())


# --- init ---------------------------------------------------------------------------------------


def test_init_never_overwrites(optifire: Program, home: Path) -> None:
    before = (home / "configs" / "features.yaml").read_bytes()
    said = optifire("init", home, "--json")
    assert said.code == 1
    assert "is already there" in said.error["message"]
    assert (home / "configs" / "features.yaml").read_bytes() == before


def test_init_where_nobody_may_write_is_an_error(optifire: Program) -> None:
    said = optifire("init", "/proc/optifire", "--json")
    assert said.code == 1
    assert said.error["type"] == "ConfigError"


def test_init_makes_a_home_in_which_commands_work(optifire: Program, tmp_path: Path) -> None:
    said = optifire("init", tmp_path / "new", "--json")
    assert said.json["ok"] is True
    assert str(tmp_path / "new" / "configs" / "features.yaml") in said.json["changed"]
    assert optifire("--home", tmp_path / "new", "config", "show").code == 0


# --- config -------------------------------------------------------------------------------------


def test_a_home_without_a_version_has_nothing_to_compare_with(
    optifire: Program, fresh: Path
) -> None:
    said = optifire("--home", fresh, "config", "diff", "--json")
    assert said.code == 1
    assert "no version has been accepted" in said.error["message"]


def test_a_version_is_named_by_the_beginning_of_its_hash(optifire: Program, home: Path) -> None:
    accept(home, "aaa111", "aab222")
    for prefix, message in (("zz", "no version begins"), ("aa", "several versions begin")):
        said = optifire("--home", home, "config", "rollback", prefix, "--json")
        assert said.code == 1
        assert message in said.error["message"]


def test_show_gives_every_setting_with_its_source(optifire: Program, home: Path) -> None:
    accept(home, "aaa111")
    shape = optifire("--home", home, "config", "show", "--json").json
    assert shape["settings"]["demo.pace"]["value"] == 0.5
    assert "config.yaml:" in shape["settings"]["demo.pace"]["source"]
    assert shape["settings"]["system.concurrency"]["source"] == "default"
    assert shape["files"].keys() == {"features.yaml", "config.yaml"}
    assert shape["versions"] == [
        {"hash": "aaa111", "at": "2026-01-02T12:00:00Z", "author": "start"}
    ]


def test_diff_and_rollback_go_back_to_an_accepted_version_whole(
    optifire: Program, home: Path
) -> None:
    accept(home, "aaa111")
    config, features = (home / "configs" / name for name in ("config.yaml", "features.yaml"))
    before = config.read_text(encoding="utf-8"), features.read_text(encoding="utf-8")
    config.write_text(before[0].replace("pace: 0.5", "pace: 2"), encoding="utf-8")
    optifire("--home", home, "plugins", "disable", "fe_garch")
    changes = optifire("--home", home, "config", "diff", "--json").json
    assert changes["changed"] == ["config.yaml", "features.yaml"]
    assert "-  pace: 0.5\n+  pace: 2\n" in changes["diff"]["config.yaml"]
    said = optifire("--home", home, "config", "rollback", "aaa", "--json")
    assert said.json["changed"] == ["features.yaml", "config.yaml"]
    assert said.json == {"ok": True, "changed": said.json["changed"], "errors": [], "restart": []}
    assert (config.read_text(encoding="utf-8"), features.read_text(encoding="utf-8")) == before
    assert "pace: 2" in (home / "configs" / "config.yaml.bak").read_text(encoding="utf-8")
    assert "nothing differs" in optifire("--home", home, "config", "diff").out
    again = optifire("--home", home, "config", "rollback", "aaa", "--json")
    assert again.json["changed"] == []


@pytest.mark.parametrize("ruin", [None, b"", b"plugins: [", b"plugins: \xff\n"])
def test_features_that_are_gone_or_ruined_are_put_back_without_a_service(
    optifire: Program, home: Path, ruin: bytes | None
) -> None:
    accept(home, "aaa111")
    features = home / "configs" / "features.yaml"
    before = features.read_bytes()
    features.unlink()
    if ruin is not None:
        features.write_bytes(ruin)
    refused = optifire("--home", home, "lint", "--json")
    assert (refused.code, "features.yaml" in refused.err) == (1, True)
    assert optifire("--home", home, "config", "diff").code == 0
    said = optifire("--home", home, "config", "rollback", "--json")
    assert said.json["changed"] == ["features.yaml"]
    assert features.read_bytes() == before
    kept = features.with_name("features.yaml.bak")
    assert (kept.read_bytes() if kept.exists() else None) == ruin


# --- doctor, lint, graph, status ----------------------------------------------------------------


def test_a_sound_home_is_well(optifire: Program, home: Path) -> None:
    said = optifire("--home", home, "doctor", "--json")
    assert said.code == 0
    of_the_home = [item for item in said.json if item["rule"] != "clock"]  # the machine's matter
    assert {item["level"] for item in of_the_home} == {"note"}
    assert {"platform", "python", "packages", "config", "calendar", "ledger", "service"} <= {
        item["rule"] for item in said.json
    }


def test_a_damaged_ledger_is_found(optifire: Program, home: Path) -> None:
    (home / "data" / "demo.db").write_bytes(b"SQLite format 3\0" + b"x" * 8192)
    said = optifire("--home", home, "doctor", "--json")
    assert said.code == 1
    (found,) = [item for item in said.json if item["level"] == "error"]
    assert (found["rule"], found["where"]) == ("ledger", str(home / "data" / "demo.db"))


def test_a_broken_configuration_is_found_and_the_rest_examined(
    optifire: Program, home: Path
) -> None:
    (home / "configs" / "config.yaml").write_text("demo: {pace: fast}\n", encoding="utf-8")
    said = optifire("--home", home, "doctor", "--json")
    assert said.code == 1
    assert any("config.yaml:1" in item["where"] for item in said.json)
    assert any(item["rule"] == "ledger" for item in said.json)


def test_a_data_folder_that_is_missing_is_found(optifire: Program, home: Path) -> None:
    (home / "data").rename(home / "elsewhere")
    said = optifire("--home", home, "doctor", "--json")
    assert said.code == 1
    assert any(item["rule"] == "data" for item in said.json)


def test_lint_of_the_bundled_plugins_finds_no_error(optifire: Program, home: Path) -> None:
    said = optifire("--home", home, "lint", "--json")
    assert said.code == 0
    assert [item for item in said.json if item["level"] == "error"] == []


def test_lint_warns_of_a_time_that_clocks_skip(optifire: Program, home: Path) -> None:
    features = home / "configs" / "features.yaml"
    text = features.read_text(encoding="utf-8")
    changed = text.replace("  fe_garch:\n", '  fe_garch:\n    schedule: "30 2 * * *"\n')
    features.write_text(changed, encoding="utf-8")
    found = optifire("--home", home, "lint", "--json").json
    assert any("02:30" in item["message"] and item["level"] == "warning" for item in found)


@pytest.mark.row("O065")
def test_lint_finds_no_bundled_plugin_that_looks_ahead(optifire: Program, home: Path) -> None:
    said = optifire("--home", home, "lint", "--lookahead", "--sessions", "3", "--json")
    assert said.code == 0
    assert [item for item in said.json if item["rule"] == "lookahead"] == []


def test_the_graph_has_producers_before_consumers(optifire: Program, home: Path) -> None:
    shape = optifire("--home", home, "graph", "--json").json
    order = [node["plugin_id"] for node in shape["nodes"]]
    assert shape["edges"]
    for edge in shape["edges"]:
        assert edge.keys() == {"from", "to", "name", "mode", "off"}
        assert order.index(edge["from"]) < order.index(edge["to"])
    assert "fe_garch: vol_forecast" in optifire("--home", home, "graph").out


def test_status_without_a_service_is_stopped_and_red(optifire: Program, home: Path) -> None:
    said = optifire("--home", home, "status", "--json")
    assert said.code == 0
    shape = said.json
    assert shape["state"] == "stopped"
    assert shape["health"] == {"level": "red", "reasons": ["no service is running in this home"]}
    assert shape["now"] == "2018-11-30T21:00:00Z"
    assert shape["plugins"]["fe_garch"]["last"]["run_id"] == "fe_garch@20181130T210000Z"
    assert shape["plugins"]["fe_garch"]["counts"] == {"succeeded": 9}
    text = optifire("--home", home, "status").out
    assert "recorded data" in text
    assert "no service is running in this home" in text
    assert "\x1b" not in text


def test_a_ledger_of_a_newer_version_is_refused_with_both(optifire: Program, home: Path) -> None:
    connection = sqlite3.connect(home / "data" / "demo.db")
    connection.execute("PRAGMA user_version = 9999")
    connection.close()
    said = optifire("--home", home, "runs", "--json")
    assert said.code == 1
    assert said.error["type"] == "UnfitError"
    assert "9999" in said.error["message"]
    examined = optifire("--home", home, "doctor", "--json")
    (found,) = [item for item in examined.json if item["level"] == "error"]
    assert (found["rule"], found["message"]) == ("ledger", said.error["message"])


def test_a_ledger_that_may_only_be_read_is_not_called_damaged(
    optifire: Program, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> object:  # the tests may run as root, who may write all
        error = sqlite3.OperationalError("attempt to write a readonly database")
        error.sqlite_errorcode = sqlite3.SQLITE_READONLY
        raise error

    monkeypatch.setattr(doctor, "sqlite3", SimpleNamespace(**{**vars(sqlite3), "connect": refuse}))
    said = optifire("--home", home, "doctor", "--json")
    (found,) = [item for item in said.json if item["level"] == "error"]
    assert "read-only" in found["message"]
    assert "Make both writable" in found["remedy"]
