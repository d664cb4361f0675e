"""Datagrams to systemd, read from real sockets."""

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from optifire.ops.notify import Notifier

PID = 4711


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """Give the value of NOTIFY_SOCKET and the socket behind it."""
    named = str(tmp_path / "n") if request.param == "path" else f"@optifire-test-{tmp_path}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(named.replace("@", "\0", 1))
        sock.settimeout(10)
        yield named, sock


def test_the_states_of_a_service_arrive_one_by_one(listener: tuple[str, socket.socket]) -> None:
    named, sock = listener
    notifier = Notifier({"NOTIFY_SOCKET": named}, PID)
    assert notifier.ready("10 plugins")
    assert notifier.status("next @open at 14:30Z")
    assert notifier.watchdog()
    assert notifier.stopping()
    assert [sock.recv(999) for _ in range(4)] == [
        b"READY=1\nSTATUS=10 plugins",
        b"STATUS=next @open at 14:30Z",
        b"WATCHDOG=1",
        b"STOPPING=1",
    ]


def test_a_status_cannot_smuggle_in_another_state(listener: tuple[str, socket.socket]) -> None:
    named, sock = listener
    Notifier({"NOTIFY_SOCKET": named}, PID).status("fine\nSTOPPING=1\r\nMAINPID=1")
    assert sock.recv(999) == b"STATUS=fine STOPPING=1 MAINPID=1"


def test_without_a_socket_nothing_is_sent() -> None:
    notifier = Notifier({}, PID)
    assert not notifier.wanted
    assert not notifier.ready()
    assert notifier.watchdog_s is None


def test_an_unknown_kind_of_address_is_said_and_not_used(caplog: pytest.LogCaptureFixture) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": "vsock:2:1234"}, PID)
    assert not notifier.wanted
    assert "vsock:2:1234" in caplog.text


def test_a_socket_that_is_gone_is_said_once_and_hurts_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}, PID)
    assert [notifier.watchdog() for _ in range(3)] == [False] * 3
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_full_socket_does_not_block(tmp_path: Path) -> None:
    path = str(tmp_path / "n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(path)
        notifier = Notifier({"NOTIFY_SOCKET": path}, PID)
        # net.unix.max_dgram_qlen is 10 to 512 on all systems known.
        assert not all(notifier.watchdog() for _ in range(5000))


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "4711"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "4712"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_read_from_the_environment(
    environ: dict[str, str], expected: float | None
) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": "@any", **environ}, PID)
    assert notifier.watchdog_s == expected
