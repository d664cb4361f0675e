"""Runs that a zygote makes itself before it forks, so that its children find everything warm.

In a forked process the first touch of a page costs a copy, and the interpreter touches many when
it does something for the first time: it fills method caches, specialises byte code, interns names.
What a zygote has done already, none of its children has to do.
"""

from __future__ import annotations

import socket
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from optifire.core.errors import OptifireError
from optifire.core.ports import Event, Given
from optifire.core.run import RunStatus, Source
from optifire.core.types import RunId
from optifire.sdk.context import SessionView
from optifire.workers import messages as say
from optifire.workers.compiled import PACKAGE_FOLDER, kept_files
from optifire.workers.line import Line
from optifire.workers.serve import Attempts
from optifire.workers.stream import Frames, framed
from optifire.workers.wire import encode_value

if TYPE_CHECKING:
    import asyncio

    from optifire.workers.context import Surroundings
    from optifire.workers.printed import PipeWriter

_FOLDER: Final = f"{PACKAGE_FOLDER}/workers/rehearsed"
_NAME: Final = "optifire.workers.rehearsed"
#: The interpreter specialises a function when it has run eight times, and then its callees.
_TIMES: Final = 20
_DUE: Final = datetime(2018, 11, 23, 18, tzinfo=UTC)


def rehearse(
    loop: asyncio.AbstractEventLoop,
    printed: PipeWriter,
    surroundings: Surroundings,
    times: int = _TIMES,
) -> None:
    """Make runs of a small plugin as a child makes them; raises `OptifireError` if one fails."""
    kept_files.learn(_FOLDER, _NAME)
    near, far = socket.socketpair()
    with near, far:
        for _ in range(times):
            near.sendall(framed(rehearsed_order()))
            line = Line(far.fileno())
            Attempts(line, printed, surroundings, loop).serve(0, 0, many=False)
            line.detach()
            _check(near)
            for name in [name for name in sys.modules if name.startswith(_NAME)]:
                del sys.modules[name]


def _check(near: socket.socket) -> None:
    """Take in what the run said; it must have succeeded."""
    frames = Frames()
    said: list[say.FromChild] = []
    while not said or not isinstance(said[-1], say.Done):
        said += [say.from_child.decode(body) for body, _ in frames.feed(near.recv(1 << 16))]
    outcome = said[-1].outcome
    if outcome.status is not RunStatus.SUCCEEDED:
        raise OptifireError(f"the rehearsal ended as {outcome.status}: {outcome.reason}")


def rehearsed_order() -> say.Order:
    """Give the order of a run that does next to nothing, whose code every zygote has ready."""
    source = Source(RunId("rehearsed@20181123T180000Z"), _DUE)
    return say.Order(
        run_id="rehearsed@20181123T180000Z",
        plugin_id="rehearsed",
        due=_DUE,
        started=_DUE,
        attempt=1,
        folder=_FOLDER,
        class_name="Rehearsed",
        checksum=_NAME,
        config=encode_value({"number": 1}),
        given={"given": Given(encode_value(2.5), source)},
        events=[Event("rehearsed", encode_value(None), "rehearsed")],
        session=SessionView("XNYS", "open", _DUE.date(), _DUE, _DUE, half_day=False),
        replay=False,
        home="/nonexistent",
    )
