"""What the machine offers: each check on both sides of its edge, and the machine itself."""

import datetime as dt
import os
import resource
from collections.abc import Iterable
from pathlib import Path

import pytest

from optifire.ops import kernel
from optifire.ops import probe as asked
from optifire.ops.cgroup import group_of
from optifire.ops.probe import Offer, newest_file, probe

NOW = dt.datetime(2026, 3, 9, 13, 30, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


def levels(offers: Iterable[Offer]) -> list[str]:
    return [offer.level for offer in offers]


@pytest.mark.parametrize(
    ("system", "machine", "release", "level"),
    [
        ("Linux", "x86_64", "6.18.44-generic", "note"),
        ("Linux", "aarch64", "5.13.0+", "note"),
        ("Linux", "x86_64", "5.12.19", "error"),
        ("Linux", "riscv64", "6.18.1", "warning"),
        ("Darwin", "arm64", "25.0.0", "error"),
    ],
)
def test_the_platform(system: str, machine: str, release: str, level: str) -> None:
    assert levels(asked.on_platform(system, machine, release)) == [level]


@pytest.mark.parametrize(
    ("version", "level"), [((3, 11, 0), "note"), ((3, 14, 1), "note"), ((3, 10, 12), "error")]
)
def test_the_interpreter(version: tuple[int, ...], level: str) -> None:
    assert levels(asked.on_python(version)) == [level]


@pytest.mark.parametrize(("version", "level"), [((3, 37, 0), "note"), ((3, 36, 9), "error")])
def test_the_sqlite_library(version: tuple[int, ...], level: str) -> None:
    assert levels(asked.on_sqlite(version)) == [level]


@pytest.mark.parametrize(
    ("writable", "fstype", "expected"),
    [
        (True, "ext4", []),
        (False, "ext4", ["error"]),
        (True, "nfs4", ["error"]),
        (False, "cifs", ["error", "error"]),
    ],
)
def test_the_data_folder(writable: bool, fstype: str, expected: list[str]) -> None:  # noqa: FBT001 - a table
    assert levels(asked.on_folder(Path("data"), writable=writable, fstype=fstype)) == expected


def test_little_room_is_a_warning_with_a_remedy() -> None:
    (offer,) = asked.on_disk(Path("data"), 499.0)
    assert (offer.level, offer.remedy) == ("warning", "Make room until 500 MB are free")
    assert levels(asked.on_disk(Path("data"), 500.0)) == ["note"]


def test_little_memory_is_a_warning() -> None:
    assert levels(asked.on_memory(899.0)) == ["warning"]
    assert levels(asked.on_memory(900.0)) == ["note"]


@pytest.mark.parametrize(
    ("limit", "expected"), [(511, ["warning"]), (512, []), (resource.RLIM_INFINITY, [])]
)
def test_the_number_of_open_files(limit: int, expected: list[str]) -> None:
    assert levels(asked.on_files(limit)) == expected


@pytest.mark.parametrize(
    ("newest", "synchronised", "expected"),
    [
        (None, True, []),
        (NOW - MINUTE, True, []),
        (NOW + MINUTE, True, []),
        (NOW + 2 * MINUTE, True, ["error"]),
        (NOW, False, ["warning"]),
        (NOW, None, ["note"]),
    ],
)
def test_the_clock(
    newest: dt.datetime | None,
    synchronised: bool | None,  # noqa: FBT001 - a table
    expected: list[str],
) -> None:
    assert levels(asked.on_clock(NOW, newest, synchronised=synchronised)) == expected


def test_what_is_offered_is_said_with_what_it_is_used_for() -> None:
    offers = [
        *asked.on_landlock(None),
        *asked.on_landlock(4),
        *asked.on_delegation(None),
        *asked.on_delegation(
            kernel.Delegation("/optifire.service", writable=True, controllers=("memory", "pids"))
        ),
        *asked.on_delegation(
            kernel.Delegation("/session", writable=False, controllers=("memory",))
        ),
    ]
    assert set(levels(offers)) == {"note"}
    assert [offer.message for offer in offers[:2]] == ["not offered", "offered, ABI version 4"]
    assert "no groups of their own" in offers[2].message
    assert offers[3].message.startswith("delegated here: memory, pids; runs of a service")
    assert offers[3].message.endswith("get groups")
    assert offers[4].message.startswith("delegated here: nothing")
    assert offers[4].message.endswith("get none")


def test_every_error_and_warning_says_what_to_do() -> None:
    bad = [
        *asked.on_platform("Darwin", "arm64", "25.0.0"),
        *asked.on_python((3, 9)),
        *asked.on_sqlite((3, 8)),
        *asked.on_folder(Path("data"), writable=False, fstype="nfs"),
        *asked.on_disk(Path("data"), 1),
        *asked.on_memory(1),
        *asked.on_files(1),
        *asked.on_clock(NOW, NOW + 2 * MINUTE, synchronised=False),
    ]
    assert len(bad) == 10
    assert all(offer.remedy for offer in bad)


# --- the machine itself -----------------------------------------------------------------------


def test_this_machine_answers_without_a_data_folder(tmp_path: Path) -> None:
    offers = probe(tmp_path / "not" / "yet", now=NOW.replace(year=2100))
    assert {"kernel", "python", "sqlite", "disk", "memory", "landlock", "cgroup"} <= {
        offer.rule for offer in offers
    }
    assert "error" not in levels(offers)


def test_a_clock_that_went_back_behind_the_ledger_is_found(tmp_path: Path) -> None:
    ledger = tmp_path / "paper.db"
    ledger.touch()
    os.utime(ledger, (NOW.timestamp(), NOW.timestamp()))
    assert newest_file(tmp_path) == NOW
    offers = probe(tmp_path, now=NOW - 2 * MINUTE)
    assert next(offer.level for offer in offers if offer.rule == "clock") == "error"


def test_the_kernel_agrees_with_what_it_says_elsewhere_about_landlock() -> None:
    modules = Path("/sys/kernel/security/lsm")
    if modules.exists() and "landlock" not in modules.read_text(encoding="ascii").split(","):
        assert kernel.landlock_version() is None
    else:
        version = kernel.landlock_version()
        assert version is None or version >= 1


def test_file_systems_are_told_apart() -> None:
    assert asked.fstype_of(Path("/proc/self")) == "proc"
    assert asked.fstype_of(Path("/sys")) == "sysfs"


def test_delegation_reads_the_group_of_this_process(tmp_path: Path) -> None:
    group = group_of(os.getpid())
    if group is None:
        assert kernel.delegation(tmp_path) is None
        return
    folder = tmp_path / group.strip("/")
    folder.mkdir(parents=True, exist_ok=True)
    assert kernel.delegation(tmp_path) is None
    (folder / "cgroup.controllers").write_text("cpu memory pids\n", encoding="ascii")
    found = kernel.delegation(tmp_path)
    # No process may do as it likes with a group that nobody has marked, nor in a plain folder.
    assert found == kernel.Delegation(group, writable=False, controllers=("cpu", "memory", "pids"))
