"""Plugins' files, read and compiled once in a zygote; its children inherit the code and run it.

Nothing is executed here: a zygote stays free of plugins' objects. A child takes code from here
only while the file is as it was when it was compiled, else it compiles the file itself.
"""

from __future__ import annotations

import gc
import importlib.machinery
import os
import warnings
from dataclasses import dataclass, field
from types import CodeType
from typing import TYPE_CHECKING, Any, Final

import optifire

if TYPE_CHECKING:
    from collections.abc import Iterator

# Paths are text here, not `pathlib`: see `loading`.
PACKAGE_FOLDER: Final = os.path.dirname(os.path.realpath(optifire.__file__))  # noqa: PTH120 - as said
#: Folders whose code is kept at most; beyond that the one learned first is dropped.
MOST_FOLDERS: Final = 1000
#: Bytes of source compiled for one plugin at most: a zygote that compiles forks nobody meanwhile.
MOST_SOURCE: Final = 512 << 10
_OTHER_SUFFIXES: Final = tuple(importlib.machinery.EXTENSION_SUFFIXES)

#: What tells one state of a file from another: inode, size and time of change in nanoseconds.
Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class KeptFolder:
    """The compiled files of one plugin in one of its states.

    ``real`` is the folder without symbolic links, ``files`` the code by path.
    """

    checksum: str
    real: str
    files: dict[str, tuple[Stamp, CodeType]] = field(default_factory=dict)

    def code(self, path: str) -> CodeType | None:
        """Give the code of a file that is still as it was, else None."""
        known = self.files.get(path)
        if known is None:
            return None
        try:
            return known[1] if _stamp(os.stat(path)) == known[0] else None  # noqa: PTH116 - as said
        except OSError:
            return None


class CompiledFiles:
    """The code that a zygote keeps for its children, by folder and checksum."""

    def __init__(self) -> None:
        self._folders: dict[str, KeptFolder] = {}

    def learn(self, folder: str, checksum: str) -> None:
        """Read and compile the files of a folder, unless that is done for this checksum.

        A file that does not compile, or with a warning, is left to the child, whose run says so.
        """
        known = self._folders.pop(folder, None)
        if known is None or known.checksum != checksum:
            known = KeptFolder(checksum, os.path.realpath(folder))
            _compile_into(known)
            gc.freeze()  # as all else in a zygote: no collection in a child walks over it
        self._folders[folder] = known
        if len(self._folders) > MOST_FOLDERS:
            del self._folders[next(iter(self._folders))]

    def find(self, folder: str, checksum: str) -> KeptFolder | None:
        """Give what is kept of a folder in the state of that checksum; None without one."""
        known = self._folders.get(folder)
        return known if known is not None and checksum and known.checksum == checksum else None


#: What this process keeps.
kept_files: Final = CompiledFiles()


class PluginLoader(importlib.machinery.SourceFileLoader):
    """Runs a plugin's file from kept code, or compiles it; it writes nothing beside the file."""

    def __init__(self, fullname: str, path: str, kept: KeptFolder | None) -> None:
        super().__init__(fullname, path)
        self._kept = kept

    def get_code(self, fullname: str) -> CodeType | None:
        """Give the code of the file."""
        code = self._kept.code(self.path) if self._kept is not None else None
        if code is not None:
            return code
        if self.path.startswith(f"{PACKAGE_FOLDER}/"):
            return super().get_code(fullname)  # Python's own cache: the package does not change
        made: CodeType = self.source_to_code(self.get_data(self.path), self.path)
        return made


def _compile_into(kept: KeptFolder) -> None:
    """Compile what can be imported from a folder; nothing when it is too much."""
    left = MOST_SOURCE
    for path in _sources(kept.real):
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - as said
                status = os.fstat(file.fileno())
                left -= status.st_size
                if left < 0:
                    return
                code = _compiled(file.read(), path)
        except OSError:
            continue
        if code is not None:
            kept.files[path] = (_stamp(status), code)


def _compiled(source: bytes, path: str) -> Any:  # noqa: ANN401 - as compile()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return compile(source, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError, Warning):
        return None


def _sources(folder: str) -> Iterator[str]:
    """Give the files below a folder that a plain import finds under their names, no tests."""
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name.isidentifier() and name != "tests"]
        # A package or an extension module of the same name goes before a file.
        taken = {*folders, *(f.partition(".")[0] for f in files if f.endswith(_OTHER_SUFFIXES))}
        for name in files:
            stem, _, suffix = name.partition(".")
            if suffix == "py" and stem not in taken:
                yield f"{place}/{name}"


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_ino, status.st_size, status.st_mtime_ns
