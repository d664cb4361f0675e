"""Finds the modules of one plugin's folder: its package, its files, and these by bare names.

A folder is a package of its own, ``optifire_plugin_<id>``; one inside the ``optifire`` package has
its own name there.
"""

from __future__ import annotations

import importlib.machinery
import os
import sys
from typing import TYPE_CHECKING

from optifire.core.types import fold_id
from optifire.workers.compiled import PACKAGE_FOLDER, KeptFolder, PluginLoader
from optifire.workers.guard import GuardedLoader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

# Paths are text here, not `pathlib`: see `loading`.


class Folder:
    """Finds the modules of one plugin's folder, by bare names too, while the plugin runs.

    ``siblings`` are the modules that were imported by bare names: the plugin's own.
    """

    def __init__(self, path: str, *, replay: bool, kept: KeptFolder | None = None) -> None:
        self.path = path
        self.package = _package_of(path)
        self._replay = replay
        self._kept = kept
        self._finder: importlib.machinery.FileFinder | None = None
        self.siblings: dict[str, ModuleType] = {}
        self._seen: set[str] = set()

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """Give the spec of a module of the folder, None for all others."""
        if name == self.package:
            return self._package_spec()
        if path is not None and not self._holds(path):
            return None
        spec = self._known(name, path) or self._found(name, path, target)
        if spec is not None and path is None:
            self._seen.add(name.partition(".")[0])
        return spec

    def _package_spec(self) -> importlib.machinery.ModuleSpec:
        init = f"{self.path}/__init__.py"
        if (self._kept is not None and init in self._kept.files) or os.path.isfile(init):  # noqa: PTH113 - as said
            return self._spec_of(self.package, init, [self.path])
        return _namespace(self.package, [self.path])

    def _known(
        self, name: str, path: Sequence[str] | None
    ) -> importlib.machinery.ModuleSpec | None:
        """Give the spec of a file whose code is kept: no folder is read for it."""
        if self._kept is None:
            return None
        places = [self.path] if path is None else list(path)
        file = f"{places[0]}/{name.rpartition('.')[2]}.py"
        if len(places) > 1 or file not in self._kept.files:
            return None
        return self._spec_of(name, file)

    def _found(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> importlib.machinery.ModuleSpec | None:
        """Give the spec of what Python finds in the folder."""
        spec = self._spec(name, path, target)
        origin = spec.origin if spec is not None else None
        if spec is None or (origin is not None and not self._holds([origin])):
            return None
        if origin is not None and origin.endswith(".py"):
            spec.loader = self._loader(spec.name, origin)
        return spec

    def _spec_of(
        self, name: str, file: str, places: list[str] | None = None
    ) -> importlib.machinery.ModuleSpec:
        """Give the spec of one file; ``places`` makes it a package."""
        loader = self._loader(name, file)
        spec = importlib.machinery.ModuleSpec(
            name, loader, origin=file, is_package=places is not None
        )
        spec.has_location = True
        spec.submodule_search_locations = places
        return spec

    def _loader(self, name: str, file: str) -> PluginLoader:
        return (GuardedLoader if self._replay else PluginLoader)(name, file, self._kept)

    def _spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> importlib.machinery.ModuleSpec | None:
        if path is not None:
            return importlib.machinery.PathFinder.find_spec(name, path, target)
        if self._finder is None:
            self._finder = _file_finder(self.path)
        spec = self._finder.find_spec(name, target)
        if spec is None or spec.loader is not None:
            return spec
        # A folder without __init__.py is a package only where nothing else has its name.
        if importlib.machinery.PathFinder.find_spec(name) is not None:
            return None
        return _namespace(name, list(spec.submodule_search_locations or ()))

    def _holds(self, path: Sequence[str]) -> bool:
        return any(place == self.path or place.startswith(f"{self.path}/") for place in path)

    def enter(self) -> None:
        """Begin to find; the plugin's own modules stand under their bare names."""
        sys.modules.update(self.siblings)
        sys.meta_path.insert(0, self)

    def leave(self) -> None:
        """Stop finding, and take the plugin's own modules out of everybody's sight."""
        sys.meta_path.remove(self)
        for name in [name for name in self._names() if name in sys.modules]:
            self.siblings[name] = sys.modules.pop(name)

    def _names(self) -> list[str]:
        if not self._seen:
            return []
        return [name for name in sys.modules if name.partition(".")[0] in self._seen]


def _file_finder(path: str) -> importlib.machinery.FileFinder:
    machinery = importlib.machinery
    return machinery.FileFinder(
        path,
        (machinery.ExtensionFileLoader, machinery.EXTENSION_SUFFIXES),
        (machinery.SourceFileLoader, machinery.SOURCE_SUFFIXES),
    )


def _package_of(folder: str) -> str:
    """Give the name under which a folder is imported."""
    if folder.startswith(f"{PACKAGE_FOLDER}/"):
        return f"optifire{folder[len(PACKAGE_FOLDER) :].replace('/', '.')}"
    return f"optifire_plugin_{fold_id(folder.rpartition('/')[2])}"


def _namespace(name: str, folders: list[str]) -> importlib.machinery.ModuleSpec:
    """Give the spec of a package that is a folder and nothing else."""
    spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = folders
    return spec
