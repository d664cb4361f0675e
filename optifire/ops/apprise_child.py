"""The child that sends one message: a JSON object on standard input, one line of JSON as answer.

Asked ``{address, title, body, kind}``, it answers ``{"reason": ""}`` when the target took it, else
with one of a few sentences. What apprise and the libraries below it say holds addresses, so nothing
of it is passed on but the code of an HTTP answer.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from typing import Final

UNKNOWN: Final = "its value is no address that apprise knows"
REFUSED: Final = "it could not be reached, or refused the message"
_CODE: Final = re.compile(r"\berror=(\d{3})\b")


class Codes(logging.Handler):
    """Keeps the codes of HTTP answers that apprise complains about, and nothing else."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take the code out of one complaint."""
        self.found += _CODE.findall(record.getMessage())


def send(address: str, title: str, body: str, kind: str) -> str:
    """Send one message by apprise; gives "" when it was taken, else why not."""
    import apprise

    codes = Codes()
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.addHandler(codes)
    try:
        target = apprise.Apprise()
        if not target.add(address):
            return UNKNOWN
        text = apprise.NotifyFormat.TEXT
        if target.notify(body, title=title, notify_type=kind, body_format=text):
            return ""
    finally:
        logger.removeHandler(codes)
    return f"it answered with HTTP {codes.found[-1]}" if codes.found else REFUSED


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    answer = json.dumps({"reason": send(**request)})
    sys.stdout.write(f"{answer}\n")


if __name__ == "__main__":
    main()
