"""Whether Python was refused memory in this process, also when a plugin has caught the error.

CPython keeps sixteen `MemoryError` objects ready, because there is no memory for one when it is
needed, and puts each back when nobody holds it any more (Objects/exceptions.c, MEMERRORS_SAVE).
While all of them are held here the store is empty, so an error that came and went leaves a trace:
it lies in the store and the next one takes no new block. Since 3.12 an empty store makes the
interpreter raise one object that it never lets go, and that one keeps its traceback.
"""

from __future__ import annotations

import gc
import sys
from typing import Any, Final

#: What the interpreter keeps ready (MEMERRORS_SAVE).
_STORE: Final = 16
#: No allocator grants this much.
_TOO_MUCH: Final = sys.maxsize - 1024


class Refusals:
    """Watches for `MemoryError` from the moment it is made; one at a time in a process."""

    def __init__(self) -> None:
        self._held = [MemoryError() for _ in range(_STORE)]
        self._usual = self._blocks()
        self._arrays: list[bool] = []
        self._last = _provoked()
        self._reset()
        _watch_arrays(self._arrays)

    def seen(self) -> bool:
        """Tell whether memory was refused since; asking ends the watch."""
        found = self._last.__traceback__ is not None or bool(self._arrays) or self._alive()
        self._reset_last()
        return self._blocks() < self._usual or found

    def _alive(self) -> bool:
        """Tell whether an error is held by somebody, as one is that lies in a cycle with its frame.

        Looked for among objects made lately: all of them may be millions.
        """
        ours = {id(error) for error in (*self._held, self._last)}
        young = (each for age in (0, 1) for each in gc.get_objects(age))
        return any(type(each) is MemoryError and id(each) not in ours for each in young)

    def _reset(self) -> None:
        """Forget the error that was provoked here, which may have come from the heap."""
        self._reset_last()
        self._held.append(MemoryError())

    def _reset_last(self) -> None:
        """Let go what the frames of the last error hold, which may be most of the memory."""
        self._last.__traceback__ = self._last.__context__ = None

    def _blocks(self) -> int:
        """Give how many blocks one more error takes; it is held, so that the store stays as is."""
        before = sys.getallocatedblocks()
        error = MemoryError()
        taken = sys.getallocatedblocks() - before
        self._held.append(error)
        return taken


def _provoked() -> MemoryError:
    """Give an error as the interpreter raises it when there is no memory."""
    try:
        bytearray(_TOO_MUCH)
    except MemoryError as error:
        return error
    raise AssertionError("the interpreter was given all of the address space")


def _watch_arrays(seen: list[bool]) -> None:
    """Note numpy's own error, a subclass that Python's store knows nothing of."""
    module: Any = sys.modules.get("numpy._core._exceptions")
    if module is None:
        return
    kind = module._ArrayMemoryError  # noqa: SLF001 - it has no other name
    plain = kind.__init__

    def noted(self: object, *arguments: object) -> None:
        seen.append(True)
        plain(self, *arguments)

    kind.__init__ = noted
