"""What a replay refuses: the clock in a plugin's own files, the network, and foreign files.

Clock reads are refused where a plugin's own files do them, through ``time``, ``datetime`` or
``pandas`` however imported. Not seen: what a library or C code reads, ``pd.to_datetime("now")``,
and functions fetched by other means than an import statement (``sys.modules``, ``importlib``).
Network and files are refused through the interpreter's audit events, for all code of the process;
C code that goes past Python (a C library's own sockets) is not seen. Operating system randomness
is refused through Python's names for it (``os.urandom``, ``secrets``, ``uuid.uuid4``,
``random.SystemRandom``, unseeded ``numpy.random.default_rng``); ``random.Random()`` without a seed
is not.
"""

from __future__ import annotations

import builtins
import datetime as dt
import os
import random
import sys
import time as real_time
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, NoReturn

from optifire.core.errors import ContractError
from optifire.workers.compiled import PluginLoader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

_CLOCKS: Final = frozenset(
    f"{name}{suffix}"
    for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time")
    for suffix in ("", "_ns")
) | {"clock_gettime", "clock_gettime_ns"}
#: These read the clock only when they are not told the time; the number is that argument's place.
_DEFAULT_NOW: Final = {"localtime": 0, "gmtime": 0, "ctime": 0, "asctime": 0, "strftime": 1}
_NETWORK: Final = frozenset(
    {
        "socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg",
        "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr",
    }
)  # fmt: skip


def refuse_clock(what: str) -> NoReturn:
    """Raise the error for a clock read in a replay."""
    frame = sys._getframe(2)  # noqa: SLF001 - the line that asked is what the author needs
    raise ContractError(
        f"{what} reads the clock, which a replay has not",
        where=f"{frame.f_code.co_filename}:{frame.f_lineno}",
        remedy="Use context.now: the instant that the run is about",
    )


# --- the clock --------------------------------------------------------------------------------


class _Standing(type):
    """The metaclass of a class that stands for another one."""

    _real: type

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, cls._real)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, cls._real)

    def __eq__(cls, other: object) -> bool:
        return other is cls or other is cls._real

    def __hash__(cls) -> int:
        return hash(cls._real)


def _without_clock(real: type, asking: Sequence[str], words: Sequence[str] = ()) -> type:
    """Give a stand-in for a class whose named methods are refused; it makes real instances.

    ``words`` are first arguments of the constructor that mean the present.
    """

    def new(cls: type, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401, ARG001 - any constructor
        if args and isinstance(args[0], str) and args[0].strip().lower() in words:
            refuse_clock(f"{real.__name__}({args[0]!r})")
        return real(*args, **kwargs)

    def refused(name: str) -> Callable[..., NoReturn]:
        def read(*_: object, **__: object) -> NoReturn:
            refuse_clock(f"{real.__name__}.{name}")

        return read

    body: dict[str, Any] = {"__new__": new, "_real": real, "__doc__": real.__doc__}
    body |= {name: staticmethod(refused(name)) for name in asking}
    made = _Standing(real.__name__, (real,), body)
    made.__module__, made.__qualname__ = real.__module__, real.__qualname__
    return made


class _Module(ModuleType):
    """A module that answers as another one does, but for some names."""

    def __init__(self, real: ModuleType, instead: dict[str, Any]) -> None:
        super().__init__(real.__name__, real.__doc__)
        self.__dict__["_real"] = real
        self.__dict__.update(instead)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the module holds
        return getattr(self.__dict__["_real"], name)

    def __dir__(self) -> list[str]:
        return dir(self.__dict__["_real"])


def _time_stand_in() -> _Module:
    def refused(name: str) -> Callable[..., NoReturn]:
        return lambda *_, **__: refuse_clock(f"time.{name}")

    def told(name: str, place: int) -> Callable[..., Any]:
        def ask(*args: Any) -> Any:  # noqa: ANN401 - as the function it stands for
            if len(args) <= place or args[place] is None:
                refuse_clock(f"time.{name}")
            return getattr(real_time, name)(*args)

        return ask

    instead: dict[str, Any] = {name: refused(name) for name in _CLOCKS if hasattr(real_time, name)}
    instead |= {name: told(name, place) for name, place in _DEFAULT_NOW.items()}
    return _Module(real_time, instead)


def _stand_in(name: str) -> _Module | None:
    """Make the stand-in for a module that can read the clock; None for all others."""
    if name == "time":
        return _time_stand_in()
    if name == "datetime":
        day = _without_clock(dt.date, ["today"])
        instant = _without_clock(dt.datetime, ["now", "utcnow", "today"])
        return _Module(dt, {"date": day, "datetime": instant})
    if name == "pandas":
        pandas = sys.modules["pandas"]
        asking = ["now", "utcnow", "today"]
        stamp = _without_clock(pandas.Timestamp, asking, ["now", "today"])
        return _Module(pandas, {"Timestamp": stamp})
    return None


_made: dict[str, _Module] = {}


def _guarded_import(
    name: str,
    globals: Any = None,  # noqa: A002, ANN401 - as above
    locals: Any = None,  # noqa: A002, ANN401 - as above
    fromlist: Any = (),  # noqa: ANN401 - as above
    level: int = 0,
) -> ModuleType:
    module = builtins.__import__(name, globals, locals, fromlist, level)
    if level or module.__name__ not in {"time", "datetime", "pandas"}:
        return module
    if module.__name__ not in _made:
        made = _stand_in(module.__name__)
        if made is None:
            return module
        _made[module.__name__] = made
    return _made[module.__name__]


class GuardedLoader(PluginLoader):
    """Runs a plugin's file with an ``__import__`` of its own."""

    def exec_module(self, module: ModuleType) -> None:
        """Execute the file."""
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _guarded_import}
        super().exec_module(module)


