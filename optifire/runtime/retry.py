"""When a failed attempt is tried again: exponential backoff with full jitter."""

import hashlib

#: The first pause is at most this many seconds; each further one twice as much.
BASE_SECONDS = 2.0
#: No pause is longer than this many seconds.
CAP_SECONDS = 300.0


def draw(key: str, number: int) -> float:
    """Give a fraction in [0, 1) that depends on a key and a number alone, so replay repeats it."""
    digest = hashlib.sha256(f"{key}/{number}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / float(1 << 56)


def backoff_seconds(key: str, attempt: int) -> float:
    """Give the pause after an attempt, in seconds.

    Full jitter: uniform between 0 and ``min(cap, base * 2**(attempt - 1))``, as in M. Brooker,
    "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. The draw follows from the run's
    key, so the same run pauses alike in every replay.
    """
    ceiling = min(CAP_SECONDS, BASE_SECONDS * float(2 ** min(attempt - 1, 30)))
    return ceiling * draw(key, attempt)


def jitter_seconds(key: str, jitter: float) -> float:
    """Give how many seconds after due a job with jitter starts: uniform in [0, jitter)."""
    return jitter * draw(key, 0) if jitter else 0.0
