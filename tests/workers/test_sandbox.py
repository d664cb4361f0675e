"""The sandbox's layers, by attempts, each made in a forked process with the layers and without."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from optifire.child import RECORDED
from optifire.data.providers.files import SCHEMAS
from optifire.workers import landlock, seccomp
from optifire.workers.libraries import libraries, programs
from optifire.workers.probing import WITHOUT, layers_that_hold
from optifire.workers.sandbox import CALLS, FILES, LAYERS, PORTS, Confines, missing, offered

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = Path(__file__).with_name("sandbox_attempts.py")
#: A link between folders that are not both granted is refused as if they were on two disks.
DENIED = {errno.EPERM, errno.EACCES, errno.EXDEV}

needs_landlock = pytest.mark.skipif(not landlock.version(), reason="this kernel has no Landlock")
needs_ports = pytest.mark.skipif(
    landlock.version() < landlock.WITH_PORTS, reason="Landlock of this kernel knows no TCP ports"
)
needs_filter = pytest.mark.skipif(not seccomp.offered(), reason="this kernel filters no calls")

#: What Landlock stops.
FILE_ATTEMPTS = (
    "read another's file", "list another's folder", "read the environment of the parent",
    "read the memory of the parent", "read /etc/passwd", "write outside",
    "write beside its folder", "make a folder outside", "truncate outside", "remove outside",
    "rename out", "link in", "read by a link of its own", "write what it may read",
    "read by a granted link", "make a device", "shared memory",
)  # fmt: skip
NETWORK_ATTEMPTS = (
    "TCP", "other TCP", "UDP", "a raw packet", "netlink", "a Unix socket", "an abstract socket",
    "a pair turned to a path", "MPTCP", "listen",
)  # fmt: skip
#: What the filter of system calls stops.
CALL_ATTEMPTS = (
    "open by handle", "watch another's folder", *NETWORK_ATTEMPTS, "fork",
    "a program", "a program by handle", "a thread-less clone", "trace the parent",
    "read memory of the parent", "signal the parent", "signal a sibling", "signal everybody",
    "signal by tgkill", "signal by tkill", "signal by pidfd", "signal by queue",
    "join another's group", "leave the session", "slow a sibling", "pin a sibling",
    "outlive the parent", "raise own files", "raise own time", "limit a sibling",
    "memory without a file", "System V memory", "userfaultfd", "io_uring", "perf", "bpf", "keys",
    "chmod", "fchmod", "chown", "set an attribute", "a user namespace", "chroot", "mount",
    "another set of calls",
)  # fmt: skip
MUST_WORK = (
    "read its folder", "keep files", "import late", "a time zone", "a thread",
    "a pair of sockets", "signal itself", "its own figures", "randomness", "throw away",
    "ask its limits", "grow its data", "look at what exists", "name itself",
)  # fmt: skip
#: Attempts that the kernel refuses an ordinary user anyway.
PRIVILEGED = {
    "a raw packet", "make a device", "chroot", "mount", "open by handle", "bpf", "perf",
    "trace the parent", "read memory of the parent", "userfaultfd", "io_uring", "a user namespace",
    "chown", "raise own files", "raise own time", "read the memory of the parent",
}  # fmt: skip
#: Refused in any process that leads a group, as each run's does, or that lacks CAP_SYS_RESOURCE,
#: as root does in many containers.
ANYWAY = {"leave the session", "raise own files"}

#: Makes all attempts with these confines (None: without layers), at that version of Landlock.
Try = Callable[..., dict[str, tuple[int, str]]]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Give where the attempts find what they are about, and the confines."""
    root = tmp_path_factory.mktemp("sandbox").resolve()
    for name in ("own", "outside", "readable"):
        (root / name).mkdir()
    (root / "readable" / "file").write_text("to be read")
    (root / "granted_link").symlink_to(root / "outside")
    with ExitStack() as open_ones:
        here = root / "socket"
        listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        listeners += [socket.socket(socket.AF_UNIX) for _ in range(2)]
        listeners += [socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)]
        abstract = f"\0optifire-test-{os.getpid()}"
        for made in listeners:
            open_ones.enter_context(made)
        listeners[2].bind(str(here))
        listeners[3].bind(abstract)
        listeners[4].bind(str(root / "datagrams"))
        for made in listeners[2:4]:
            made.listen()
        sibling = open_ones.enter_context(
            subprocess.Popen(["sleep", "600"], start_new_session=False)
        )
        open_ones.callback(sibling.kill)
        yield {
            "root": str(root),
            "sibling": sibling.pid,
            "own": str(root / "own"),
            "outside": str(root / "outside"),
            "readable": str(root / "readable"),
            "granted_link": str(root / "granted_link"),
            "secret": str(root / "outside" / "secret"),
            "port": listeners[0].getsockname()[1],
            "other": listeners[1].getsockname()[1],
            "path": str(here),
            "abstract": abstract,
            "datagrams": str(root / "datagrams"),
        }


