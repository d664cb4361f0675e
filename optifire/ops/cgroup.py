"""The memory limit that a control group puts on a process (cgroup v2).

Source: the kernel's Documentation/admin-guide/cgroup-v2.rst, sections "Memory Interface Files"
and "Organizing Processes and Threads".
"""

from dataclasses import dataclass
from pathlib import Path

#: Where systemd and container runtimes mount the unified hierarchy.
MOUNT = Path("/sys/fs/cgroup")
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class GroupMemory:
    """The tightest memory limit above a process: bytes allowed, and bytes that count against it.

    ``used`` leaves out inactive file pages: the kernel drops these before it kills anything.
    """

    group: str
    limit: int
    used: int


def group_of(pid: int, proc: Path = PROC) -> str | None:
    """Give the v2 control group of a process as ``/a/b``; None where there is no v2 hierarchy."""
    try:
        lines = (proc / str(pid) / "cgroup").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    return next((line[3:] for line in lines if line.startswith("0::")), None)


def group_memory(pid: int, *, mount: Path = MOUNT, proc: Path = PROC) -> GroupMemory | None:
    """Give the limit with the least room left on the way from a process's group to the root.

    None where no group on that way has a limit, which includes machines without cgroup v2.
    """
    group = group_of(pid, proc)
    if group is None:
        return None
    folder = mount / group.strip("/")
    places = [place for place in (folder, *folder.parents) if place.is_relative_to(mount)]
    limits = [_limit_of(place, mount) for place in places]
    found = [memory for memory in limits if memory is not None]
    return min(found, key=lambda memory: memory.limit - memory.used, default=None)


def _limit_of(place: Path, mount: Path) -> GroupMemory | None:
    """Read one group; None when it says ``max`` or has no memory controller."""
    try:
        limit = (place / "memory.max").read_text(encoding="utf-8").strip()
        if limit == "max":
            return None
        current = int((place / "memory.current").read_text(encoding="utf-8"))
        stat = dict(
            line.split() for line in (place / "memory.stat").read_text("utf-8").splitlines()
        )
    except FileNotFoundError:
        return None
    inactive = int(stat["inactive_file"])
    name = "/" + str(place.relative_to(mount)).strip(".")
    return GroupMemory(name, int(limit), max(0, current - inactive))
