"""The process that children are forked from: imports once, forks quickly, reaps, never blocks.

It holds no sockets but its own, no event loop and one thread. Children are told apart by the
number that the service gave; each gets its own process group, which is swept when the child has
ended and before it is reaped, while its number cannot be anybody else's.
"""

from __future__ import annotations

import array
import ctypes
import faulthandler
import gc
import os
import select
import signal
import socket
import sys
import threading
import traceback
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from optifire.workers import messages as say
from optifire.workers.compiled import kept_files
from optifire.workers.confining import make_ready, prepare
from optifire.workers.guarding import Guarding, now_ns
from optifire.workers.lazyloop import LazyLoop
from optifire.workers.line import Line
from optifire.workers.marks import mark_run
from optifire.workers.orphans import adopt_orphans, sweep
from optifire.workers.printed import print_to_descriptors, take_over_output
from optifire.workers.rehearsal import rehearse
from optifire.workers.serve import Attempts
from optifire.workers.statm import held

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from optifire.workers.context import Surroundings

_PR_SET_PDEATHSIG: Final = 1
_prctl: Final = ctypes.CDLL(None, use_errno=True).prctl
_MAX_CONTROL: Final = 1 << 16
#: ru_maxrss is in KiB on Linux, see getrusage(2).
_KIB: Final = 1024
_MAX_DESCRIPTOR: Final = (1 << 31) - 1
#: Milliseconds until it is swept again after a turn that left something.
_SWEEP_AGAIN_MS: Final = 5
#: Nanoseconds in which all that a run has started is gone, unless the kernel holds some of it.
_SWEPT_WITHIN_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Child:
    """One living child: the service's number, its process and its pidfd."""

    number: int
    pid: int
    pidfd: int


@dataclass(frozen=True, slots=True)
class End:
    """The end of a child: told once nothing is left of what it has started, or at ``latest``."""

    pid: int
    latest: int
    told: say.Ended


