"""The limit of a control group, on made hierarchies."""

from pathlib import Path

import pytest

from optifire.ops.cgroup import GroupMemory, group_memory


class Machine:
    """A made /proc and /sys/fs/cgroup."""

    def __init__(self, root: Path) -> None:
        self.proc, self.mount = root / "proc", root / "cgroup"

    def process(self, lines: str) -> None:
        (self.proc / "7").mkdir(parents=True)
        (self.proc / "7" / "cgroup").write_text(lines, encoding="utf-8")

    def group(self, name: str, limit: str, current: int, inactive: int = 0) -> None:
        folder = self.mount / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "memory.max").write_text(f"{limit}\n", encoding="utf-8")
        (folder / "memory.current").write_text(f"{current}\n", encoding="utf-8")
        stat = f"anon 1\ninactive_file {inactive}\nactive_file 2\n"
        (folder / "memory.stat").write_text(stat, encoding="utf-8")

    def memory(self) -> GroupMemory | None:
        return group_memory(7, mount=self.mount, proc=self.proc)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_group_of_the_process_is_read(machine: Machine) -> None:
    machine.process("0::/system.slice/optifire.service\n")
    machine.group("system.slice/optifire.service", "1000", 400, inactive=150)
    assert machine.memory() == GroupMemory("/system.slice/optifire.service", 1000, 250)


def test_the_limit_with_the_least_room_left_counts(machine: Machine) -> None:
    machine.process("0::/a/b\n")
    machine.group("a/b", "1000", 100)
    machine.group("a", "2000", 1950)
    machine.group("", "max", 5000)
    assert machine.memory() == GroupMemory("/a", 2000, 1950)


def test_a_container_has_its_limit_at_the_mount(machine: Machine) -> None:
    machine.process("0::/\n")
    machine.group("", "1000", 100)
    assert machine.memory() == GroupMemory("/", 1000, 100)


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param("4:memory:/x\n1:cpu:/\n", id="version 1 only"),
        pytest.param("0::/unlimited\n", id="no limit anywhere"),
        pytest.param("0::/no/controller\n", id="no memory controller"),
    ],
)
def test_without_a_limit_there_is_none(machine: Machine, lines: str) -> None:
    machine.process(lines)
    machine.group("unlimited", "max", 100)
    (machine.mount / "no/controller").mkdir(parents=True)
    assert machine.memory() is None
