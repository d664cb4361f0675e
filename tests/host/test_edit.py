"""Edits of features.yaml: one value changes, every other byte stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optifire.core.errors import ConfigError
from optifire.host.documents import parse_document
from optifire.host.edit import edit_file, set_value
from optifire.host.home import template

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """\
# what runs — and why
environment: demo   # paper later

plugins:
  # --- features
  fe_garch:
    enabled: true   # keep
    schedule: "@close"
    budget: {cpu_ms: 900}

  fe_kalman: {enabled: false}   # one line
  fe_list:
    enabled: off
    schedule:
      - "@open"
      - "@close"
    # the end of fe_list
  fe_empty:
    enabled: true
    budget:
# a last comment
"""


@pytest.mark.parametrize(
    ("plugin_id", "keys", "value", "old", "new"),
    [
        ("fe_garch", ("enabled",), False, "enabled: true   # keep", "enabled: false   # keep"),
        ("fe_garch", ("schedule",), "@open", 'schedule: "@close"', 'schedule: "@open"'),
        ("fe_garch", ("schedule",), "0 9 * * *", '"@close"\n    b', '"0 9 * * *"\n    b'),
        ("fe_garch", ("budget", "cpu_ms"), 5, "{cpu_ms: 900}", "{cpu_ms: 5}"),
        ("fe_garch", ("budget", "mem_mb"), 64, "{cpu_ms: 900}", "{cpu_ms: 900, mem_mb: 64}"),
        ("fe_garch", ("priority",), 3, "{cpu_ms: 900}\n", "{cpu_ms: 900}\n    priority: 3\n"),
        ("FE-Kalman", ("enabled",), True, "{enabled: false}", "{enabled: true}"),
        (
            "fe_kalman",
            ("budget", "cpu_ms"),
            5,
            "{enabled: false}",
            "{enabled: false, budget: {cpu_ms: 5}}",
        ),
        ("fe_list", ("enabled",), True, "enabled: off", "enabled: true"),
        (
            "fe_list",
            ("schedule",),
            ["@idle"],
            'schedule:\n      - "@open"\n      - "@close"\n',
            'schedule: ["@idle"]\n',
        ),
        (
            "fe_list",
            ("priority",),
            1,
            '      - "@close"\n',
            '      - "@close"\n    priority: 1\n',
        ),
        ("fe_empty", ("budget", "cpu_ms"), 7, "budget:\n#", "budget:\n      cpu_ms: 7\n#"),
        (
            "new_one",
            ("enabled",),
            True,
            "    budget:\n#",
            "    budget:\n  new_one:\n    enabled: true\n#",
        ),
    ],
)
def test_the_value_that_is_meant_changes_and_no_other_byte(
    plugin_id: str, keys: tuple[str, ...], value: object, old: str, new: str
) -> None:
    assert TEXT.count(old) == 1
    edited = set_value(TEXT, plugin_id, keys, value, "f.yaml")
    assert edited == TEXT.replace(old, new)


def test_setting_what_is_already_there_changes_nothing() -> None:
    assert set_value(TEXT, "fe_garch", ("enabled",), value=True, name="f.yaml") == TEXT


@pytest.mark.parametrize(
    ("text", "edited"),
    [
        ("", "plugins:\n  a:\n    enabled: true\n"),
        ("# only this", "# only this\nplugins:\n  a:\n    enabled: true\n"),
        ("plugins:\n", "plugins:\n  a:\n    enabled: true\n"),
        ("plugins:", "plugins:\n  a:\n    enabled: true"),
        ("plugins: {}\n", "plugins: {a: {enabled: true}}\n"),
        ("plugins: {b: {enabled: true},}", "plugins: {b: {enabled: true}, a: {enabled: true}}"),
        ("plugins:\r\n  a:\r\n    enabled: no\r\n", "plugins:\r\n  a:\r\n    enabled: true\r\n"),
        ("plugins:\n  a:\n    enabled:   # on?\n", "plugins:\n  a:\n    enabled: true   # on?\n"),
    ],
)
def test_files_of_every_form_can_be_edited(text: str, edited: str) -> None:
    assert set_value(text, "a", ("enabled",), value=True, name="f.yaml") == edited


def test_a_form_that_would_change_something_else_is_refused_and_says_what_to_write() -> None:
    text = "x: &e {enabled: false}\nplugins:\n  a: *e\n  b: *e\n"
    with pytest.raises(ConfigError, match="by hand"):
        set_value(text, "a", ("enabled",), value=True, name="f.yaml")


def test_the_file_is_replaced_in_one_step_with_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "features.yaml"
    file.write_bytes(TEXT.encode())
    file.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(file)
    inode = file.stat().st_ino
    assert edit_file(link, "fe_garch", ("enabled",), value=False)
    assert not edit_file(link, "fe_garch", ("enabled",), value=False)
    assert link.is_symlink()
    assert file.stat().st_mode & 0o777 == 0o640
    assert file.stat().st_ino != inode
    assert file.read_bytes() == TEXT.replace("enabled: true   #", "enabled: false   #").encode()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["features.yaml", "link.yaml"]


def test_a_folder_that_cannot_be_written_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "features.yaml"
    file.write_text(TEXT, encoding="utf-8")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device", str(descriptor))

    monkeypatch.setattr("optifire.host.edit.os.fsync", full)
    with pytest.raises(ConfigError, match="No space left"):
        edit_file(file, "fe_garch", ("enabled",), value=False)
    assert file.read_text(encoding="utf-8") == TEXT
    assert list(tmp_path.iterdir()) == [file]


def test_toml_is_edited_by_hand(tmp_path: Path) -> None:
    file = tmp_path / "features.toml"
    file.write_text("")
    with pytest.raises(ConfigError, match="Set enabled: true by hand"):
        edit_file(file, "a", ("enabled",), value=True)


@given(
    st.sampled_from([TEXT, template("features.yaml")]),
    st.sampled_from(["fe_garch", "fe_kalman", "fe_entropy", "fe_list", "fe_empty", "another"]),
    st.sampled_from([("enabled",), ("schedule",), ("budget", "cpu_ms"), ("config", "a", "b")]),
    st.one_of(st.booleans(), st.integers(), st.text(st.characters(codec="utf-8"), max_size=8)),
)
def test_whatever_is_set_is_read_back_and_all_else_is_as_before(
    text: str, plugin_id: str, keys: tuple[str, ...], value: object
) -> None:
    before = parse_document(text, "f.yaml").data
    edited = set_value(text, plugin_id, keys, value, "f.yaml")
    after = parse_document(edited, "f.yaml").data
    found = after["plugins"][plugin_id]
    for key in keys:
        found = found[key]
    assert found == value
    others = {name: entry for name, entry in after["plugins"].items() if name != plugin_id}
    assert others == {k: v for k, v in before["plugins"].items() if k != plugin_id}
    comments = [line.partition("#")[2] for line in text.splitlines() if "#" in line]
    for comment in comments:
        assert comment in edited