# --- network, files, randomness ---------------------------------------------------------------


class Fence:
    """The audit hook of a process that makes replayed runs; it cannot be taken out again.

    Reading is allowed below ``roots`` (the interpreter, its libraries, the plugin's folder, the
    home's data); writing only below ``own`` (the plugin's own folders).
    """

    def __init__(self) -> None:
        self.roots: tuple[str, ...] = ()
        self.own: tuple[str, ...] = ()
        self._up = False
        self._installed = False
        self._wrote_bytecode = True

    def raise_for(self, roots: Sequence[str], own: Sequence[str]) -> None:
        """Put the fence up for one run, or move it for the next one; ``own`` are real paths."""
        self.roots = (*_system_roots(), *map(_real, roots))
        self.own = tuple(own)
        self._up = True
        # What is imported late is compiled, and the interpreter would write that down.
        self._wrote_bytecode = not sys.dont_write_bytecode
        sys.dont_write_bytecode = True
        if not self._installed:
            self._installed = True
            _refuse_randomness()
            sys.addaudithook(self._audit)

    def lower(self) -> None:
        """Let everything through again, between runs."""
        if self._up:
            sys.dont_write_bytecode = not self._wrote_bytecode
        self._up = False

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._up:
            return
        if event == "open":
            self._check_open(args[0], args[1], args[2])
        elif event in _NETWORK:
            self._check_network(event, args)

    def _check_open(self, path: object, mode: object, flags: object) -> None:
        if not isinstance(path, str | bytes):
            return
        text = os.path.realpath(os.fsdecode(path))
        writing = isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        allowed = self.own if writing else (*self.roots, *self.own)
        if any(text == root or text.startswith(root + os.sep) for root in allowed):
            return
        raise ContractError(
            f"{'writing' if writing else 'reading'} {text} is not part of a replay (mode {mode})",
            where="open",
            remedy="Read recorded data through context.feed, keep files in context.data_dir",
        )

    def _check_network(self, event: str, args: tuple[Any, ...]) -> None:
        about = args[0] if event.startswith("socket.get") else args[1]
        raise ContractError(
            f"{event} to {about!r} is not part of a replay",
            where=event,
            remedy='Use recorded data, or set observes="machine" to leave the job out of replays',
        )


@lru_cache(maxsize=256)
def _real(path: str) -> str:
    return os.path.realpath(path)


@lru_cache(maxsize=1)
def _system_roots() -> tuple[str, ...]:
    """Give the folders of the interpreter and its libraries, and the devices of no content."""
    # Where the package lies in a checkout, a whole home may lie: only the package itself counts.
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    libraries = [place for place in sys.path if place.endswith(("-packages", ".zip", "-dynload"))]
    places = {sys.prefix, sys.base_prefix, sys.exec_prefix, package, *libraries}
    places |= {"/usr/lib", "/lib", "/usr/share/zoneinfo", "/etc/localtime", "/dev/null", "/proc"}
    # Libraries ask how many processors they may use.
    places |= {"/sys/fs/cgroup", "/sys/devices/system"}
    return tuple(os.path.realpath(place) for place in places)


def _refuse_randomness() -> None:
    """Replace Python's names for the operating system's random numbers."""

    def urandom(size: int, /) -> bytes:
        if _importing():
            return random.randbytes(size)  # noqa: S311 - seeded from the run's key
        raise ContractError(
            f"{size} random bytes of the operating system would differ each time",
            where="os.urandom",
            remedy="Use context.rng, or a generator seeded from it",
        )

    os.urandom = urandom
    random._urandom = urandom  # type: ignore[attr-defined]  # noqa: SLF001 - SystemRandom asks by this name


def _importing() -> bool:
    """Tell whether a module is being imported: some, such as numpy, seed generators then."""
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 - the way to here is what counts
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


fence: Final = Fence()
