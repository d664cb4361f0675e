"""Groups of runs: a tree that stands for the kernel's, and the kernel's own where it lets us."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from optifire.core.budget import Budget
from optifire.core.limits import MIB, limits_for
from optifire.ops import leaves
from optifire.ops.leaves import COPIED_MB, Leaf, Leaves, open_leaves

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMITS = limits_for(Budget(1000, 100), light=False)
#: What the kernel puts into every group, as far as it matters here.
FILES = (
    "cgroup.procs", "cgroup.subtree_control", "cgroup.kill", "memory.max", "memory.swap.max",
    "memory.oom.group", "memory.events", "pids.max",
)  # fmt: skip
WAITS = [sys.executable, "-c", "print(flush=True); import time; time.sleep(600)"]


class Tree:
    """A group as a service finds it, with folders that get their files as the kernel's do."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.mount, self.proc = root / "cgroup", root / "proc"
        self.own = self.mount / "system" / "optifire"
        process = self.proc / str(os.getpid())
        process.mkdir(parents=True)
        (process / "cgroup").write_text("1:cpu:/\n0::/system/optifire\n")
        self.own.mkdir(parents=True)
        self.fill(self.own)
        made, removed = Path.mkdir, Path.rmdir

        def mkdir(path: Path, *words: object, **more: object) -> None:
            made(path, *words, **more)  # type: ignore[arg-type]
            if path.is_relative_to(self.mount):
                self.fill(path)

        def rmdir(path: Path) -> None:
            if path.is_relative_to(self.mount):
                for file in (*FILES, "cgroup.controllers"):
                    (path / file).unlink(missing_ok=True)
            removed(path)

        monkeypatch.setattr(Path, "mkdir", mkdir)
        monkeypatch.setattr(Path, "rmdir", rmdir)
        monkeypatch.setattr(os, "geteuid", lambda: 1000)

    def fill(self, folder: Path) -> None:
        for file in FILES:
            (folder / file).touch()
        (folder / "cgroup.controllers").write_text("cpu memory pids\n")

    def open(self) -> Leaves | None:
        return open_leaves(mount=self.mount, proc=self.proc)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    return Tree(tmp_path, monkeypatch)


def read(file: Path) -> str:
    return file.read_text(encoding="ascii")


def test_the_service_moves_aside_and_hands_the_controllers_on(tree: Tree) -> None:
    assert tree.open() is not None
    assert read(tree.own / "service" / "cgroup.procs") == str(os.getpid())
    assert read(tree.own / "cgroup.subtree_control") == "+memory +pids"
    assert read(tree.own / "runs" / "cgroup.subtree_control") == "+memory +pids"


def test_a_group_has_the_limits_of_its_run(tree: Tree) -> None:
    made = tree.open()
    assert made is not None
    leaf = made.make(LIMITS)
    leaf.put(4711)
    (folder,) = [each for each in (tree.own / "runs").iterdir() if each.is_dir()]
    said = {name: read(folder / name) for name in FILES}
    assert said["cgroup.procs"] == "4711"
    assert said["memory.max"] == str((100 + 8 + COPIED_MB) * MIB)
    assert (said["memory.swap.max"], said["memory.oom.group"]) == ("0", "1")
    assert said["pids.max"] == "64"
    assert not leaf.killed()
    (folder / "memory.events").write_text("low 0\nmax 12\noom 1\noom_kill 1\noom_group_kill 1\n")
    assert leaf.killed()


@pytest.mark.parametrize("missing", ["memory", "pids"])
def test_without_a_controller_there_are_no_groups(tree: Tree, missing: str) -> None:
    rest = [name for name in ("memory", "pids") if name != missing]
    (tree.own / "cgroup.controllers").write_text(" ".join(rest))
    assert tree.open() is None
    assert not (tree.own / "service").exists()


def test_the_administrator_needs_the_mark_of_delegation(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(leaves, "_attribute", lambda _path, _name: None)
    assert tree.open() is None
    monkeypatch.setattr(leaves, "_attribute", lambda _path, _name: b"1")
    assert tree.open() is not None


def test_what_the_kernel_refuses_leaves_everything_as_it_was(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrote = leaves.write

    def refusing(file: Path, text: str) -> None:
        if file.name == "cgroup.subtree_control":
            raise OSError(16, "Device or resource busy")  # somebody else is in the group
        wrote(file, text)

    monkeypatch.setattr(leaves, "write", refusing)
    assert tree.open() is None
    assert read(tree.own / "cgroup.procs") == str(os.getpid())
    assert not (tree.own / "service").exists()


def test_there_is_no_group_in_the_root_or_without_the_second_version(tree: Tree) -> None:
    file = tree.proc / str(os.getpid()) / "cgroup"
    for text in ("0::/\n", "4:memory:/somewhere\n"):
        file.write_text(text)
        assert tree.open() is None


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Path]:
    """Give a group of the kernel's own tree, mounted for this test."""
    place = tmp_path / "cgroup2"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "cgroup2", "none", str(place)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"no cgroup v2 can be mounted here: {mounted.stderr.decode().strip()}")
    group = place / f"optifire-test-{os.getpid()}"
    try:
        group.mkdir()
        if not (group / "cgroup.kill").exists():
            pytest.skip("this kernel has no cgroup.kill")
        yield group
    finally:
        if group.exists():
            group.rmdir()
        subprocess.run(["umount", str(place)], check=True)


def test_ending_a_group_ends_every_process_in_it_however_it_got_away(kernel: Path) -> None:
    leaf = Leaf(kernel)
    with subprocess.Popen(WAITS, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        leaf.put(process.pid)
        assert not leaf.remove()
        leaf.end()
        assert process.wait() == -9
    assert leaf.remove()
