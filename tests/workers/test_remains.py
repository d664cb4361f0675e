"""What is left of an earlier service: ended, and nothing else is."""

import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from optifire.workers.children import begun
from optifire.workers.marks import mark_for, mark_of
from optifire.workers.remains import end_remains, note_zygotes

RLIMIT_LOCKS = 10


@pytest.fixture
def zygote() -> Iterator[subprocess.Popen[bytes]]:
    """Give a process in the place of a zygote."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        process.kill()


@pytest.fixture
def stray(zygote: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Give a process that bears the mark of a run of it."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        mark = mark_for(zygote.pid, process.pid)
        resource.prlimit(process.pid, RLIMIT_LOCKS, (mark, mark))
        yield process
        process.kill()


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def test_what_a_dead_zygote_has_left_is_ended_once(
    tmp_path: Path, zygote: subprocess.Popen[bytes], stray: subprocess.Popen[bytes]
) -> None:
    file = tmp_path / "demo.zygotes"
    note_zygotes(file, [zygote.pid])
    end(zygote)
    assert end_remains(file) == 1
    assert stray.wait(10) == -9
    assert end_remains(file) == 0


def test_what_has_ended_itself_is_not_counted(
    tmp_path: Path, zygote: subprocess.Popen[bytes], stray: subprocess.Popen[bytes]
) -> None:
    file = tmp_path / "demo.zygotes"
    note_zygotes(file, [zygote.pid])
    end(zygote)
    stray.kill()
    os.waitid(os.P_PID, stray.pid, os.WEXITED | os.WNOWAIT)  # its number is still its own
    assert mark_of(stray.pid) == mark_for(zygote.pid, stray.pid)
    assert end_remains(file) == 0


def test_a_zygote_that_has_outlived_its_service_goes_with_its_runs(
    tmp_path: Path, zygote: subprocess.Popen[bytes], stray: subprocess.Popen[bytes]
) -> None:
    file = tmp_path / "demo.zygotes"
    note_zygotes(file, [zygote.pid])
    end_remains(file)
    assert zygote.wait(10) == -9
    assert stray.wait(10) == -9


@pytest.mark.parametrize("kind", ["nothing noted", "another boot", "a number given anew"])
def test_the_runs_of_others_stay(
    tmp_path: Path,
    zygote: subprocess.Popen[bytes],
    stray: subprocess.Popen[bytes],
    kind: str,
) -> None:
    file = tmp_path / "demo.zygotes"
    note_zygotes(file, [] if kind == "nothing noted" else [zygote.pid])
    said = file.read_text(encoding="ascii")
    if kind == "another boot":
        file.write_text(f"0{said[1:]}" if said[0] != "0" else f"1{said[1:]}", encoding="ascii")
    if kind == "a number given anew":
        since = begun(zygote.pid)
        file.write_text(said.replace(str(since), str(since - 1)), encoding="ascii")
    assert end_remains(file) == 0
    assert zygote.poll() is None
    assert stray.poll() is None
