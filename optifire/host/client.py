"""Asks a running service over its control socket, without an event loop: commands are quick."""

from __future__ import annotations

import json
import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from optifire.core import errors
from optifire.core.errors import OptifireError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

#: Bytes of the longest answer that a client reads.
LONGEST_ANSWER = 64 << 20
#: Seconds that a client waits for an answer, where the answer does not depend on a run.
ANSWER_WITHIN = 10.0
#: Bytes of a socket's path that every Unix takes; longer ones go through the folder's descriptor.
LONGEST_PATH = 100


class NoServiceError(OptifireError):
    """No service listens on this home."""


def is_listening(path: Path) -> bool:
    """Tell whether a service answers on this socket file (a file alone says nothing)."""
    try:
        _connected(path, ANSWER_WITHIN).close()
    except NoServiceError:
        return False
    return True


def ask(path: Path, command: str, *, wait: float | None = ANSWER_WITHIN, **fields: object) -> Any:  # noqa: ANN401 - the wire
    """Ask the service of a home and give its answer.

    Parameters
    ----------
    path
        The socket file.
    command
        ``status``, ``run``, ``cancel``, ``pause``, ``resume``, ``reload`` or ``stop``.
    wait
        Seconds to wait for the answer; None for ever (a run ends by its own timeout).

    Raises
    ------
    NoServiceError
        Nobody listens.
    TransientError
        The service does not answer in time, or went away before it did.
    OptifireError
        What the service answered, with the class it had there.
    """
    with _connected(path, wait) as sock:
        try:
            sock.sendall(json.dumps({"command": command, **fields}).encode() + b"\n")
            line = _answer_line(sock)
        except TimeoutError as error:
            raise _silent(path, f"has not answered within {wait:g} s") from error
        except ConnectionError as error:
            raise _silent(path, f"broke off the connection ({error.strerror})") from error
    if not line.endswith(b"\n"):
        raise _silent(path, "closed the connection without an answer")
    try:
        answer = json.loads(line)
        refusal = _raised(answer["error"]) if "error" in answer else None
        result = None if refusal else answer["result"]
    except (ValueError, TypeError, KeyError) as wrong:
        raise _silent(path, "gave an answer that nobody understands") from wrong
    if refusal is not None:
        raise refusal
    return result


def _connected(path: Path, wait: float | None) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(wait)
    try:
        with address_of(path) as address:
            sock.connect(address)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
        sock.close()
        raise NoServiceError(
            "no service is running in this home", where=str(path), remedy="Run `optifire up`"
        ) from error
    except PermissionError as error:
        sock.close()
        raise errors.ConfigError(
            "the service of this home belongs to another user",
            where=str(path),
            remedy="Run the command as the user of the service",
        ) from error
    except (TimeoutError, BlockingIOError) as error:
        sock.close()
        raise _silent(path, "does not take connections") from error
    return sock


@contextmanager
def address_of(path: Path) -> Iterator[str]:
    """Give an address of the file that fits into the 108 bytes that Linux has for it."""
    if len(os.fsencode(path)) <= LONGEST_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _answer_line(sock: socket.socket) -> bytes:
    """Give all bytes up to the first line feed, or up to where the service stopped."""
    parts: list[bytes] = []
    size = 0
    while size < LONGEST_ANSWER:
        part = sock.recv(1 << 16)
        parts.append(part)
        size += len(part)
        if not part or part.endswith(b"\n"):
            break
    return b"".join(parts)


def _silent(path: Path, what: str) -> TransientError:
    return TransientError(
        f"the service {what}", where=str(path), remedy="Look at the log of the service"
    )


def _raised(shape: Mapping[str, str]) -> OptifireError:
    """Give an error as the service had it; a class that only it knows becomes the root."""
    found = getattr(errors, shape["type"], OptifireError)
    known = isinstance(found, type) and issubclass(found, OptifireError)
    made: OptifireError = (found if known else OptifireError)(
        shape["message"], where=shape["where"], remedy=shape["remedy"]
    )
    return made
