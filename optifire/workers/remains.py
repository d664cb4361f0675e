"""What an earlier start of the service has left running: ended before its runs are taken up.

A killed service takes its zygotes along, and they their runs (prctl(2), PR_SET_PDEATHSIG), but not
what a run has started. All of that bears the zygote's number in its mark (see `marks`), so a
service notes its zygotes in a file beside its ledger, and the next one looks who is left of them.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from optifire.workers.children import begun
from optifire.workers.marks import kill_marked, marked, zygote_of
from optifire.workers.procstat import stat_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: A number that each start of the machine has for itself (random(4)).
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


def note_zygotes(file: Path, pids: Iterable[int]) -> None:
    """Note the zygotes there are: which they are for as long as this machine is up."""
    draft = file.with_name(f"{file.name}.part")
    lines = [f"{_boot()} {pid} {begun(pid)}\n" for pid in pids]
    draft.write_text("".join(lines), encoding="ascii")
    draft.replace(file)


def end_remains(file: Path) -> int:
    """End what is left of the zygotes noted in a file; gives how many processes that were.

    The caller holds the ledger: nobody else's zygotes are noted there.
    """
    ours = set(_noted(file))
    for pid, since in ours:
        if begun(pid) == since:
            with suppress(ProcessLookupError, PermissionError):
                _kill(pid, since)
    # A number that has gone to another process may be that of somebody else's zygote now.
    dead = {pid for pid, since in ours if begun(pid) in (0, since)}
    left = {mark: pids for mark, pids in marked().items() if zygote_of(mark) in dead}
    lived = [pid for pids in left.values() for pid in pids if lives(pid)]
    kill_marked(left)
    file.unlink(missing_ok=True)
    return len(lived)


def _noted(file: Path) -> Iterator[tuple[int, int]]:
    """Give the zygotes of this start of the machine."""
    if file.exists():
        for line in file.read_text(encoding="ascii").splitlines():
            boot, pid, since = line.split()
            if boot == _boot():
                yield int(pid), int(since)


def lives(pid: int) -> bool:
    """Tell whether a process has not ended; its parent may not have asked for its end yet."""
    stat = stat_of(pid)
    return stat is not None and stat.state not in {"Z", "X"}


def _kill(pid: int, since: int) -> None:
    pidfd = os.pidfd_open(pid)
    try:
        if begun(pid) == since:  # the number was not given to another meanwhile
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    finally:
        os.close(pidfd)


def _boot() -> str:
    return _BOOT_ID.read_text(encoding="ascii").strip()
