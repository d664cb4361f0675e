"""The filter of system calls as a program: what it answers on either machine, without a kernel."""

from __future__ import annotations

import errno
import os
import re
import socket
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optifire.workers.denied import Check, Openings, Rule, rules
from optifire.workers.seccomp import compiled
from optifire.workers.syscalls import MACHINES, NEWEST, numbers

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
#: Spelled from include/uapi/asm-generic/unistd.h, whose numbers aarch64 has.
GENERIC = {
    "setxattr": 5, "inotify_add_watch": 27, "ioctl": 29, "ioprio_set": 30, "umount2": 39,
    "mount": 40, "pivot_root": 41, "chroot": 51, "fchmod": 52, "fchmodat": 53, "fchownat": 54,
    "fchown": 55, "capset": 91, "personality": 92, "unshare": 97, "kexec_load": 104,
    "init_module": 105, "ptrace": 117, "sched_setaffinity": 122, "kill": 129, "tkill": 130,
    "tgkill": 131, "rt_sigqueueinfo": 138, "setpriority": 140, "reboot": 142, "setpgid": 154,
    "setsid": 157, "setrlimit": 164, "prctl": 167, "adjtimex": 171, "shmget": 194, "socket": 198,
    "socketpair": 199, "bind": 200, "connect": 203, "sendto": 206, "keyctl": 219, "clone": 220,
    "execve": 221, "perf_event_open": 241, "accept4": 242, "prlimit64": 261, "setns": 268,
    "process_vm_readv": 270, "seccomp": 277, "memfd_create": 279, "bpf": 280, "execveat": 281,
    "userfaultfd": 282, "pidfd_send_signal": 424, "io_uring_setup": 425, "clone3": 435,
    "pidfd_getfd": 438, "landlock_create_ruleset": 444,
}  # fmt: skip
HEADERS = {
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
}
OPENINGS = [Openings(a, b, c) for a in (False, True) for b in (False, True) for c in (False, True)]
OWN = 4321


def answer(machine: str, openings: Openings, number: int, arguments: list[int], arch: int) -> int:
    """Run the program as linux/filter.h says; gives the errno that it answers, 0 to let through."""
    template, places = compiled(machine, openings)
    code = bytearray(template)
    for place in places:
        code[place : place + 4] = struct.pack("=I", OWN)
    data = struct.pack("=IIQ6Q", number, arch, 0, *(each % (1 << 64) for each in arguments))
    program = list(struct.iter_unpack("=HBBI", bytes(code)))
    at = held = 0
    while True:
        operation, so, no, operand = program[at]
        at += 1
        if operation == 0x20:
            (held,) = struct.unpack_from("=I", data, operand)
        elif operation == 0x54:
            held &= operand
        elif operation == 0x05:
            at += operand
        elif operation in {0x15, 0x35}:
            holds = held == operand if operation == 0x15 else held >= operand
            at += so if holds else no
        else:
            assert operation == 0x06
            return 0 if operand == 0x7FFF0000 else operand & 0xFFFF


def expected(rule: Rule | None, arguments: list[int]) -> int:
    """Give the same by reading the rule."""

    def holds(check: Check) -> bool:
        word = arguments[check.argument] >> (32 if check.high else 0) & 0xFFFFFFFF
        value = OWN if check.value is None else check.value
        return (word & check.mask == value) is check.equal

    if rule is None or any(all(map(holds, alternative)) for alternative in rule.unless):
        return 0
    return rule.error


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("openings", OPENINGS)
def test_the_program_answers_for_each_number_as_the_rules_say(
    machine: str, openings: Openings
) -> None:
    by_number = {
        numbers(machine)[n]: r for n, r in rules(openings).items() if n in numbers(machine)
    }
    for number in range(NEWEST + 1):
        for arguments in ([0] * 6, [OWN, 1, 0, 0, 0, 0], [2, 1, 6, 1 << 29, 0, 0], [1 << 40] * 6):
            found = answer(machine, openings, number, arguments, ARCHITECTURES[machine])
            assert found == expected(by_number.get(number), arguments), (number, arguments)


