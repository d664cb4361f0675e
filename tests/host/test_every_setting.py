"""Every setting there is, wrong in every way: the error names file, line and key."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from optifire.app.joining import read_configuration
from optifire.core.errors import ConfigError
from optifire.core.setting import Kind
from optifire.host.home import Home, init_home
from tests.host.wrongs import HIDDEN, OF_WRONG_TYPE, Wrong, of_config, of_features

GOOD = "environment: demo\nplugins: {}\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Give a home whose configuration is accepted."""
    for name in list(os.environ):
        if name.startswith("OPTIFIRE_"):
            monkeypatch.delenv(name)
    init_home(tmp_path / "home")
    made = Home(tmp_path / "home")
    (made.configs / "features.yaml").write_text(GOOD, encoding="utf-8")
    read_configuration(made)
    return made


def refusal(home: Home, wrong: Wrong) -> str:
    """Give the error of a wrong file; empty when it is taken."""
    file = home.configs / wrong.file
    before = file.read_text(encoding="utf-8")
    file.write_text(wrong.text, encoding="utf-8")
    try:
        read_configuration(home)
    except ConfigError as error:
        return str(error)
    finally:
        file.write_text(before, encoding="utf-8")
    return ""


@pytest.mark.row("O043")
@pytest.mark.parametrize("wrongs", [of_config, of_features])
def test_each_wrong_value_and_unknown_key_is_refused_with_file_line_and_key(
    home: Home, wrongs: Callable[[], Iterable[Wrong]]
) -> None:
    found = {str(each): refusal(home, each) for each in wrongs()}
    unnamed = [
        (str(each), found[str(each)])
        for each in wrongs()
        if f"{each.file}:{each.line}: {each.key}" not in found[str(each)]
    ]
    assert unnamed == []
    assert len(found) > 100
    read_configuration(home)


def test_each_kind_of_setting_has_wrong_values_here() -> None:
    assert set(OF_WRONG_TYPE) == set(Kind)


def test_a_secret_in_clear_text_is_refused_and_never_repeated(home: Home) -> None:
    secret = [each for each in of_config() if HIDDEN in each.text]
    assert secret
    for each in secret:
        said = refusal(home, each)
        assert "secrets.env" in said
        assert HIDDEN not in said


BROKEN = {
    "features.yaml": (b"environment: demo\n# \xff\n", "features.yaml:2"),
    "config.yaml": (b"\xffsystem: {}\n", "config.yaml:1"),
    "closures.yaml": (b"XNYS: []\n# \xff\n", "closures.yaml:2"),
    "secrets.env": (b"A=1\nB=\xff\n", "secrets.env:2"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_no_text_is_refused_with_its_line(home: Home, name: str) -> None:
    raw, where = BROKEN[name]
    file = home.configs / name
    file.write_bytes(raw)
    file.chmod(0o600)
    with pytest.raises(ConfigError) as caught:
        read_configuration(home)
    assert where in str(caught.value)
    assert "UTF-8" in str(caught.value)


@pytest.mark.parametrize("name", BROKEN)
def test_a_folder_in_the_place_of_a_file_is_refused_by_name(home: Home, name: str) -> None:
    (home.configs / name).unlink(missing_ok=True)
    (home.configs / name).mkdir(mode=0o700)
    with pytest.raises(ConfigError) as caught:
        read_configuration(home)
    assert name in str(caught.value)


def test_without_features_yaml_there_is_no_configuration(home: Home) -> None:
    (home.configs / "features.yaml").unlink()
    with pytest.raises(ConfigError) as caught:
        read_configuration(home)
    assert "features.yaml" in str(caught.value)


def test_without_config_yaml_all_is_as_the_table_says(home: Home) -> None:
    (home.configs / "config.yaml").unlink()
    assert read_configuration(home).settings.retention.days == 400


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("XNYS:\n  - {date: 2025-01-09}\n", 2, "exactly the keys date and why"),
        ("XNYS:\n  - {date: soon, why: storm}\n", 2, "not a date"),
        ("XNYS:\n  - {date: 2025-01-09, why: ''}\n", 2, "no reason"),
        ("# none\nXNSY:\n  - {date: 2025-01-09, why: storm}\n", 2, "XNSY"),
        ("XNYS: closed\n", 1, "not a list"),
    ],
)
def test_closures_that_cannot_be_are_refused_as_a_whole(
    home: Home, text: str, line: int, said: str
) -> None:
    home.closures.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_configuration(home)
    assert f"closures.yaml:{line}" in str(caught.value)
    assert said in str(caught.value)
