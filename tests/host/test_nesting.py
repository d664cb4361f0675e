"""Files that would hang, fill or end whoever reads them are refused like any other mistake."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from optifire.core.errors import ConfigError
from optifire.host import texts
from optifire.host.documents import parse_document, read_document
from optifire.host.home import Home
from optifire.host.nesting import DEEPEST

NINE = ",".join(["*x"] * 9)
LAUGHS = "a0: &x0 [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"a{n}: &x{n} [{NINE.replace('*x', f'*x{n - 1}')}]\n" for n in range(1, 9)
)


@pytest.mark.parametrize(
    ("name", "text", "where", "message"),
    [
        ("f.yaml", "a: 1\nb: " + "[" * 100_000, "f.yaml:2", "more than 64 deep"),
        ("f.yaml", "- " * 5_000, "f.yaml:1", "more than 64 deep"),
        ("f.json", '{"a":' * 100_000, "f.json", "more than 64 deep"),
        ("f.json", '{"a":' * 100 + "1" + "}" * 100, "f.json:1", "more than 64 deep"),
        ("f.toml", "a = " + "[" * 5_000, "f.toml", "more than 64 deep"),
        ("f.yaml", LAUGHS, "f.yaml:", "more than 100,000 values"),
        ("f.yaml", "a: 1\nb: " + "9" * 5_000, "f.yaml:2", "a number has 5,000 digits"),
        ("f.json", '{\n"b": ' + "9" * 5_000 + "}", "f.json:2", "a number has 5,000 digits"),
        ("f.toml", "b = " + "9" * 5_000, "f.toml:1", "digits"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else value,
)
def test_what_would_end_the_reader_is_an_error(
    name: str, text: str, where: str, message: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_document(text, name)
    assert refused.value.where.startswith(where)
    assert message in refused.value.message
    assert refused.value.remedy


def test_what_a_person_nests_is_read() -> None:
    text = "a: " + "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1)
    assert parse_document(text, "f.yaml").data["a"] is not None


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_a_pipe_or_device_is_refused_and_not_waited_for(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "config.yaml")
    with pytest.raises(ConfigError, match="is a pipe or a device"):
        read_document(tmp_path / "config.yaml")


def test_a_huge_file_is_refused_by_its_size(tmp_path: Path) -> None:
    with (tmp_path / "config.yaml").open("wb") as file:
        file.truncate(texts.LARGEST + 2**20)
    with pytest.raises(ConfigError, match="is too large, with 3 MB"):
        read_document(tmp_path / "config.yaml")


def test_a_link_to_nowhere_is_no_absent_file(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.configs.mkdir()
    (home.configs / "config.yaml").symlink_to("/nonexistent/config.yaml")
    file = home.config_file("config")
    assert file is not None
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_document(file)


@pytest.mark.parametrize("text", ["\tplugins: {}\n", "plugins:\n\tfe_garch: {}\n"])
def test_a_tab_is_called_a_tab(text: str) -> None:
    with pytest.raises(ConfigError, match="there is a tab") as refused:
        parse_document(text, "f.yaml")
    assert refused.value.remedy == "Indent with spaces"


def test_a_key_tells_the_terminal_nothing() -> None:
    assert "\x1b" not in parse_document("{}", "f.yaml").where(("system", "\x1b[31m"))
