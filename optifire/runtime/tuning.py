"""How the memory of a service is looked after, measured on bursts of runs."""

from __future__ import annotations

import gc

#: New containers before the youngest ones are looked through, and how many such looks before the
#: next generation has its turn. A run leaves some fifty rows and messages, which live for a moment:
#: with Python's own 700 they are walked again and again in the middle of a burst.
THRESHOLDS = (20_000, 20, 50)


def settle() -> None:
    """Take everything made so far as here to stay, so that collections pass it over."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
