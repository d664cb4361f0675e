"""Tokens of the HTTP API: made here, kept as hashes in ``data/tokens.json``, taken back here.

A token is ``optifire_<id>_<secret>``; the secret has 256 random bits, so one SHA-256 keeps it: a
slow hash protects what can be guessed, and this cannot.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import re
import secrets
import stat
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from optifire.core.access import Caller, Role
from optifire.core.errors import ConfigError, NotFoundError
from optifire.host.edit import write_atomically
from optifire.host.records import instant_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TOKEN = re.compile(r"optifire_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")
#: The name of the token that a service makes when there is none.
FIRST = "first"


class Token(msgspec.Struct, frozen=True):
    """One token as the file keeps it; ``revoked_at`` None while it holds."""

    id: str
    name: str
    role: Role
    sha256: str
    created_at: datetime
    revoked_at: datetime | None = None

    def plain(self) -> dict[str, str | None]:
        """Give everything but the hash, as JSON can say it."""
        revoked = None if self.revoked_at is None else instant_text(self.revoked_at)
        return {
            "id": self.id,
            "name": self.name,
            "role": self.role.value,
            "created_at": instant_text(self.created_at),
            "revoked_at": revoked,
        }


class TokenFile:
    """The tokens of one home; a change by another process holds from the next question on."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._stamp: tuple[int, int, int] | None = None
        self._tokens: dict[str, Token] = {}

    def all(self) -> list[Token]:
        """Give every token that was ever made, oldest first.

        Raises
        ------
        ConfigError
            Others may read the file, or it cannot be read or is damaged.
        """
        self._look()
        return list(self._tokens.values())

    def identify(self, text: str) -> Caller | None:
        """Give who shows this token; None for one that never was, or that was revoked."""
        self._look()
        match = _TOKEN.fullmatch(text)
        token = self._tokens.get(match[1]) if match else None
        if match is None or token is None or token.revoked_at is not None:
            return None
        if not hmac.compare_digest(_hash(match[2]), token.sha256):
            return None
        return Caller(token.id, token.name, token.role)

    def create(self, name: str, role: Role, now: datetime) -> tuple[Token, str]:
        """Make a token and give it with its text, which is kept nowhere."""
        token, text = _made(name, role, now)
        with self._alone():
            self._write([*self.all(), token])
        return token, text

    def revoke(self, token_id: str, now: datetime) -> Token:
        """Make a token hold no more; one that was revoked before stays so since then.

        Raises
        ------
        NotFoundError
            No token has this id.
        """
        with self._alone():
            found = {token.id: token for token in self.all()}
            if token_id not in found:
                raise NotFoundError(
                    f"there is no token {token_id!r}",
                    where=str(self.file),
                    remedy="`optifire token list` shows their ids",
                )
            token = found[token_id]
            if token.revoked_at is None:
                token = msgspec.structs.replace(token, revoked_at=now)
                self._write([*(found | {token_id: token}).values()])
        return token

    def begin(self, target: Path, now: datetime) -> bool:
        """Write the first token, an admin's, to a file of mode 0600 if none was ever made.

        It holds from the last step on, so that a start that ends before that has made none.
        """
        with self._alone():
            if self.file.exists():
                return False
            token, text = _made(FIRST, Role.ADMIN, now)
            target.unlink(missing_ok=True)
            write_atomically(target, f"{text}\n")
            self._write([token])
        return True

    def _look(self) -> None:
        """Read the file again if it is another one than before."""
        try:
            state = self.file.stat()
        except FileNotFoundError:
            self._stamp, self._tokens = None, {}
            return
        if state.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigError(
                f"others may read or change it (mode {stat.S_IMODE(state.st_mode):o})",
                where=str(self.file),
                remedy=f"Run `chmod 600 {self.file}`",
            )
        stamp = (state.st_ino, state.st_mtime_ns, state.st_size)
        if stamp != self._stamp:
            self._tokens, self._stamp = self._read(), stamp

    def _read(self) -> dict[str, Token]:
        try:
            found = msgspec.json.decode(self.file.read_bytes(), type=list[Token])
        except OSError as error:
            raise ConfigError(
                f"cannot be read: {error.strerror}",
                where=str(self.file),
                remedy="Give it to the user that runs the service",
            ) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"is no list of tokens: {error}",
                where=str(self.file),
                remedy="Restore it, or remove it and make new tokens with `optifire token create`",
            ) from error
        return {token.id: token for token in found}

    def _write(self, tokens: list[Token]) -> None:
        text = msgspec.json.format(msgspec.json.encode(tokens), indent=2).decode()
        write_atomically(self.file, f"{text}\n")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one process at a time change the file."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        lock = self.file.with_name(f".{self.file.name}.lock")
        with lock.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield


def _made(name: str, role: Role, now: datetime) -> tuple[Token, str]:
    """Give a new token, and its text."""
    token_id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    return Token(token_id, name, role, _hash(secret), now), f"optifire_{token_id}_{secret}"


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