@pytest.fixture(scope="module")
def confines(places: dict[str, Any]) -> Confines:
    return Confines(
        read=(*libraries(places["root"]), places["readable"], "/proc/self"),
        write=(places["own"], "/dev/null"),
        granted_read=(places["granted_link"],),
    )


@pytest.fixture(scope="module")
def attempt(places: dict[str, Any]) -> Try:
    def make(
        confines: Confines | None,
        abi: int | None = None,
        only: Sequence[str] = (),
        how: str = "at once",
    ) -> dict[str, tuple[int, str]]:
        given = None if confines is None else asdict(confines)
        asked = json.dumps(
            {"at": places, "confines": given, "abi": abi, "only": [*only], "how": how}
        )
        done = subprocess.run(
            [sys.executable, "-P", str(SCRIPT)],
            input=asked, capture_output=True, text=True, check=False, timeout=20,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return {name: (code, text) for name, (code, text) in json.loads(done.stdout).items()}

    return make


@pytest.fixture(scope="module")
def free(attempt: Try) -> dict[str, tuple[int, str]]:
    """What the attempts come to without layers."""
    return attempt(None)


@pytest.fixture(scope="module", params=["at once", "ready"])
def held(
    attempt: Try, confines: Confines, request: pytest.FixtureRequest
) -> dict[str, tuple[int, str]]:
    """What they come to with all layers that there are, made at once or ready before."""
    return attempt(confines, how=request.param)


@needs_landlock
@needs_filter
def test_every_attempt_is_denied(held: dict[str, tuple[int, str]]) -> None:
    names = (*FILE_ATTEMPTS, *CALL_ATTEMPTS)
    assert {name: held[name] for name in names if held[name][0] not in DENIED} == {}


def test_nothing_but_the_layers_denies_them(free: dict[str, tuple[int, str]]) -> None:
    known = ANYWAY if os.geteuid() == 0 else ANYWAY | PRIVILEGED
    names = {*FILE_ATTEMPTS, *CALL_ATTEMPTS} - known
    assert {name: free[name] for name in names if free[name][0] in DENIED} == {}


def test_a_rehearsal_holds_nobody_to_anything(
    attempt: Try, confines: Confines, free: dict[str, tuple[int, str]]
) -> None:
    found = attempt(confines, how="rehearsed")
    codes = {name: code for name, (code, _) in found.items()}
    assert codes == {name: code for name, (code, _) in free.items()}


@pytest.mark.parametrize("layers", ["all", "ready", "no Landlock", "oldest Landlock", "none"])
def test_what_a_run_needs_works(attempt: Try, confines: Confines, layers: str) -> None:
    abi = {"no Landlock": 0, "oldest Landlock": min(1, landlock.version())}.get(layers)
    only = (*MUST_WORK, "move between its folders")
    found = attempt(None if layers == "none" else confines, abi, only, how=layers)
    assert {name: found[name] for name in MUST_WORK if found[name][0]} == {}
    if abi is None and landlock.version() != 1:
        assert found["move between its folders"] == (0, "")


@needs_filter
def test_calls_that_are_newer_than_the_sandbox_do_not_exist(
    held: dict[str, tuple[int, str]],
) -> None:
    assert held["a call of the future"][0] == errno.ENOSYS


@needs_filter
def test_without_landlock_the_filter_still_denies_its_own(attempt: Try, confines: Confines) -> None:
    found = attempt(confines, 0, CALL_ATTEMPTS)
    assert {name: found[name] for name in CALL_ATTEMPTS if found[name][0] not in DENIED} == {}


@needs_landlock
def test_the_oldest_landlock_denies_files_too(attempt: Try, confines: Confines) -> None:
    found = attempt(confines, 1, FILE_ATTEMPTS)
    # Truncation came with version 3; moving between folders is refused by another error before 2.
    names = set(FILE_ATTEMPTS) - {"truncate outside"}
    allowed = {name: found[name] for name in names if found[name][0] not in DENIED}
    assert allowed == {}


@needs_ports
@needs_filter
def test_a_granted_port_is_reached_and_no_other(
    attempt: Try, confines: Confines, places: dict[str, Any]
) -> None:
    found = attempt(replace(confines, ports=(places["port"],)), None, NETWORK_ATTEMPTS)
    assert {name for name in found if found[name] == (0, "")} == {"TCP"}
    assert {code for code, _ in found.values()} - DENIED == {0}


@needs_filter
def test_ports_that_cannot_be_told_apart_are_not_given(
    attempt: Try, confines: Confines, places: dict[str, Any]
) -> None:
    found = attempt(replace(confines, ports=(places["port"],)), min(3, landlock.version()), ["TCP"])
    assert found["TCP"][0] == errno.EPERM


@needs_landlock
@needs_filter
@pytest.mark.parametrize("how", ["at once", "ready"])
def test_programs_that_are_granted_run_and_are_held_themselves(
    attempt: Try, confines: Confines, how: str
) -> None:
    opened = replace(confines, read=(*confines.read, *programs()), subprocess=True)
    free, denied = ("fork", "a program", "keep files"), ("read another's file", "TCP", "bpf")
    found = attempt(opened, None, (*free, *denied, "signal the parent", "signal a sibling"), how)
    assert [found.pop(name) for name in free] == [(0, "")] * 3
    assert {name: found[name] for name in found if found[name][0] not in DENIED} == {}


@needs_landlock
def test_a_granted_path_is_read_and_written(
    attempt: Try, confines: Confines, places: dict[str, Any]
) -> None:
    reading = attempt(replace(confines, granted_read=(places["outside"],)), None, FILE_ATTEMPTS)
    assert reading["read another's file"] == (0, "")
    assert reading["write outside"][0] == errno.EACCES
    writing = attempt(replace(confines, granted_write=(places["outside"],)), None, FILE_ATTEMPTS)
    assert writing["write outside"] == (0, "")
    assert writing["rename out"] == (0, "")
    assert writing["write beside its folder"][0] == errno.EACCES


def test_a_path_that_is_not_there_grants_nothing(attempt: Try, confines: Confines) -> None:
    found = attempt(replace(confines, granted_read=("/nowhere/at/all",)), None, MUST_WORK)
    assert found["read its folder"] == (0, "")


def test_layers_that_are_missing_are_named() -> None:
    assert missing(LAYERS) == ()
    assert missing((FILES, CALLS)) == ("no new privileges", PORTS, "signals")


def test_a_home_around_the_packages_is_not_laid_open(tmp_path: Path) -> None:
    package = Path(landlock.__file__).resolve().parent.parent
    found = [Path(each) for each in libraries(str(package.parent))]
    assert package in found
    assert not [each for each in found if package.parent.is_relative_to(each)]


def test_the_layers_that_hold_when_tried_are_those_that_the_kernel_offers() -> None:
    assert layers_that_hold() == offered()


def test_what_it_means_to_lack_a_layer_is_said_of_each() -> None:
    assert list(WITHOUT) == list(LAYERS)


def test_the_recorded_data_that_runs_may_read_is_all_that_the_feed_reads() -> None:
    assert {f"data/{kind}" for kind in SCHEMAS} <= set(RECORDED)
