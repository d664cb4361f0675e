# The attempts are system calls, spelled as such.
# ruff: noqa: PTH101, PTH102, PTH104, PTH108, PTH106, PTH116, PTH208, PTH211, S103, S108
"""Tries, each in a forked process of its own, what a sandboxed run must not and must be able to do.

``python sandbox_attempts.py``: reads JSON from standard input, writes for each attempt what became
of it: an errno (0: it succeeded) and text.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import shutil
import socket
import struct
import sys
import threading
import zoneinfo
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optifire.workers.libraries import libraries
from optifire.workers.sandbox import Confines, Ready, lay, lay_generic
from optifire.workers.syscalls import here

if TYPE_CHECKING:
    from collections.abc import Callable

SHARED = "/dev/shm/optifire-made"
LIBC = ctypes.CDLL(None, use_errno=True)
BUFFER = ctypes.create_string_buffer(4096)


def call(name: str, *arguments: Any) -> int:
    """Make a system call by its number, past Python and the C library."""
    given = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    answer = LIBC.syscall(ctypes.c_long(here()[name]), *given)
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(answer)


def forks() -> None:
    if os.fork() == 0:
        os._exit(0)
    os.wait()


def program() -> None:
    os.execv("/bin/true", ["true"])  # noqa: S606 - the attempt


def connects(family: int, kind: int, address: Any) -> None:
    with socket.socket(family, kind) as made:
        made.connect(address)


def datagram_pair(address: str) -> None:
    """Turn one end of a pair, which needs no socket(), to a socket by its path."""
    for made in (both := socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)):
        made.connect(address)
    for made in both:
        made.close()


def thread() -> None:
    done: list[int] = []
    worker = threading.Thread(target=done.append, args=(1,))
    worker.start()
    worker.join()
    assert done == [1]


def reads(path: str) -> None:
    os.close(os.open(path, os.O_RDONLY))


def writes(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT))


def raise_limit(which: int) -> None:
    """Raise a hard limit, or set it again where there is none."""
    soft, hard = resource.getrlimit(which)
    wanted = [soft, hard if hard == resource.RLIM_INFINITY else hard + 1]
    call("prlimit64", 0, which, struct.pack("=2Q", *(each % (1 << 64) for each in wanted)), None)


def same_limit(which: int) -> None:
    resource.setrlimit(which, resource.getrlimit(which))


def other_architecture() -> None:
    """Make getpid of 32 bits; x32 and i386 have numbers of their own."""
    LIBC.syscall(ctypes.c_long(0x4000_0000 + 39))
    if ctypes.get_errno():
        raise OSError(ctypes.get_errno(), "x32")


def keeps_files(folder: str) -> None:
    """Do what libraries do in a folder of their own."""
    first, second = Path(folder, "a"), Path(folder, "below")
    second.mkdir()
    first.write_text("x")
    os.rename(first, Path(folder, "b"))
    os.truncate(Path(folder, "b"), 0)
    os.symlink("b", second / "c")
    os.utime(Path(folder, "b"))
    os.unlink(Path(folder, "b"))
    os.unlink(second / "c")
    os.rmdir(second)


def moves(folder: str) -> None:
    os.mkdir(f"{folder}/below")
    os.rename(f"{folder}/kept", f"{folder}/below/kept")


def pair() -> None:
    for made in socket.socketpair():
        made.close()


def queues(pid: int) -> None:
    """Queue a signal that says of itself that a process sent it (si_code SI_QUEUE)."""
    call("rt_sigqueueinfo", pid, 0, struct.pack("=3i", 0, 0, -1).ljust(128, b"\0"))


def attempts(at: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """Give every attempt by its name; ``at`` is where things are."""
    parent, sibling = os.getpid(), at["sibling"]
    held = os.open(f"{at['own']}/kept", os.O_RDWR)
    inotify = LIBC.inotify_init()
    own, outside, other = at["own"], at["outside"], at["other"]
    return {
        # files
        "read another's file": lambda: reads(at["secret"]),
        "list another's folder": lambda: os.listdir(outside),
        "read the environment of the parent": lambda: reads(f"/proc/{parent}/environ"),
        "read the memory of the parent": lambda: reads(f"/proc/{parent}/mem"),
        "read /etc/passwd": lambda: reads("/etc/passwd"),
        "write outside": lambda: writes(f"{outside}/made"),
        "write beside its folder": lambda: writes(f"{own}-beside"),
        "make a folder outside": lambda: os.mkdir(f"{outside}/folder"),
        "truncate outside": lambda: os.truncate(at["secret"], 1),
        "remove outside": lambda: os.unlink(f"{outside}/spare"),
        "rename out": lambda: os.rename(f"{own}/kept", f"{outside}/kept"),
        "link in": lambda: os.link(at["secret"], f"{own}/linked"),
        "read by a link of its own": lambda: reads(f"{own}/way-out"),
        "write what it may read": lambda: writes(f"{at['readable']}/made"),
        "read by a granted link": lambda: reads(f"{at['granted_link']}/secret"),
        "make a device": lambda: os.mknod(f"{own}/device", 0o020600, os.makedev(1, 3)),
        "shared memory": lambda: writes(SHARED),
        "open by handle": lambda: call("open_by_handle_at", -100, BUFFER, 0),
        "watch another's folder": lambda: call("inotify_add_watch", inotify, outside.encode(), 2),
        # network
        "TCP": lambda: connects(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", at["port"])),
        "other TCP": lambda: connects(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", other)),
        "UDP": lambda: connects(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 9)),
        "a raw packet": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close(),
        "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
        "a Unix socket": lambda: connects(socket.AF_UNIX, socket.SOCK_STREAM, at["path"]),
        "an abstract socket": lambda: connects(socket.AF_UNIX, socket.SOCK_STREAM, at["abstract"]),
        "a pair turned to a path": lambda: datagram_pair(at["datagrams"]),
        "MPTCP": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).close(),
        "listen": lambda: socket.create_server(("127.0.0.1", 0)).close(),
        # processes
        "fork": forks,
        "a program": program,
        "a program by handle": lambda: call("execveat", -100, b"/bin/true", None, None, 0),
        "a thread-less clone": lambda: call("clone", 17, 0, 0, 0, 0) or os._exit(0),
        "trace the parent": lambda: call("ptrace", 0x4206, parent, 0, 0),
        "read memory of the parent": lambda: call(
            "process_vm_readv", parent, BUFFER, 0, BUFFER, 0, 0
        ),
        "signal the parent": lambda: os.kill(parent, 0),
        "signal a sibling": lambda: os.kill(sibling, 0),
        "signal everybody": lambda: os.kill(-1, 0),
        "signal by tgkill": lambda: call("tgkill", parent, parent, 0),
        "signal by tkill": lambda: call("tkill", parent, 0),
        "signal by pidfd": lambda: call("pidfd_send_signal", os.pidfd_open(parent), 0, 0, 0),
        "signal by queue": lambda: queues(parent),
        "join another's group": lambda: os.setpgid(0, os.getpgid(sibling)),
        "leave the session": os.setsid,
        "slow a sibling": lambda: os.setpriority(os.PRIO_PROCESS, sibling, 0),
        "pin a sibling": lambda: os.sched_setaffinity(sibling, {0}),
        "outlive the parent": lambda: LIBC.prctl(1, 0, 0, 0, 0) and _failed(),
        # limits, memory, the kernel
        "raise own files": lambda: raise_limit(resource.RLIMIT_NOFILE),
        "raise own time": lambda: raise_limit(resource.RLIMIT_CPU),
        "limit a sibling": lambda: resource.prlimit(sibling, resource.RLIMIT_CORE, (0, 0)),
        "memory without a file": lambda: os.memfd_create("made"),
        "System V memory": lambda: call("shmget", 0, 4096, 0o1600),
        "userfaultfd": lambda: call("userfaultfd", 1),
        "io_uring": lambda: call("io_uring_setup", 1, BUFFER),
        "perf": lambda: call("perf_event_open", BUFFER, 0, -1, -1, 0),
        "bpf": lambda: call("bpf", 0, BUFFER, 72),
        "keys": lambda: call("keyctl", 0, -3, 0),
        "chmod": lambda: os.chmod(f"{own}/kept", 0o777),
        "fchmod": lambda: os.fchmod(held, 0o777),
        "chown": lambda: os.chown(f"{own}/kept", os.getuid(), os.getgid()),
        "set an attribute": lambda: os.setxattr(f"{own}/kept", "user.x", b""),
        "a user namespace": lambda: call("unshare", 0x1000_0000),
        "chroot": lambda: os.chroot(own),
        "mount": lambda: call("mount", b"x", own.encode(), b"no-such-type", 0, None),
        "another set of calls": other_architecture,
        "a call of the future": lambda: call_number(4000),
        # what must work
        "read its folder": lambda: reads(f"{at['readable']}/file"),
        "keep files": lambda: keeps_files(own),
        "move between its folders": lambda: moves(own),
        "import late": lambda: __import__("xml.dom.minidom"),
        "a time zone": lambda: zoneinfo.ZoneInfo("America/New_York"),
        "a thread": thread,
        "a pair of sockets": pair,
        "signal itself": lambda: os.kill(os.getpid(), 0),
        "its own figures": lambda: Path("/proc/self/statm").read_text(),
        "randomness": lambda: reads("/dev/urandom"),
        "throw away": lambda: writes("/dev/null"),
        "ask its limits": lambda: resource.getrlimit(resource.RLIMIT_NOFILE),
        "grow its data": lambda: same_limit(resource.RLIMIT_DATA),
        "look at what exists": lambda: os.stat(at["secret"]),
        "name itself": lambda: LIBC.prctl(15, b"named", 0, 0, 0) and _failed(),
    }


def call_number(number: int) -> None:
    if LIBC.syscall(ctypes.c_long(number)) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _failed() -> bool:
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def prepare(at: dict[str, Any]) -> None:
    """Put files as attempts expect them, whatever the last one did."""
    outside, own = Path(at["outside"]), Path(at["own"])
    for left in ("kept", "made", "folder", "linked"):
        found = outside / left if left != "linked" else own / left
        found.rmdir() if found.is_dir() else found.unlink(missing_ok=True)
    for path in (own / "device", own / "way-out", Path(f"{own}-beside"), Path(SHARED)):
        path.unlink(missing_ok=True)
    shutil.rmtree(own / "below", ignore_errors=True)
    (outside / "secret").write_text("secret")
    (outside / "spare").write_text("")
    (own / "kept").write_text("")
    (own / "way-out").symlink_to(at["secret"])


def lays(confines: Confines, abi: int | None, how: str) -> None:
    """Lay the layers at once, with what was made ``ready`` before, or only go the same way."""
    really = how != "rehearsed"
    read = (*libraries("/nonexistent"), "/proc/self")
    ready = Ready(read, ("/dev/null",), own="/proc/self") if how == "ready" else None
    lay_generic(really=really)
    lay(confines, abi=abi, ready=ready, really=really)


def tried(attempt: Callable[[], Any], lay_all: Callable[[], None] | None) -> list[Any]:
    """Make one attempt in a process of its own; gives errno and text."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        said: list[Any] = [0, ""]
        try:
            os.setpgid(0, 0)
            if lay_all is not None:
                lay_all()
            attempt()
        except OSError as error:
            said = [error.errno or -1, str(error)]
        except BaseException as error:  # noqa: BLE001 - what else it raised is told as well
            said = [-1, repr(error)]
        with contextlib.suppress(OSError):
            os.write(writer, json.dumps(said).encode())
        os._exit(0)
    os.close(writer)
    heard = b"".join(iter(lambda: os.read(reader, 4096), b""))
    os.close(reader)
    os.waitpid(pid, 0)
    # A program that took its place said nothing: it succeeded.
    found: list[Any] = json.loads(heard) if heard else [0, ""]
    return found


def main() -> None:
    """Make all attempts."""
    asked = json.load(sys.stdin)
    given = asked["confines"]
    lay_all: Callable[[], None] | None = None
    if given is not None:
        confines = Confines(**{k: _tuple(v) for k, v in given.items()})
        lay_all = partial(lays, confines, asked["abi"], asked["how"])
    prepare(asked["at"])
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 512))
    made: dict[str, list[Any]] = {}
    for name, attempt in attempts(asked["at"]).items():
        if asked["only"] and name not in asked["only"]:
            continue
        prepare(asked["at"])
        made[name] = tried(attempt, lay_all)
    prepare(asked["at"])
    sys.stdout.write(json.dumps(made))


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


if __name__ == "__main__":
    main()