class Zygote:
    """Forks children on demand until the service hangs up.

    Parameters
    ----------
    control
        The connection to the service, SOCK_SEQPACKET.
    surroundings
        What every run in a child is offered.
    after_fork
        Called in each child before anything else, to put right what a fork has left behind.
    """

    def __init__(
        self,
        control: socket.socket,
        surroundings: Surroundings,
        after_fork: Callable[[], None] = lambda: None,
    ) -> None:
        self._control = control
        self._around = surroundings
        self._after_fork = after_fork
        self._children: dict[int, Child] = {}
        self._unsent: deque[tuple[bytes, tuple[int, ...]]] = deque()
        self._poll = select.poll()
        self._pid = os.getpid()
        self._guarding: Guarding | None = None
        self._ends: list[End] = []
        self._strays = False
        # What children have ready-made, since each object made or changed in one is a page copied.
        self._loop = LazyLoop()  # holds no descriptor
        self._printed = print_to_descriptors()

    def serve(self) -> None:
        """Freeze what is imported, say so, and serve until the service hangs up."""
        self._control.settimeout(0)
        adopt_orphans()
        # Shows where a run stood that has to be stopped; then the signal does what it always does.
        faulthandler.enable(2)
        faulthandler.register(signal.SIGTERM, file=2, chain=True)
        rehearse(self._loop, self._printed, self._around)
        prepare(self._around)
        gc.collect()
        gc.freeze()
        gc.disable()  # nothing here makes cycles, and a collection would touch every page
        self._poll.register(self._control, select.POLLIN)
        self._send(say.Ready())
        while self._turn():
            pass
        for child in self._children.values():
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(child.pidfd, signal.SIGKILL)
        for child in list(self._children.values()):
            self._reap(child)
        latest = now_ns() + _SWEPT_WITHIN_NS
        while self._strays and now_ns() < latest:
            self._sweep()

    def _turn(self) -> bool:
        """Handle what is ready; False when the service has hung up."""
        pause = None if self._guarding is None else self._guarding.look()
        if self._strays:
            pause = _SWEEP_AGAIN_MS
        for descriptor, happened in self._poll.poll(pause):
            child = self._children.get(descriptor)
            if child is not None:
                self._reap(child)
            elif happened & select.POLLOUT:
                self._flush()
            if child is None and happened & (select.POLLIN | select.POLLHUP) and not self._take():
                return False
        if self._strays:
            self._sweep()
        return True

    def _take(self) -> bool:
        """Take one message from the service."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, _MAX_CONTROL, 2)
        except BlockingIOError:
            return True
        except ConnectionResetError:
            return False
        if not data:
            return False
        try:
            message = say.to_zygote.decode(data)
            if isinstance(message, say.Fork):
                self._fork(message, *descriptors)
            else:
                self._watch(descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return True

    def _watch(self, words: Sequence[int]) -> None:
        """Begin to watch the service's loop by a word, or no longer."""
        if self._guarding is not None:
            self._guarding.close()
        self._guarding = Guarding(words[0], os.getppid()) if words else None

    def _fork(self, wanted: say.Fork, connection: int, log: int) -> None:
        if threading.active_count() != 1 or threads() != 1:
            self._send(say.NotForked(wanted.number, "the zygote has more than one thread"))
            return
        if wanted.checksum:
            kept_files.learn(wanted.folder, wanted.checksum)
        try:
            pid = os.fork()
        except OSError as error:
            self._send(say.NotForked(wanted.number, f"fork: {error.strerror}"))
            return
        if pid == 0:
            self._be_child(wanted, connection, log)
        with suppress(ProcessLookupError, PermissionError):  # either side may be first
            os.setpgid(pid, pid)
        pidfd = os.pidfd_open(pid)
        self._children[pidfd] = Child(wanted.number, pid, pidfd)
        self._poll.register(pidfd, select.POLLIN)
        self._send(say.Forked(wanted.number, pid), os.dup(pidfd))

    def _be_child(self, wanted: say.Fork, connection: int, log: int) -> None:
        """Make the attempts of a child, and never come back."""
        code = 0
        try:
            os.setpgid(0, 0)
            mark_run(self._pid)
            die_with_parent(self._pid)
            take_over_output(log)
            self._close_all_but(connection)
            self._after_fork()
            if wanted.ahead:  # the pages that a run writes to are copied now, and not during it
                rehearse(self._loop, self._printed, self._around, times=1)
            ready = make_ready(self._around) if wanted.ahead else None
            gc.enable()
            line = Line(connection)
            attempts = Attempts(line, self._printed, self._around, self._loop, ready)
            attempts.serve(*held(), many=wanted.pooled)
        except BaseException:  # noqa: BLE001 - a child never goes on as a second zygote
            code = 70  # EX_SOFTWARE, sysexits.h
            with suppress(Exception):
                traceback.print_exc()
        finally:
            with suppress(Exception):
                sys.stdout.flush()
            os._exit(code)

    def _close_all_but(self, connection: int) -> None:
        """Close what belongs to the zygote; standard streams and the run's socket stay."""
        os.closerange(3, connection)
        os.closerange(connection + 1, _MAX_DESCRIPTOR)

    def _reap(self, child: Child) -> None:
        """Sweep the group of a child that has ended, reap it and report."""
        os.waitid(os.P_PIDFD, child.pidfd, os.WEXITED | os.WNOWAIT)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        _, status, usage = os.wait4(child.pid, 0)
        self._poll.unregister(child.pidfd)
        os.close(child.pidfd)
        del self._children[child.pidfd]
        cpu = usage.ru_utime + usage.ru_stime
        told = say.Ended(child.number, status, cpu, usage.ru_maxrss * _KIB)
        self._ends.append(End(child.pid, now_ns() + _SWEPT_WITHIN_NS, told))
        self._sweep()

    def _sweep(self) -> None:
        """Sweep for one turn, and report the ends of children of which nothing is left."""
        left = sweep({each.pid for each in self._children.values()})
        self._strays = bool(left)
        waiting = []
        for end in self._ends:
            if end.pid in left and now_ns() < end.latest:
                waiting.append(end)
            else:
                self._send(end.told)
        self._ends = waiting

    def _send(self, message: say.FromZygote, *descriptors: int) -> None:
        """Send now what can be sent, keep the rest; the descriptors are closed once sent."""
        self._unsent.append((say.encode(message), descriptors))
        self._flush()

    def _flush(self) -> None:
        while self._unsent:
            data, descriptors = self._unsent[0]
            try:
                self._control.sendmsg([data], _ancillary(descriptors))
            except BlockingIOError:
                break
            except (BrokenPipeError, ConnectionResetError):
                self._unsent.clear()  # the service has hung up, which the next turn sees
                break
            self._unsent.popleft()
            for descriptor in descriptors:
                os.close(descriptor)
        events = select.POLLIN | (select.POLLOUT if self._unsent else 0)
        self._poll.modify(self._control, events)


def die_with_parent(parent: int) -> None:
    """Have this process killed when its parent dies; it ends now if that has happened already."""
    if _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        os._exit(0)


def _ancillary(descriptors: Sequence[int]) -> list[tuple[int, int, array.array[int]]]:
    if not descriptors:
        return []
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]


def threads() -> int:
    """Count the threads of this process, those that Python does not know included."""
    with os.scandir("/proc/self/task") as tasks:
        return sum(1 for _ in tasks)
