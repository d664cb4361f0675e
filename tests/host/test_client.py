"""What answers on a control socket and is no service, or no longer one."""

import socket
import threading
from pathlib import Path

import pytest

from optifire.core.errors import TransientError
from optifire.host.client import ask


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "optifire.sock"


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        (b'{"result": ', "closed the connection"),
        (b"hello\n", "gave an answer that nobody understands"),
        (b"[]\n", "gave an answer that nobody understands"),
        (b'{"error": "no"}\n', "gave an answer that nobody understands"),
    ],
)
def test_who_dies_while_it_answers_or_is_no_service_is_named(
    path: Path, answer: bytes, match: str
) -> None:
    with socket.socket(socket.AF_UNIX) as dying:
        dying.bind(str(path))
        dying.listen()

        def half() -> None:
            peer, _ = dying.accept()
            peer.recv(1 << 16)
            peer.sendall(answer)
            peer.close()

        thread = threading.Thread(target=half)
        thread.start()
        with pytest.raises(TransientError, match=match):
            ask(path, "status")
        thread.join()
