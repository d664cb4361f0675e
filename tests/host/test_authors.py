"""Who wrote a configuration file: by a command's signature, else by the owner of the file."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from optifire.host import authors
from optifire.host.authors import authors_of, forget_old, person, sign
from optifire.host.home import Home

T = datetime(2026, 3, 2, 15, tzinfo=UTC)
FILE = "features.yaml"
ME = person(os.getuid())
BEFORE = {FILE: "old"}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Give a home with one configuration file that only its owner may write."""
    (tmp_path / "configs").mkdir()
    file = tmp_path / "configs" / FILE
    file.write_text("new")
    file.chmod(0o644)
    return Home(tmp_path)


def author(home: Home, text: str = "new", since: datetime = T) -> str:
    return authors_of(home, BEFORE, {FILE: text}, since)


def test_what_a_command_has_signed_is_its_users(home: Home) -> None:
    sign(home, FILE, "new", "alice", T)
    assert author(home) == "alice (command)"


def test_another_text_than_was_signed_was_written_by_hand(home: Home) -> None:
    sign(home, FILE, "new", "alice", T)
    assert author(home, "newer") == f"{ME} (file)"


def test_the_signature_of_another_file_says_nothing(home: Home) -> None:
    sign(home, "config.yaml", "new", "alice", T)
    assert author(home) == f"{ME} (file)"


def test_a_signature_from_before_the_version_that_was_changed_says_nothing(home: Home) -> None:
    sign(home, FILE, "new", "alice", T)
    assert author(home, since=T + timedelta(minutes=1)) == f"{ME} (file)"


def test_the_latest_of_two_who_wrote_the_same_is_named(home: Home) -> None:
    sign(home, FILE, "new", "alice", T)
    sign(home, FILE, "new", "bob", T)
    assert author(home) == "bob (command)"


def test_a_line_cut_short_and_one_of_another_form_are_passed_over(home: Home) -> None:
    sign(home, FILE, "new", "alice", T)
    with (home.data / "edits.jsonl").open("a") as stream:
        stream.write('["a list"]\n{"at": 5}\n{"at": "202')
    assert author(home) == "alice (command)"


@pytest.mark.parametrize("mode", [0o646, 0o606])
def test_nobody_can_tell_who_wrote_a_file_that_all_may_write(home: Home, mode: int) -> None:
    (home.configs / FILE).chmod(mode)
    assert author(home) == "file"


@pytest.mark.parametrize(("members", "by"), [([], f"{ME} (file)"), (["bob"], "file")])
def test_a_group_that_may_write_counts_when_somebody_else_is_in_it(
    home: Home, monkeypatch: pytest.MonkeyPatch, members: list[str], by: str
) -> None:
    class Group:
        gr_name = ME
        gr_mem = members

    monkeypatch.setattr(authors, "getgrgid", lambda _: Group)
    (home.configs / FILE).chmod(0o664)
    assert author(home) == by


def test_a_file_that_was_removed_by_hand_is_nobodys(home: Home) -> None:
    (home.configs / FILE).unlink()
    assert authors_of(home, BEFORE, {}, T) == "file"
    sign(home, FILE, "", "alice", T)
    assert authors_of(home, BEFORE, {}, T) == "alice (command)"


def test_each_author_of_several_files_is_named_once(home: Home) -> None:
    sign(home, FILE, "new", "alice", T)
    sign(home, "config.yaml", "c", "alice", T)
    now = {FILE: "new", "config.yaml": "c", "closures.yaml": "x"}
    assert authors_of(home, BEFORE, now, T) == "file, alice (command)"
    assert authors_of(home, now, now, T) == ""


def test_very_many_lines_are_begun_anew(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    sign(home, FILE, "new", "alice", T)
    forget_old(home)
    assert author(home) == "alice (command)"
    monkeypatch.setattr(authors, "MOST_BYTES", 10)
    forget_old(home)
    assert author(home) == f"{ME} (file)"


def test_the_lines_are_for_their_owner_alone(home: Home) -> None:
    sign(home, FILE, "new", "alice", T)
    assert (home.data / "edits.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_user_without_a_name_is_told_by_number() -> None:
    assert person(987654) == "user 987654"
