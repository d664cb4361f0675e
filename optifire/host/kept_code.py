"""Copies of the plugin code that was accepted, so that it goes on when a newer one is broken."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from optifire.host.discovery import Candidate
from optifire.host.plugin_files import files_of

#: Folders larger than this many bytes are not copied; their old code cannot go on.
LARGEST_KEPT = 32 * 2**20


class KeptCode:
    """A folder of copies, ``<root>/<checksum>/<folder name>``."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def keep(self, candidate: Candidate) -> None:
        """Copy the folder of an accepted candidate.

        The built-in ones are not copied: their code changes with OptiFIRE itself. What cannot be
        copied (too large, disk full) cannot go on later, and nothing else is lost.
        """
        target = self._target(candidate.checksum, candidate.folder.name)
        if candidate.builtin or target.exists():
            return
        files = list(files_of(candidate.folder))
        partial = target.with_name(f".{target.name}")
        try:
            if sum(file.stat().st_size for file in files) > LARGEST_KEPT:
                return
            shutil.rmtree(partial, ignore_errors=True)
            for file in files:
                copy = partial / file.relative_to(candidate.folder)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)
            partial.rename(target)
        except OSError:
            shutil.rmtree(partial, ignore_errors=True)

    def find(self, checksum: str, name: str) -> Path | None:
        """Give the copy of a folder in one of its states, None if there is none."""
        target = self._target(checksum, name)
        return target if target.is_dir() else None

    def prune(self, checksums: Iterable[str]) -> None:
        """Remove all copies but those of the given states."""
        used = {_short(checksum) for checksum in checksums}
        for folder in self._root.iterdir() if self._root.is_dir() else ():
            if folder.name not in used:
                shutil.rmtree(folder, ignore_errors=True)

    def _target(self, checksum: str, name: str) -> Path:
        return self._root / _short(checksum) / name


def _short(checksum: str) -> str:
    return checksum[:32]
