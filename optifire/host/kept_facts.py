"""What was read of plugin folders, kept from one start to the next until a file changes."""

import os
from contextlib import suppress
from pathlib import Path

import msgspec

import optifire
from optifire.host.plugin_files import Facts, Stamp, facts_of, stamp_of

#: What another version of OptiFIRE found in the same files may be something else.
MADE_BY = optifire.__version__


class _Entry(msgspec.Struct, frozen=True, array_like=True):
    """One folder as it was: the stamp of its files, their hash, what they import."""

    stamp: Stamp
    checksum: str
    modules: tuple[str, ...]


class _File(msgspec.Struct, frozen=True):
    """The cache file."""

    made_by: str
    folders: dict[str, _Entry]


class KeptFacts:
    """The facts of plugin folders by path; parsing a plugin's files costs tens of milliseconds.

    Parameters
    ----------
    file
        Where they are kept; a file that is missing, damaged or of another version is begun anew.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._known: dict[str, _Entry] | None = None
        self._fresh = False

    def of(self, folder: Path) -> Facts:
        """Give the facts of a folder; raises `OSError` when a file of it cannot be read."""
        known = self._load()
        stamp = stamp_of(folder)
        entry = known.get(str(folder))
        if entry is None or entry.stamp != stamp:
            facts = facts_of(folder)
            known[str(folder)] = _Entry(stamp, facts.checksum, facts.modules)
            self._fresh = True
            return facts
        return Facts(entry.checksum, entry.modules)

    def save(self) -> None:
        """Write what is new; a folder that cannot be written only costs time at the next start."""
        if not self._fresh or self._file is None or self._known is None:
            return
        partial = self._file.with_suffix(f".{os.getpid()}")
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            there = {path: entry for path, entry in self._known.items() if os.path.isdir(path)}  # noqa: PTH112
            partial.write_bytes(msgspec.msgpack.encode(_File(MADE_BY, there)))
            partial.replace(self._file)
            self._fresh = False

    def _load(self) -> dict[str, _Entry]:
        if self._known is None:
            self._known = {}
            if self._file is not None:
                with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
                    kept = msgspec.msgpack.decode(self._file.read_bytes(), type=_File)
                    self._known = dict(kept.folders) if kept.made_by == MADE_BY else {}
        return self._known
