"""Waits for changes of configuration and plugin files."""

import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path

#: Milliseconds in which changes are gathered before they are told, and how often it is looked.
DEBOUNCE_MS = 100
STEP_MS = 50
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
    from watchfiles import awatch

    armed = False
    watch = awatch(
        *folders,
        watch_filter=lambda _, path: is_relevant(path, folders),
        debounce=DEBOUNCE_MS,
        step=STEP_MS,
        rust_timeout=ARMED_MS,
        yield_on_timeout=True,
        force_polling=poll,
        poll_delay_ms=POLL_MS,
        recursive=True,
    )
    async with aclosing(watch):
        async for found in watch:
            if found or not armed:
                yield frozenset(Path(path) for _, path in found)
            armed = True


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
