"""Homes: found, made, and never overwritten; the files that ship are valid."""

from __future__ import annotations

from pathlib import Path

import pytest

import optifire
from optifire.core.errors import ConfigError
from optifire.core.settings import Settings
from optifire.host.config_file import read_settings
from optifire.host.features import load_features
from optifire.host.home import TEMPLATES, Home, find_home, init_home, template

FIRST_TEN = {
    "alpha_vix_regime", "alpha_cross_asset_corr", "alpha_vrp", "fe_garch", "fe_kalman",
    "fe_entropy", "risk_vol_target", "risk_drawdown_derisk", "infra_psutil_health",
    "infra_heartbeat",
}  # fmt: skip
REPOSITORY = Path(optifire.__file__).resolve().parents[1]


def test_init_makes_a_home_that_is_valid_says_demo_and_enables_the_bundled_plugins(
    tmp_path: Path,
) -> None:
    written = init_home(tmp_path / "new")
    assert {str(each.relative_to(tmp_path / "new")) for each in written} == set(TEMPLATES)
    home = Home(tmp_path / "new")
    features = load_features(home, {})
    assert features.environment == "demo"
    assert {name for name in features.named if features.entry(name).enabled} == FIRST_TEN
    settings, _ = read_settings(home.config_file("config"))
    assert settings == Settings()


def test_init_never_overwrites(tmp_path: Path) -> None:
    init_home(tmp_path)
    (tmp_path / "configs" / "features.yaml").write_text("mine")
    with pytest.raises(ConfigError, match="already there"):
        init_home(tmp_path)
    assert (tmp_path / "configs" / "features.yaml").read_text() == "mine"


def test_init_refuses_a_home_in_another_format_and_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "features.toml").write_text("")
    with pytest.raises(ConfigError, match=r"features\.toml is already there"):
        init_home(tmp_path)
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        init_home(blocked)


@pytest.mark.parametrize("name", ["features.yaml", "config.yaml", "secrets.env.template"])
def test_the_repository_is_a_home_of_its_own_with_the_templates(name: str) -> None:
    assert (REPOSITORY / "configs" / name).read_text(encoding="utf-8") == template(name)


def test_the_home_is_the_one_asked_for_else_the_variable_else_here_or_above(
    tmp_path: Path,
) -> None:
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    for folder in (one, two, three):
        init_home(folder)
    below = three / "data" / "deep"
    below.mkdir()
    variable = {"OPTIFIRE_HOME": str(two)}
    assert find_home(str(one), variable, below) == Home(one)
    assert find_home(None, variable, below) == Home(two)
    assert find_home(None, {}, below) == Home(three)


def test_where_there_is_no_home_the_error_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="optifire init") as caught:
        find_home(str(tmp_path), {}, tmp_path)
    assert caught.value.where == str(tmp_path)
    with pytest.raises(ConfigError, match="optifire init DIR"):
        find_home(None, {}, tmp_path)


def test_a_home_that_has_run_is_one_without_its_features(tmp_path: Path) -> None:
    init_home(tmp_path)
    home = Home(tmp_path)
    (home.configs / "features.yaml").unlink()
    with pytest.raises(ConfigError, match="optifire init"):
        find_home(str(tmp_path), {}, tmp_path)
    home.database("paper").touch()
    assert find_home(str(tmp_path), {}, tmp_path) == home == find_home(None, {}, home.data)
    with pytest.raises(ConfigError, match="there is no features") as caught:
        load_features(home, {})
    assert "optifire config rollback" in caught.value.remedy


def test_the_paths_of_a_home(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.database("demo") == tmp_path / "data" / "demo.db"
    assert home.socket == tmp_path / "data" / "optifire.sock"
    assert home.resolve("../mine") == tmp_path.parent / "mine"
    assert home.resolve("/abs/x") == Path("/abs/x")
