"""The service's side of one zygote: starts it, asks it for children, hears of their ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

import optifire
from optifire.core.errors import OptifireError, TransientError
from optifire.workers import messages as say
from optifire.workers.burial import Burial
from optifire.workers.live import Live
from optifire.workers.printed import drain, log_pipe
from optifire.workers.spares import Spares
from optifire.workers.vigil import Vigil

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Seconds in which a zygote must have imported everything; a cold disk takes most of it.
START_TIMEOUT: Final = 60.0
#: Seconds in which a zygote must have ended after the service has hung up.
END_TIMEOUT: Final = 2.0
_MAX_CONTROL: Final = 1 << 16
_PACKAGE_ROOT: Final = Path(optifire.__file__).resolve().parent.parent

#: All that a zygote knows of the machine's environment. Text hashes are the same in every
#: process, so a plugin that walks over a set does so in the same order each time; libraries that
#: would start threads of their own are told not to, before they are imported.
ENVIRONMENT: Final[Mapping[str, str]] = {
    "PATH": os.defpath,
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONHASHSEED": "0",
    "PYTHONPATH": str(_PACKAGE_ROOT),
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
}


def _nobody(_: str) -> None:
    """Hear of an end that nobody waits for."""


class Link:
    """One zygote process and the children it has forked for the service.

    Attributes
    ----------
    settings
        What it was started with.
    lives
        All its children, by number.
    spares
        Those that it has forked ahead.
    on_end
        Is told what became of it when it has ended.
    """

    def __init__(self, settings: say.ChildSettings, folder: Path) -> None:
        self.settings = settings
        self._folder = folder
        self._loop = asyncio.get_running_loop()
        self._numbers = count(1)
        self.lives: dict[int, Live] = {}
        self._unsent: deque[tuple[Live | None, bytes, tuple[int, ...]]] = deque()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._retired = False
        self._heard = 0
        self._burial: Burial | None = None
        self.spares = Spares(self, self._loop)
        self.on_end: Callable[[str], None] = _nobody

    @property
    def alive(self) -> bool:
        """Tell whether children can be asked for."""
        return not self._gone.done() and not self._retired

    @property
    def gone(self) -> bool:
        """Tell whether the process has ended."""
        return self._gone.done()

    @property
    def pid(self) -> int:
        """Give the zygote's process id."""
        return self._process.pid

    async def start(self) -> None:
        """Start the process and wait until it can fork; raises `OptifireError` if it cannot."""
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        near.settimeout(0)
        self._control = near
        self._log, log_writer = log_pipe()
        try:
            self._process = _spawn(self.settings, self._folder, far.fileno(), log_writer)
        except OSError:
            near.close()
            os.close(self._log)
            raise
        finally:
            far.close()
            os.close(log_writer)
        self._pidfd = os.pidfd_open(self._process.pid)
        process = self._process
        self._vigil = Vigil(process.pid, lambda: self._heard, process.kill, self._loop)
        self._loop.add_reader(near.fileno(), self._readable)
        self._loop.add_reader(self._pidfd, self._process_ended)
        try:
            async with asyncio.timeout(START_TIMEOUT):
                await self._ready
        except BaseException:
            self._process.kill()
            await self.close()
            raise

    # --- children ---------------------------------------------------------------------------

    def fork(
        self, *, pooled: bool = False, folder: str = "", checksum: str = "", ahead: bool = False
    ) -> Live:
        """Ask for a child, for a plugin, for many, or ahead; it can be talked to at once.

        Raises `TransientError` when this process has no descriptors left for it.
        """
        try:
            live = Live(next(self._numbers), self._loop, ahead=ahead)
        except OSError as error:
            raise TransientError(
                f"no process could be asked for: {error}",
                where="workers",
                remedy="Raise the limit of open files, or run less at once",
            ) from error
        live.on_stuck = partial(self._vigil.begin, live)
        # A run may have stopped it (SIGSTOP); to one that only has much to do this means nothing.
        live.on_waiting = partial(self._process.send_signal, signal.SIGCONT)
        self.lives[live.number] = live
        if not self.alive:
            self._drop(live.number)
            live.sent()
            live.unborn = True
            live.lost("the zygote has ended")
            return live
        self.spares.taught(folder, checksum, live.number)
        if not ahead:
            self.spares.stir()
        wanted = say.Fork(live.number, pooled, folder, checksum, ahead)
        descriptors = (live.talk.far.fileno(), live.log_writer)
        self._unsent.append((live, say.encode(wanted), descriptors))
        if len(self._unsent) == 1:
            self._flush()
        return live

    def watch(self, word: int | None) -> None:
        """Have the service's loop watched by a shared word; None: no longer."""
        if self.alive:
            words = () if word is None else (word,)
            self._unsent.append((None, say.encode(say.Watch()), words))
            self._flush()

    def _flush(self) -> None:
        while self._unsent:
            live, wanted, descriptors = self._unsent[0]
            try:
                socket.send_fds(self._control, [wanted], descriptors)
            except BlockingIOError:
                self._loop.add_writer(self._control.fileno(), self._flush)
                return
            except (BrokenPipeError, ConnectionResetError):
                break  # the end of the process is on its way and tells every child's run
            if live is not None:
                live.sent()
            self._unsent.popleft()
        self._loop.remove_writer(self._control.fileno())

    def _readable(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, _MAX_CONTROL, 1)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data, descriptors = b"", []
        if not data:
            self._loop.remove_reader(self._control.fileno())
            return
        self._heard += 1
        message = say.from_zygote.decode(data)
        if isinstance(message, say.Ready):
            self._ready.set_result(None)
        elif isinstance(message, say.Forked):
            self._forked(message, descriptors[0])
        elif isinstance(message, say.NotForked):
            self._drop(message.number).lost(message.why)
        else:
            self._drop(message.number).finish(message)

    def _forked(self, message: say.Forked, pidfd: int) -> None:
        live = self.lives.get(message.number)
        if live is None:
            os.close(pidfd)
        else:
            live.forked(message.pid, pidfd)

    def _drop(self, number: int) -> Live:
        live = self.lives.pop(number)
        self.spares.stir()
        if self._retired:
            self.retire()
        return live

    # --- end --------------------------------------------------------------------------------

    def _process_ended(self) -> None:
        self._loop.remove_reader(self._pidfd)
        while self._loop.remove_reader(self._control.fileno()):
            self._last_words()
        status = self._process.wait()
        said = drain(self._log).decode("utf-8", "replace").strip()
        if not self._ready.done():
            self._ready.set_exception(_not_started(status, said))
        self._gone.set_result(None)
        why = _how_it_ended(self.settings, self.pid, status)
        if status or self.lives:
            self._burial = Burial(list(self.lives.values()), why, self._loop)
        self.lives.clear()
        self._unsent.clear()
        self.on_end(why)

    def _last_words(self) -> None:
        """Hear what the zygote said before it ended."""
        with suppress(KeyError, BlockingIOError):
            while True:
                data, descriptors, _, _ = socket.recv_fds(self._control, _MAX_CONTROL, 1)
                if not data:
                    return
                message = say.from_zygote.decode(data)
                if isinstance(message, say.Forked):
                    self._forked(message, descriptors[0])
                elif isinstance(message, say.Ended):
                    self._drop(message.number).finish(message)

    def retire(self) -> None:
        """Take no more children, and end when the last one has ended."""
        self._retired = True
        self.spares.want(0)
        if not self.lives and not self._gone.done():
            self._control.shutdown(socket.SHUT_RDWR)

    async def close(self) -> None:
        """End the process and every child; returns when they are gone."""
        self.spares.want(0)
        for live in list(self.lives.values()):
            live.stop(signal.SIGKILL)
        if not self._gone.done():
            with suppress(OSError):
                self._control.shutdown(socket.SHUT_RDWR)
            killer = self._loop.call_later(END_TIMEOUT, self._process.kill)
            await asyncio.shield(self._gone)
            killer.cancel()
        if self._burial is not None:
            await asyncio.shield(self._burial.over)
        await self.spares.stop()
        self._loop.remove_reader(self._control.fileno())
        self._loop.remove_writer(self._control.fileno())
        self._control.close()
        for descriptor in (self._log, self._pidfd):
            os.close(descriptor)


def _spawn(
    settings: say.ChildSettings, folder: Path, control: int, log: int
) -> subprocess.Popen[bytes]:
    text = msgspec.json.encode(settings).decode()
    command = [sys.executable, "-P", "-m", "optifire.child"]
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [*command, str(control), str(os.getpid()), text],
        pass_fds=(control,),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env=dict(ENVIRONMENT),
        cwd=folder,
        start_new_session=True,
    )


def _how_it_ended(settings: say.ChildSettings, pid: int, status: int) -> str:
    """Say what became of a zygote."""
    kind = "data" if settings.modules else "light"
    by = f"ended with code {status}" if status >= 0 else f"was killed by {_name(-status)}"
    return f"the {kind} zygote (process {pid}) {by}"


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"  # a real-time signal has no name of its own


def _not_started(status: int, said: str) -> OptifireError:
    last = said.splitlines()[-1] if said else "it said nothing"
    return OptifireError(
        f"a zygote ended with status {status} before it could fork: {last}",
        where="optifire.child",
        remedy="Run `optifire doctor`",
    )
