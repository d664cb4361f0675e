"""Files as plain values with lines, and every way in which a file can be broken."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optifire.core.errors import ConfigError
from optifire.host.documents import parse_document, parse_value, read_document

YAML = """\
# a comment
plugins:
  fe_garch:
    enabled: on
    schedule: "@close"   # text
    config: {window: 2520, tail: [0.01, 5e-2]}
"""
TOML = """\
# a comment
[plugins.fe_garch]
enabled = true
schedule = "@close"

config = {window = 2520, tail = [0.01, 0.05]}
"""
JSON = """\
{
\t"plugins": {
\t\t"fe_garch": {
\t\t\t"enabled": true, "schedule": "@close",
\t\t\t"config": {"window": 2520, "tail": [0.01, 0.05]}
\t\t}
\t}
}
"""
DATA = {
    "plugins": {
        "fe_garch": {
            "enabled": True,
            "schedule": "@close",
            "config": {"window": 2520, "tail": [0.01, 0.05]},
        }
    }
}


@pytest.mark.parametrize(
    ("text", "name", "line"), [(YAML, "f.yaml", 5), (TOML, "f.toml", 4), (JSON, "f.json", 4)]
)
def test_the_three_formats_say_the_same(text: str, name: str, line: int) -> None:
    document = parse_document(text, name)
    assert document.data == DATA
    key = ("plugins", "fe_garch", "schedule")
    assert document.where(key) == f"{name}:{line}: plugins.fe_garch.schedule"


def test_a_key_without_a_line_of_its_own_is_found_under_the_one_above() -> None:
    document = parse_document(TOML, "f.toml")
    key = ("plugins", "fe_garch", "config", "window")
    assert document.where(key) == "f.toml:6: plugins.fe_garch.config.window"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10:30", "10:30"),
        ("2018-01-29", "2018-01-29"),
        ("010", "010"),
        ("1e3", 1000.0),
        ("-4", -4),
        ("1_000", "1_000"),
        ("off", False),
        ("", None),
        ("[a, 1]", ["a", 1]),
        ("0x1F", "0x1F"),
    ],
)
def test_scalars_are_what_they_look_like(text: str, value: object) -> None:
    assert parse_value(text) == value


@pytest.mark.parametrize(
    ("text", "name", "line", "said"),
    [
        ("a: 1\nb: {c: tr", "f.yaml", 2, "is not YAML"),
        ("a: 1\nb: 2\na: 3\n", "f.yaml", 3, "'a' stands twice, first in line 1"),
        ("a:\n\t b: 1\n", "f.yaml", 2, "is not YAML"),
        ("a: &x\n  b: *x\n", "f.yaml", 1, "alias refers to what it lies in"),
        ("a: !!python/name:os.system x\n", "f.yaml", 1, "the tag"),
        ("- a\n", "f.yaml", 1, "holds a list, not a mapping"),
        ("a: 1\n---\nb: 2\n", "f.yaml", 2, "is not YAML"),
        ("? [a, b]\n: 1\n", "f.yaml", 1, "a key is not text"),
        ("a: \x07\n", "f.yaml", 1, "is not YAML"),
        ("a = 1\nb = \n", "f.toml", 2, "is not TOML"),
        ("a = 1\na = 2\n", "f.toml", 2, "is not TOML"),
        ('{"a": 1,\n "b": ', "f.json", 2, "is not JSON"),
        ('{"a": 1,\n "a": 2}', "f.json", 2, "'a' stands twice"),
    ],
)
def test_a_broken_file_is_refused_with_its_line(text: str, name: str, line: int, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_document(text, name)
    assert caught.value.where == f"{name}:{line}"
    assert said in caught.value.message
    assert caught.value.remedy


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    file = tmp_path / "features.yaml"
    file.write_text("# nothing yet\n")
    assert read_document(file).data == {}


def test_a_file_that_is_not_utf8_or_not_there_is_named(tmp_path: Path) -> None:
    file = tmp_path / "features.yaml"
    file.write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(ConfigError, match="is not UTF-8") as caught:
        read_document(file)
    assert caught.value.where == f"{file}:2"
    with pytest.raises(ConfigError, match="No such file"):
        read_document(tmp_path / "absent.yaml")


@given(st.integers(0, len(YAML)))
def test_a_file_cut_anywhere_reads_or_is_refused_with_a_line(cut: int) -> None:
    try:
        where = parse_document(YAML[:cut], "f.yaml").where()
    except ConfigError as error:
        where = error.where
    assert where.startswith("f.yaml")
