"""Strikes at chosen stages of chosen runs: from the service, or from within a run.

A folder holds ``fates.json`` (run -> stage and whom to kill there) and what has happened so far:
``struck.txt`` (a run is struck once) and ``effects.txt`` (what a run did outside of the record).
Standard library only, as it is read by the processes that are killed.
"""

import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path

#: Where a run is: found, written down, at work, with its effect made, answered, and recorded.
STAGES = ("due", "intended", "begun", "done", "answered", "recorded")
WHOM = ("service", "zygote", "child")


def strike(folder: Path, run_id: str, stage: str) -> None:
    """Kill whom this run's fate names, when it is at the stage that it names."""
    fate: dict[str, str] | None = json.loads((folder / "fates.json").read_text()).get(run_id)
    if fate is None or fate["stage"] != stage or run_id in noted(folder / "struck.txt"):
        return
    note(folder / "struck.txt", run_id)
    in_run = stage in ("begun", "done")
    for pid in _family(in_run=in_run)[fate["whom"]]:
        os.kill(pid, signal.SIGKILL)
    while in_run:  # who dies with the one that was killed does nothing more until then
        signal.pause()


def note(file: Path, line: str) -> None:
    """Add a line, which is there whatever happens to this process next."""
    with file.open("a", encoding="utf-8") as out:
        out.write(f"{line}\n")


def noted(file: Path) -> list[str]:
    """Give the lines of a file, none if there is none."""
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def _family(*, in_run: bool) -> dict[str, Sequence[int]]:
    """Give who is who: seen from a run, its own; from the service, all, spares among them."""
    if in_run:
        zygote = os.getppid()
        return {"service": [_parent(zygote)], "zygote": [zygote], "child": [os.getpid()]}
    zygotes = _children(os.getpid())
    children = [child for zygote in zygotes for child in _children(zygote)]
    return {"service": [os.getpid()], "zygote": zygotes, "child": children}


def _parent(pid: int) -> int:
    said = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    return int(said.rpartition(")")[2].split()[1])


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]
