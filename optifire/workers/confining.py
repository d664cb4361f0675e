"""What the sandbox of a run or of a question lets through, and how a refusal by it is told."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, Final

from optifire.core.errors import SecurityError, causes
from optifire.core.run import Reason
from optifire.workers.context import data_folder, temp_place
from optifire.workers.libraries import NAMES, libraries, programs
from optifire.workers.sandbox import Confines, Ready, lay, lay_generic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optifire.core.ports import Outcome
    from optifire.workers import messages as say
    from optifire.workers.context import Surroundings

#: What every run may write to besides its own folders.
_SINK: Final = "/dev/null"
#: What a process learns of itself there: its memory, its limits, its threads.
_SELF: Final = "/proc/self"
#: The interpreter specialises a function when it has run eight times.
_TIMES: Final = 10
#: How many of the libraries a rehearsal makes rules for.
_FEW: Final = 2


def prepare(around: Surroundings) -> None:
    """Find out beforehand, in a zygote, what all its children need to lay a sandbox."""
    programs()
    places = libraries(around.home)
    for place in places:
        # Held open for good: an entry of /proc is made anew, and is no longer the one of a rule,
        # when the kernel has forgotten it, and a spare's rules may be hours old.
        if place.startswith("/proc/"):
            os.open(place, os.O_PATH | os.O_CLOEXEC)
    for _ in range(_TIMES):
        _rehearse(around, ports=())
    _rehearse(around, ports=(1,))


def make_ready(around: Surroundings) -> Ready:
    """Make what a sandbox of this process will need, if its order asks for one.

    Of files only what the zygote itself was loaded from, and what the kernel makes: what else a run
    may read can be replaced by something of the same name before there is an order.
    """
    _rehearse(around, ports=())
    return Ready((*libraries(around.home), _SELF), (_SINK,), own=_SELF)


def _rehearse(around: Surroundings, ports: tuple[int, ...]) -> None:
    """Go the way of laying a sandbox up to where it would take effect: the next time is quicker."""
    here = os.getcwd()  # noqa: PTH109 - see `loading`
    read = (*libraries(around.home)[:_FEW], *around.recorded, _SELF)
    _enter(Confines(read=read, write=(_SINK,), ports=ports), "/", "/", really=False)
    del os.environ["HOME"], os.environ["TMPDIR"]
    os.chdir(here)


def confine(order: say.Order, around: Surroundings, ready: Ready | None = None) -> None:
    """Lay the sandbox that an order asks for around this process, for good.

    ``ready`` is what it has made beforehand.

    Raises
    ------
    SecurityError
        A layer that this machine has could not be laid.
    """
    if order.sandbox is None:
        return
    own = (data_folder(order.home, order.plugin_id), temp_place(order.home, order.plugin_id))
    for folder in own:
        if not os.path.isdir(folder):  # noqa: PTH112 - see `loading`
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - see `loading`
    allowed = order.sandbox
    more = (*(NAMES if allowed.ports else ()), *(programs() if allowed.subprocess else ()))
    _enter(
        Confines(
            read=(*libraries(around.home), *around.recorded, order.folder, _SELF, *more),
            write=(*own, _SINK),
            granted_read=tuple(allowed.read),
            granted_write=tuple(allowed.write),
            ports=tuple(allowed.ports),
            subprocess=allowed.subprocess,
        ),
        *own,
        ready,
    )


def confine_question(question: say.Describe | say.Accept, around: Surroundings) -> None:
    """Lay the sandbox around a process that is to load a plugin for a question; nothing is granted.

    Raises
    ------
    SecurityError
        A layer that this machine has could not be laid.
    """
    if question.scratch:
        os.makedirs(question.scratch, exist_ok=True)  # noqa: PTH103 - see `loading`
        place = question.scratch
        read = (*libraries(around.home), question.folder, _SELF)
        _enter(Confines(read=read, write=(place, _SINK)), place, place)


def _enter(
    confines: Confines,
    home: str,
    temporary: str,
    ready: Ready | None = None,
    *,
    really: bool = True,
) -> None:
    """Lay all layers; the process is at home in a folder of its own, and libraries know it."""
    os.environ["HOME"], os.environ["TMPDIR"] = home, temporary
    tempfile = sys.modules.get("tempfile")
    if tempfile is not None:
        tempfile.tempdir = None  # type: ignore[attr-defined] # what the zygote found is not allowed
    os.chdir(home)
    # Held open: the kernel may forget a folder of /proc that nobody holds, and the rule with it.
    held = os.open(_SELF, os.O_PATH | os.O_CLOEXEC) if ready is None else -1  # it holds one
    try:
        lay_generic(really=really)
        lay(confines, ready=ready, really=really)
    except OSError as error:
        raise SecurityError(
            f"the sandbox cannot be laid: {error}",
            where="sandbox",
            remedy="Run `optifire doctor`",
        ) from error
    if not really:
        os.close(held)


# --- refusals ---------------------------------------------------------------------------------

_DENIED: Final = (errno.EPERM, errno.EACCES)
#: What the line that was refused holds, and which permission it is about.
_ABOUT: Final = (
    (("fork", "spawn", "subprocess", "Popen", "system(", "exec", "multiprocessing"), "subprocess"),
    (("socket", "connect", "urlopen", "requests.", "http"), "network:<port>"),
)


def told(outcome: Outcome, error: BaseException, order: say.Order) -> Outcome:
    """Say of an outcome that ended by a refusal what was refused, and what to grant for it."""
    if order.sandbox is None:
        return outcome
    refusal = next((each for each in causes(error) if _refused(each)), None)
    if isinstance(refusal, OSError) and outcome.reason is not None:
        permission = _permission_for(refusal, (order.folder, *order.sandbox.read))
        cure = f"; grant `{permission}` if it may" if permission else ""
        outcome.reason = Reason("not permitted", f"{refusal}{cure}")
    return outcome


def _refused(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in _DENIED


def _permission_for(refusal: OSError, allowed: Sequence[str]) -> str:
    """Give the permission that an error is about, empty where there is none for it."""
    if isinstance(refusal.filename, str | bytes):
        path = os.path.realpath(os.fsdecode(refusal.filename))
        readable = any(path == each or path.startswith(f"{each}/") for each in allowed)
        return f"fs:write:{path}" if readable else f"fs:read:{path}"
    line = _line_of(refusal)
    return next((name for words, name in _ABOUT if any(word in line for word in words)), "")


def _line_of(error: BaseException) -> str:
    """Give file, function and text of the line that raised."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    return f"{frames[0].filename} {frames[0].name} {frames[0].line}" if frames else ""