@given(
    st.sampled_from(MACHINES),
    st.sampled_from(OPENINGS),
    st.sampled_from(sorted(rules(Openings()))),
    st.lists(
        st.sampled_from([0, 1, 2, 6, 10, 17, OWN, 0x10000, 1 << 29, 1 << 32, (1 << 64) - 1]),
        min_size=6,
        max_size=6,
    ),
)
def test_the_program_looks_at_arguments_as_the_rules_say(
    machine: str, openings: Openings, name: str, arguments: list[int]
) -> None:
    known = numbers(machine)
    if name in known:
        found = answer(machine, openings, known[name], arguments, ARCHITECTURES[machine])
        assert found == expected(rules(openings).get(name), arguments)


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_of_another_set_are_refused(machine: str) -> None:
    nothing = [0] * 6
    for arch in {*ARCHITECTURES.values(), 0x40000003, 0x40000028} - {ARCHITECTURES[machine]}:
        assert answer(machine, Openings(), 39, nothing, arch) == errno.EPERM
    x32 = 0x40000000 + 39
    assert answer(machine, Openings(), x32, nothing, ARCHITECTURES[machine]) == errno.EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_that_are_newer_than_the_table_do_not_exist(machine: str) -> None:
    for number in (NEWEST + 1, 1000, 0x3FFFFFFF):
        found = answer(machine, Openings(), number, [0] * 6, ARCHITECTURES[machine])
        assert found == errno.ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
def test_threads_start_and_processes_do_not(machine: str) -> None:
    known, arch = numbers(machine), ARCHITECTURES[machine]
    assert answer(machine, Openings(), known["clone3"], [0] * 6, arch) == errno.ENOSYS
    thread = [0x3D0F00, 0, 0, 0, 0, 0]  # what glibc passes in pthread_create
    assert answer(machine, Openings(), known["clone"], thread, arch) == 0
    process = [0x1200011, 0, 0, 0, 0, 0]  # what it passes in fork
    assert answer(machine, Openings(), known["clone"], process, arch) == errno.EPERM
    assert answer(machine, Openings(subprocess=True), known["clone"], process, arch) == 0


@pytest.mark.parametrize("machine", MACHINES)
def test_only_tcp_is_opened_with_the_network(machine: str) -> None:
    arch, number = ARCHITECTURES[machine], numbers(machine)["socket"]
    stream, flags = socket.SOCK_STREAM, socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    families = (socket.AF_INET, socket.AF_INET6)
    asked = {
        (family, kind, protocol): answer(
            machine, Openings(connect=True), number, [family, kind, protocol, 0, 0, 0], arch
        )
        for family in (*families, socket.AF_UNIX, socket.AF_NETLINK, socket.AF_PACKET)
        for kind in (stream, stream | flags, socket.SOCK_DGRAM, socket.SOCK_RAW)
        for protocol in (0, socket.IPPROTO_TCP, 262)
    }
    assert {each for each, error in asked.items() if not error} == {
        (family, kind, protocol)
        for family in families
        for kind in (stream, stream | flags)
        for protocol in (0, socket.IPPROTO_TCP)
    }


def test_numbers_are_those_of_the_kernel_for_aarch64() -> None:
    known = numbers("aarch64")
    assert {name: known[name] for name in GENERIC} == GENERIC


@pytest.mark.parametrize("machine", MACHINES)
def test_numbers_are_those_of_the_headers_here(machine: str) -> None:
    if not HEADERS[machine].exists():
        pytest.skip(f"there is no {HEADERS[machine]}")
    line = re.compile(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)\s*$", re.MULTILINE)
    said = {name: int(number) for name, number in line.findall(HEADERS[machine].read_text())}
    known = numbers(machine)
    # Headers are as old as the distribution; what they do not know has one number everywhere.
    assert {n: k for n, k in known.items() if n in said} == {n: said[n] for n in known if n in said}
    unknown = {name for name in known if name not in said}
    assert {name: known[name] for name in unknown} == {
        name: numbers("x86_64")[name] for name in unknown
    }
    assert all(known[name] > 424 for name in unknown)


def test_no_rule_names_a_call_without_a_number() -> None:
    known = {*numbers("x86_64"), *numbers("aarch64")}
    assert {name for openings in OPENINGS for name in rules(openings)} <= known


def test_the_own_number_is_the_processs() -> None:
    kill = numbers("x86_64")["kill"]
    found = [
        answer("x86_64", Openings(), kill, [pid, 0, 0, 0, 0, 0], ARCHITECTURES["x86_64"])
        for pid in (OWN, 0, -1, -OWN, os.getppid())
    ]
    assert found == [0, *[errno.EPERM] * 4]
