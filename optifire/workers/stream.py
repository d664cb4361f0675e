"""Messages on the stream of a run's socket, kept apart, each with the files that come along.

Every message has its length in four bytes before it, and in a fifth how many files it has. These
travel with its first byte (SCM_RIGHTS), so they are there when it is whole; the kernel ends a read
behind the bytes that files came with, so they never come before it either.
"""

from __future__ import annotations

import array
import os
import socket
import struct
from typing import TYPE_CHECKING, Final

from optifire.core.limits import HANDED_BYTES
from optifire.workers.messages import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optifire.workers.messages import FromChild, ToChild

#: Files that one message takes along; beyond, values travel as bytes (SCM_MAX_FD is 253).
MOST_FILES: Final = 64
_LENGTH: Final = struct.Struct(">IB")
#: Room for the descriptors of one message, and the flags of a read, as plain numbers: those of
#: `socket` are enumerations, and one comparison of these takes longer than the read's own Python.
_ROOM: Final = socket.CMSG_LEN(MOST_FILES * array.array("i").itemsize)
_CLOSED_ON_EXEC: Final = int(socket.MSG_CMSG_CLOEXEC)
_TRUNCATED: Final = int(socket.MSG_CTRUNC)


def framed(message: ToChild | FromChild, files: int = 0) -> bytes:
    """Give a message's bytes with their length and the number of its files before them."""
    body = encode(message)
    return _LENGTH.pack(len(body), files) + body


class Frames:
    """Cuts a stream of bytes and descriptors into messages; those not given yet are its own."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._files: list[int] = []

    def feed(self, data: bytes, files: Sequence[int] = ()) -> list[tuple[bytes, Sequence[int]]]:
        """Take what arrived and give the messages that are complete, each with its descriptors.

        Raises `ValueError` when the next message would be longer than any may be, or when files
        came without a message or a message without its files; none is given then.
        """
        if not (self._kept or self._files or files) and _is_one(data):
            return [(data[_LENGTH.size :], ())]  # as nearly all are: whole, alone, without files
        self._kept += data
        self._files += files
        whole, place = self._cut()
        del self._kept[:place]
        self._check_files(sum(along for _, along in whole))
        messages: list[tuple[bytes, Sequence[int]]] = []
        for body, along in whole:
            taken, self._files = self._files[:along], self._files[along:]
            messages.append((body, taken))
        return messages

    def _cut(self) -> tuple[list[tuple[bytes, int]], int]:
        """Give complete messages with the number of their files, and where the last one ends."""
        whole: list[tuple[bytes, int]] = []
        place, kept = 0, len(self._kept)
        while kept - place >= _LENGTH.size:
            length, along = _LENGTH.unpack_from(self._kept, place)
            if length > HANDED_BYTES:
                raise ValueError(f"a message of {length:,} bytes")
            end = place + _LENGTH.size + length
            if kept < end:
                break
            whole.append((bytes(memoryview(self._kept)[place + _LENGTH.size : end]), along))
            place = end
        return whole, place

    def _check_files(self, taken: int) -> None:
        """Raise `ValueError` unless the files are those of complete messages and of the next."""
        most = taken
        if len(self._kept) >= _LENGTH.size:
            most += _LENGTH.unpack_from(self._kept)[1]
        elif self._kept:
            most += MOST_FILES
        if not taken <= len(self._files) <= most:
            raise ValueError(f"{len(self._files)} files came where there should be {most}")

    def close(self) -> None:
        """Close the descriptors of a message that never became whole."""
        files, self._files = self._files, []
        for descriptor in files:
            os.close(descriptor)

    @property
    def wanted(self) -> int:
        """How many more bytes the next message needs, 0 when that is not known yet."""
        if len(self._kept) < _LENGTH.size:
            return 0
        return int(_LENGTH.unpack_from(self._kept)[0]) + _LENGTH.size - len(self._kept)


def _is_one(data: bytes) -> bool:
    """Tell whether bytes are exactly one message that has no files."""
    if len(data) < _LENGTH.size:
        return False
    length, along = _LENGTH.unpack_from(data)
    return not along and len(data) == _LENGTH.size + length <= HANDED_BYTES


def received(line: socket.socket, most: int) -> tuple[bytes, Sequence[int]]:
    """Read from a socket what has come, at most that many bytes, with the files among it.

    Raises `ValueError` when there was no room for all of the files; some are lost then.
    """
    data, along, flags, _ = line.recvmsg(most, _ROOM, _CLOSED_ON_EXEC)
    files = _descriptors(along) if along else ()
    if flags & _TRUNCATED:
        for descriptor in files:
            os.close(descriptor)
        raise ValueError("more files than could be taken")
    return data, files


def _descriptors(along: Sequence[tuple[int, int, bytes]]) -> Sequence[int]:
    """Give the descriptors among what came along with some bytes."""
    found = array.array("i")
    for level, kind, data in along:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            found.frombytes(data[: len(data) - len(data) % found.itemsize])
    return found.tolist()


def sent(line: socket.socket, data: memoryview, files: Sequence[int]) -> int:
    """Send what the socket takes now, all files with the first byte; gives how many bytes."""
    return socket.send_fds(line, [data], files) if files else line.send(data)
