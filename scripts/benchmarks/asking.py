"""Asks an API at a rate: ``python -m benchmarks.asking PORT TOKEN RATE SECONDS`` prints what came.

Each connection has a beat of its own. A request whose answer is late makes the next one late, so
the rate that was reached is printed, and belongs beside every figure made under it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.measure import percentile

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Connections that share the rate.
CLIENTS = 40
#: What is asked in turn: what a monitor and a dashboard ask most.
PATHS = ("/health/ready", "/config/flags", "/graph", "/runs?limit=5")
HOST = "127.0.0.1"


@dataclass(slots=True)
class Asked:
    """Seconds of each answer, and how many had another status than 200."""

    took: list[float] = field(default_factory=list)
    failed: int = 0


async def _client(number: int, port: int, token: str, asked: Asked, beat: Beat) -> None:
    reader, writer = await asyncio.open_connection(HOST, port)
    turn = number
    while (due := beat.due(number, turn)) < beat.end:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        path = PATHS[turn // CLIENTS % len(PATHS)]
        head = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {token}\r\n\r\n"
        began = time.monotonic()
        writer.write(head.encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        lines = answer.lower().split(b"\r\n")
        length = next(line for line in lines if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
        asked.took.append(time.monotonic() - began)
        asked.failed += b" 200 " not in answer[:16]
        turn += CLIENTS
    writer.close()


@dataclass(frozen=True, slots=True)
class Beat:
    """When requests are sent: ``rate`` a second from ``begin`` to ``end`` (monotonic)."""

    begin: float
    end: float
    rate: float

    def due(self, number: int, turn: int) -> float:
        """Give when a client sends its next request: on its beat, or now where it is behind."""
        planned = self.begin + turn / self.rate
        return planned if number == turn else max(planned, time.monotonic())


async def ask(port: int, token: str, rate: float, seconds: float) -> dict[str, float]:
    """Ask for so many seconds; gives rate, failures, and milliseconds of the answers."""
    asked, begin = Asked(), time.monotonic()
    beat = Beat(begin, begin + seconds, rate)
    await asyncio.gather(*(_client(each, port, token, asked, beat) for each in range(CLIENTS)))
    return {
        "rate": len(asked.took) / (time.monotonic() - begin),
        "failed": asked.failed,
        "p50": percentile(asked.took, 50) * 1e3,
        "p99": percentile(asked.took, 99) * 1e3,
    }


def main(arguments: Sequence[str]) -> None:
    """Ask, and print what came as one line of JSON."""
    port, token, rate, seconds = arguments
    print(json.dumps(asyncio.run(ask(int(port), token, float(rate), float(seconds)))))


if __name__ == "__main__":
    main(sys.argv[1:])
