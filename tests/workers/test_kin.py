"""How what runs have started is found: only numbers given since are asked for, while that helps."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from optifire.workers import kin
from optifire.workers.kin import MOST_NEW, SURE_PERIOD, WALK_PERIOD, Kin, last_in, last_number
from optifire.workers.marks import mark_for

RUN, ZYGOTE = 1000, 900
OURS, ALIEN, NONE = mark_for(ZYGOTE, RUN), mark_for(ZYGOTE, 5), -1


class Machine:
    """Processes with their marks, the number given last, and what was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.marks = {0: NONE, 1: NONE, RUN: OURS, 7: ALIEN}
        self.last = RUN
        self.walks = 0
        self.asked: list[int] = []
        self.threads: set[int] = set()
        monkeypatch.setattr(kin, "mark_of", self.mark_of)
        monkeypatch.setattr(kin, "marked", self.marked)
        monkeypatch.setattr(kin, "is_process", lambda pid: pid not in self.threads)
        self.kin = Kin(lambda: self.last)
        self.asked.clear()
        self.find(10.0)  # the first look asks all

    def mark_of(self, pid: int) -> int:
        self.asked.append(pid)
        if pid not in self.marks:
            raise ProcessLookupError
        return self.marks[pid]

    def marked(self) -> dict[int, list[int]]:
        self.walks += 1
        found: dict[int, list[int]] = {}
        for pid, mark in self.marks.items():
            if mark != NONE:
                found.setdefault(mark, []).append(pid)
        return found

    def find(self, now: float) -> list[int]:
        """Look, and give what the run is known to have started."""
        self.kin.stirred = False
        self.kin.find({RUN}, now)
        return list(self.kin.of.get(RUN, ()))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_nobody_is_asked_while_no_number_is_given(machine: Machine) -> None:
    for look in range(1, 100):
        assert machine.find(10 + look / 100) == []
        assert not machine.kin.stirred
    assert (machine.asked, machine.walks) == ([], 1)


def test_only_numbers_given_since_are_asked_for_each_in_two_looks(machine: Machine) -> None:
    machine.last = RUN + 2
    machine.marks |= {RUN + 1: OURS, RUN + 2: ALIEN}
    assert machine.find(10.01) == [RUN + 1]
    assert machine.kin.marks[RUN] == OURS
    assert machine.find(10.02) == machine.find(10.03) == [RUN + 1]
    assert machine.asked == [RUN + 1, RUN + 2] * 2
    assert machine.walks == 1


def test_a_number_that_nobody_has_yet_is_asked_for_again(machine: Machine) -> None:
    machine.last = RUN + 1
    assert machine.find(10.01) == []
    machine.marks[RUN + 1] = OURS
    assert machine.find(10.02) == [RUN + 1]


def test_a_thread_is_no_process_but_stirs(machine: Machine) -> None:
    machine.last = RUN + 1
    machine.marks[RUN + 1] = OURS
    machine.threads.add(RUN + 1)
    assert machine.find(10.01) == []
    assert machine.kin.stirred


def test_what_others_start_does_not_stir(machine: Machine) -> None:
    machine.marks |= {RUN + 1: NONE, RUN + 2: ALIEN}
    machine.last = RUN + 2
    assert machine.find(10.01) == []
    assert not machine.kin.stirred


def test_a_run_that_is_told_of_late_has_what_it_started_before(machine: Machine) -> None:
    machine.last = RUN + 6
    machine.marks |= {RUN + 5: mark_for(ZYGOTE, RUN + 5), RUN + 6: mark_for(ZYGOTE, RUN + 5)}
    machine.find(10.01)
    assert list(machine.kin.of[RUN + 5]) == [RUN + 6]
    machine.kin.find({RUN, RUN + 5}, 10 + 2 * SURE_PERIOD)
    assert list(machine.kin.of[RUN + 5]) == [RUN + 6]
    del machine.marks[RUN + 5], machine.marks[RUN + 6]
    machine.kin.find({RUN}, 10 + 4 * SURE_PERIOD)
    assert RUN + 5 not in machine.kin.of


def test_a_run_that_has_ended_does_not_stir(machine: Machine) -> None:
    machine.last = RUN + 1
    machine.kin.forget(RUN + 1)
    machine.find(10.01)
    assert not machine.kin.stirred


def test_a_number_gone_before_it_could_be_asked_for_may_have_been_anybodys(
    machine: Machine,
) -> None:
    machine.last = RUN + 1
    assert machine.find(10.01) == []
    assert machine.kin.stirred


@pytest.mark.parametrize("last", [3, RUN + MOST_NEW + 1], ids=["begun anew", "too many"])
def test_all_are_asked_where_the_order_does_not_help_but_not_all_the_time(
    machine: Machine, last: int
) -> None:
    machine.last = last
    machine.marks[RUN + 1] = OURS
    assert machine.find(10.05) == []
    assert machine.find(10.01 + WALK_PERIOD) == [RUN + 1]
    assert (machine.asked, machine.walks) == ([], 2)
    machine.find(10.02 + WALK_PERIOD)  # from here on the order helps again
    assert machine.walks == 2


def test_all_are_asked_now_and_then_in_any_case(machine: Machine) -> None:
    machine.marks[4] = OURS  # who chose its number
    assert machine.find(10 + SURE_PERIOD) == []
    assert machine.find(10.01 + SURE_PERIOD) == [4]


def test_a_kernel_that_tells_no_last_number_has_all_asked_each_time(machine: Machine) -> None:
    machine.last = last_in(b"0.00 0.00 0.00 0/0 0\n")
    for walks, at in ((1, 10.05), (2, 10.2), (2, 10.25), (3, 10.4)):
        machine.find(at)
        assert machine.walks == walks


def test_a_run_that_has_ended_is_forgotten(machine: Machine) -> None:
    machine.last = RUN + 1
    machine.marks[RUN + 1] = OURS
    assert machine.find(10.01) == [RUN + 1]
    machine.kin.forget(RUN)
    assert (RUN in machine.kin.of, RUN in machine.kin.marks) == (False, False)


def test_the_number_given_last_is_the_last_field() -> None:
    assert last_in(b"3.76 4.07 4.58 3/176 28259\n") == 28259
    before = last_number()
    subprocess.run([sys.executable, "-S", "-c", ""], check=True)
    assert last_number() != before


def test_a_number_of_a_thread_is_that_of_no_process() -> None:
    there, go = threading.Event(), threading.Event()
    numbers: list[int] = []

    def stay() -> None:
        numbers.append(threading.get_native_id())
        there.set()
        go.wait()

    thread = threading.Thread(target=stay)
    thread.start()
    there.wait()
    try:
        assert not kin.is_process(numbers[0])
        assert kin.is_process(os.getpid())
    finally:
        go.set()
        thread.join()
