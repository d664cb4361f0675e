"""Tokens: a file that cannot be used is an error that says so, and nothing of what it holds."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from optifire.core.access import Role
from optifire.core.errors import ConfigError
from optifire.host.tokens import TokenFile

NOON = datetime(2018, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    made = TokenFile(tmp_path / "tokens.json")
    made.create("eva", Role.VIEWER, NOON)
    return made


@pytest.mark.parametrize(
    "content", [b"", b"{", b"{}", b'[{"id": 7}]', b'[{"id": "\xff"}]', b"\xff"]
)
def test_a_damaged_file_is_an_error_until_it_is_restored(tokens: TokenFile, content: bytes) -> None:
    good = tokens.file.read_bytes()
    tokens.file.write_bytes(content)
    for _ in range(2):
        with pytest.raises(ConfigError, match="is no list of tokens"):
            tokens.all()
    tokens.file.write_bytes(good)
    assert [each.name for each in tokens.all()] == ["eva"]


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "tokens.json").mkdir(mode=0o700)
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        TokenFile(tmp_path / "tokens.json").all()


@pytest.mark.parametrize("second", ["tokens.json", "first-token"])
def test_a_start_that_ends_between_the_two_files_leaves_the_first_token_to_the_next(
    tmp_path: Path, second: str
) -> None:
    tokens, target = TokenFile(tmp_path / "tokens.json"), tmp_path / "first-token"
    in_its_way = tmp_path / f".{second}.{os.getpid()}.part"
    in_its_way.mkdir()
    with pytest.raises(ConfigError, match="cannot be written"):
        tokens.begin(target, NOON)
    in_its_way.rmdir()
    assert tokens.begin(target, NOON)
    caller = tokens.identify(target.read_text(encoding="utf-8").strip())
    assert caller is not None
    assert (caller.name, caller.role, len(tokens.all())) == ("first", Role.ADMIN, 1)
