"""An event loop that opens no descriptor until something must be waited for.

Most runs compute and return. Making an epoll descriptor and a wake-up socket pair for each, and
closing them again, costs more than such a run; `asyncio` offers no loop without them.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVarTuple, Unpack

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable


Ts = TypeVarTuple("Ts")


class LazySelector(selectors.BaseSelector):
    """A selector that becomes a real one when a file is watched or time must pass."""

    def __init__(self) -> None:
        self._real: selectors.BaseSelector | None = None

    @property
    def real(self) -> selectors.BaseSelector:
        """Give the real selector, made now if there was none."""
        if self._real is None:
            self._real = selectors.DefaultSelector()
        return self._real

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:  # noqa: ANN401 - as the base class
        """Watch a file."""
        return self.real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:  # noqa: ANN401 - as above
        """Stop watching a file."""
        return self.real.unregister(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Give the files that are ready, within that many seconds."""
        return [] if self._real is None and timeout == 0 else self.real.select(timeout)

    def get_map(self) -> Any:  # noqa: ANN401 - as above
        """Give the files that are watched."""
        return {} if self._real is None else self._real.get_map()

    def close(self) -> None:
        """Let the descriptor go."""
        if self._real is not None:
            self._real.close()


class LazyLoop(asyncio.SelectorEventLoop):
    """A selector loop whose selector and wake-up sockets are made when they are first needed."""

    _ssock: socket.socket | None
    _csock: socket.socket | None

    def __init__(self) -> None:
        self._awake = False
        super().__init__(LazySelector())

    def _make_self_pipe(self) -> None:
        """Put off making the wake-up sockets, which the base class asks for at once."""
        self._ssock = self._csock = None

    def _run_once(self) -> None:
        # About to wait: from here on other threads must be able to wake this one. What they
        # added before they could see the sockets stands in `_ready`, which is looked at after.
        if not self._ready:  # type: ignore[attr-defined]
            self._wake_up()
        super()._run_once()  # type: ignore[misc]

    def _wake_up(self) -> None:
        """Make the wake-up sockets, once."""
        if not self._awake:
            self._awake = True
            super()._make_self_pipe()  # type: ignore[misc]

    def add_signal_handler(
        self, sig: int, callback: Callable[[Unpack[Ts]], object], *args: *Ts
    ) -> None:
        """Call back on a signal, which arrives through the wake-up sockets."""
        self._wake_up()
        super().add_signal_handler(sig, callback, *args)

    def _write_to_self(self) -> None:
        if self._awake:
            super()._write_to_self()  # type: ignore[misc]

    def _close_self_pipe(self) -> None:
        if self._awake:
            super()._close_self_pipe()  # type: ignore[misc]
