"""Waits for changes of configuration and plugin files."""

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Literal

#: What the watch tells: changes as (kind, path), or why there are none.
Told = set[tuple[int, str]] | Literal["signal", "stop", "timeout"]

#: Milliseconds in which changes are gathered before they are told, and how often it is looked:
#: each look wakes a thread, and is most of what the watch uses.
DEBOUNCE_MS = 100
STEP_MS = 100
#: How often (ms) files are compared where the kernel has no watches left to give.
POLL_MS = 300
#: After this long (ms) the watch is known to be on, and what changed before it was is looked for.
ARMED_MS = 500


async def changes(
    roots: Callable[[], Sequence[Path]], *, poll: bool = False
) -> AsyncGenerator[frozenset[Path], None]:
    """Give sets of changed files, for ever.

    The first set, soon after the start or after the folders have changed, is empty: it says that
    from here on no change escapes, so that a look at everything misses nothing.

    Parameters
    ----------
    roots
        Asked again after each set; folders that do not exist are left out.
    poll
        Compare files instead of asking the kernel to tell.
    """
    while True:
        folders = tuple(folder for folder in roots() if folder.is_dir())
        try:
            async with aclosing(_changes_of(folders, poll=poll)) as told:
                async for found in told:
                    yield found
                    if tuple(folder for folder in roots() if folder.is_dir()) != folders:
                        break
        except OSError:
            if poll:
                raise
            poll = True  # the kernel's watches are used up


async def _changes_of(
    folders: Sequence[Path], *, poll: bool
) -> AsyncGenerator[frozenset[Path], None]:
    from watchfiles._rust_notify import RustNotify

    # `watchfiles.awatch` has one timeout for all looks and makes a group of tasks for each.
    timeout = ARMED_MS
    with RustNotify(
        watch_paths=[str(folder) for folder in folders],
        debug=False,
        force_polling=poll,
        poll_delay_ms=POLL_MS,
        recursive=True,
        ignore_permission_denied=False,
    ) as notify:
        while True:
            told = await _looked(partial(notify.watch, DEBOUNCE_MS, STEP_MS, timeout))
            paths = () if isinstance(told, str) else (path for _, path in told)
            found = frozenset(Path(path) for path in paths if is_relevant(path, folders))
            if found or timeout:
                yield found
            timeout = 0  # from now on it waits for as long as it takes


async def _looked(look: Callable[[threading.Event], Told]) -> Told:
    """Give what a thread found; one that is to stop is waited for, as it still uses the watch."""
    stop = threading.Event()
    looking = asyncio.ensure_future(asyncio.to_thread(look, stop))
    try:
        return await asyncio.shield(looking)
    finally:
        stop.set()
        await asyncio.wait({looking})


def is_relevant(path: str, folders: Sequence[Path]) -> bool:
    """Tell whether a file can matter: not hidden, not compiled, not an editor's own."""
    inside = next((Path(path).relative_to(root) for root in folders if _below(path, root)), None)
    parts = inside.parts if inside is not None else (os.path.basename(path),)  # noqa: PTH119
    return not any(
        part.startswith((".", "#")) or part.endswith(("~", ".pyc")) or part == "__pycache__"
        for part in parts
    )


def _below(path: str, root: Path) -> bool:
    return Path(path).is_relative_to(root)
