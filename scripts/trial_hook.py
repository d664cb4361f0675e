"""A webhook for tests: a real HTTP server on this machine that keeps what is posted to it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: Part of its address, as the token of a real one is; nothing but the address may hold it.
TOKEN = "tok3n0fTheH00k"  # noqa: S105 - opens nothing


@dataclass
class Hook:
    """What was posted so far, and what the next one is answered with."""

    port: int = 0
    posted: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    #: Set to let answers go out; cleared, the hook takes a message and says nothing.
    answers: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        """Its address, as apprise writes it."""
        return f"json://127.0.0.1:{self.port}/{TOKEN}"

    def titled(self, *words: str) -> dict[str, Any] | None:
        """Give the first message whose title has all these words."""
        found = [each for each in self.posted if all(word in each["title"] for word in words)]
        return found[0] if found else None


@contextmanager
def hook() -> Iterator[Hook]:
    """Give a webhook that answers until this ends."""
    kept = Hook()
    kept.answers.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Keep one message and answer."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.answers.wait()
            if kept.status == 200:  # noqa: PLR2004 - the code of HTTP for yes
                kept.posted.append(json.loads(body))
            self.send_response(kept.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Say nothing: who asked was killed and reads no answer."""

    server = Server(("127.0.0.1", 0), Handler)
    kept.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield kept
    finally:
        kept.answers.set()
        server.shutdown()
        thread.join()
        server.server_close()
