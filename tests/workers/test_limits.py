"""The child's side of limits: what the kernel is told, and whether memory was refused."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from optifire.workers.refused import Refusals

def refused_and_caught():
    try:
        bytearray(sys.maxsize - 4096)
    except MemoryError:
        pass

def raised_and_caught():
    try:
        raise MemoryError("no room")
    except MemoryError:
        pass

def refused_in_numpy():
    import numpy
    try:
        numpy.ones(10**14)
    except MemoryError:
        pass

def refused_twice_and_kept():
    kept = []
    for _ in range(2):
        try:
            bytearray(sys.maxsize - 4096)
        except MemoryError as error:
            kept.append(error)
    del kept

def kept_in_a_cycle():
    try:
        bytearray(sys.maxsize - 4096)
    except MemoryError as error:
        kept = error

def another_error():
    try:
        [][1]
    except IndexError:
        pass

def much_work():
    [str(n) for n in range(100_000)]

{before}
watch = Refusals()
{do}()
sys.exit(10 + watch.seen())
"""


def seen(do: str, before: str = "") -> bool:
    """Tell whether a process of its own noticed that memory was refused."""
    program = PROGRAM.format(do=do, before=before)
    code = subprocess.run([sys.executable, "-c", program], check=False).returncode
    assert code in {10, 11}
    return code == 11


@pytest.mark.parametrize(
    "do", ["refused_and_caught", "raised_and_caught", "refused_twice_and_kept", "kept_in_a_cycle"]
)
@pytest.mark.parametrize("before", ["", "refused_and_caught()", "much_work()"])
def test_a_memory_error_that_was_caught_is_seen(do: str, before: str) -> None:
    assert seen(do, before)


def test_an_error_of_numpy_that_was_caught_is_seen() -> None:
    assert seen("refused_in_numpy", "import numpy")


@pytest.mark.parametrize("do", ["much_work", "another_error"])
@pytest.mark.parametrize("before", ["", "refused_and_caught()"])
def test_nothing_is_seen_where_memory_was_not_refused(do: str, before: str) -> None:
    assert not seen(do, before)
