"""What the kernel and the C library are asked for."""

import psutil

from optifire.ops.kernel import trim_heap

#: Small enough to come from the heap of C and not from a mapping of their own, and so many.
SIZE, NUMBER = 2_000, 20_000


def resident() -> int:
    return int(psutil.Process().memory_info().rss)


def test_what_is_freed_below_something_that_stays_goes_back_to_the_machine() -> None:
    kept = [bytes(SIZE) for _ in range(NUMBER)]
    stays = kept[-1]
    before = resident()
    kept.clear()
    trim_heap()
    assert before - resident() > SIZE * NUMBER / 2
    assert len(stays) == SIZE
