"""Who the service is, seen from below."""

import os
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from optifire.core.errors import TransientError
from optifire.ops.service import is_zygote, service_pid


@dataclass
class Fake:
    """A process of a made-up machine."""

    pid: int
    words: tuple[str, ...]
    parent: int

    def cmdline(self) -> list[str]:
        return list(self.words)

    def ppid(self) -> int:
        return self.parent


UP = ("/opt/optifire/.venv/bin/python", "/opt/optifire/.venv/bin/optifire", "up")
ZYGOTE = ("/usr/bin/python3", "-I", "/opt/lib/optifire/child.py", "light")
MODULE = ("/usr/bin/python3", "-m", "optifire.child")


def machine(*processes: Fake) -> Callable[[int], Fake]:
    return {process.pid: process for process in processes}.__getitem__


@pytest.mark.parametrize("zygote", [ZYGOTE, MODULE])
def test_a_worker_goes_up_past_its_zygote(zygote: tuple[str, ...]) -> None:
    opened = machine(
        Fake(1, ("/sbin/init",), 0), Fake(10, UP, 1), Fake(20, zygote, 10), Fake(30, zygote, 20)
    )
    assert service_pid(30, opened) == 10


def test_an_inline_run_is_in_the_service() -> None:
    assert service_pid(10, machine(Fake(10, UP, 1))) == 10
    assert service_pid() == os.getpid()


def test_a_service_may_be_the_first_process_of_its_container() -> None:
    assert service_pid(20, machine(Fake(1, UP, 0), Fake(20, ZYGOTE, 1))) == 1


@pytest.mark.parametrize("parent", [0, 1])
def test_an_orphan_has_no_service(parent: int) -> None:
    opened = machine(Fake(1, ("/sbin/init",), 0), Fake(20, ZYGOTE, parent))
    with pytest.raises(TransientError, match="the service that started this run has ended"):
        service_pid(20, opened)


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(UP, id="the service"),
        pytest.param(("vim", "other/child.py"), id="a file of that name elsewhere"),
        pytest.param(("python", "-m", "optifire"), id="another module"),
        pytest.param((), id="a kernel thread"),
    ],
)
def test_others_are_no_zygotes(words: tuple[str, ...]) -> None:
    assert not is_zygote(words)
