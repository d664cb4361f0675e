"""How many requests a client may make: a bucket of tokens for each, filled at a steady rate."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTE = 60.0
#: Clients remembered at once; the one that has been quiet longest is forgotten first.
MOST_CLIENTS = 4096


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class RateLimit:
    """Lets each client make so many requests a minute, and as many at once.

    Parameters
    ----------
    per_minute
        Requests of one client.
    monotonic
        Gives seconds that never go back.
    """

    def __init__(self, per_minute: int, monotonic: Callable[[], float]) -> None:
        self._most = float(per_minute)
        self._monotonic = monotonic
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def wait(self, client: str) -> float:
        """Count one request; gives the seconds until the next is welcome, 0 if this one is."""
        now = self._monotonic()
        bucket = self._buckets.setdefault(client, _Bucket(self._most, now))
        self._buckets.move_to_end(client)
        while len(self._buckets) > MOST_CLIENTS:
            self._buckets.popitem(last=False)
        rate = self._most / MINUTE
        bucket.left = min(self._most, bucket.left + (now - bucket.at) * rate)
        bucket.at = now
        if bucket.left < 1:
            return (1 - bucket.left) / rate
        bucket.left -= 1
        return 0.0
