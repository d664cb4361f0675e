"""Tokens: a file that cannot be used is an error that says so, and nothing of what it holds."""

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
