"""Plugin code from a folder: imported, its class found, every fault named with file and line.

A folder is imported as a package of its own, ``optifire_plugin_<id>``, so ``from .logic import x``
and ``from optifire_plugin_<id>.logic import x`` work, and so does ``from logic import x``: while
code of the plugin runs, files beside ``impl.py`` can be imported by their bare names. Such modules
belong to the plugin; another one's ``logic`` is another module. A folder inside the ``optifire``
package is imported by its own name.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import inspect
import os
import sys
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import optifire
from optifire.core.errors import PluginFault
from optifire.core.types import fold_id
from optifire.sdk.plugin import Plugin
from optifire.workers.guard import GuardedLoader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

PACKAGE_FOLDER: Final = os.path.dirname(os.path.realpath(optifire.__file__))  # noqa: PTH120 - see below
#: The hooks for which a plugin needs a process of its own from start to stop.
HOOKS: Final = ("initialize", "start", "stop", "cleanup", "handle_event")

# Paths are text here, not `pathlib`: in a forked child every object touched is a page copied, and
# this runs in each of them.


class Folder:
    """Finds the modules of one plugin's folder, by bare names too, while the plugin runs.

    ``siblings`` are the modules that were imported by bare names: the plugin's own.
    """

    def __init__(self, path: str, *, replay: bool) -> None:
        self.path = path
        self._replay = replay
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
        if path is not None and not (self._replay and self._holds(path)):
            return None
        spec = self._spec(name, path, target)
        origin = spec.origin if spec is not None else None
        if spec is None or (origin is not None and not origin.startswith(self.path)):
            return None
        if path is None:
            self._seen.add(name.partition(".")[0])
        if self._replay and origin is not None and origin.endswith(".py"):
            spec.loader = GuardedLoader(spec.name, origin)
        return spec

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
        return any(place.startswith(self.path) for place in path)

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


@dataclass(slots=True)
class Loaded:
    """A plugin's class and its folder."""

    folder: str
    cls: type[Plugin]
    files: Folder = field(repr=False)


def load(folder: str, *, replay: bool = False) -> Loaded:
    """Import ``impl.py`` of a folder and find the plugin class in it.

    Parameters
    ----------
    replay
        Refuse clock reads in the plugin's own files.

    Raises
    ------
    PluginFault
        Naming file and line where the code does not import, and what it should hold.
    """
    where = os.path.realpath(folder)
    if not os.path.isfile(f"{where}/impl.py"):  # noqa: PTH113 - see above
        raise PluginFault("there is no impl.py", where=where, remedy="Write one")
    files = Folder(where, replay=replay)
    files.enter()
    try:
        module = _import(where)
    except (Exception, SystemExit) as error:
        raise fault(error, where, "cannot be imported") from error
    finally:
        files.leave()
    return Loaded(where, _plugin_class(module, where), files)


@contextmanager
def running(loaded: Loaded) -> Iterator[None]:
    """Let files beside ``impl.py`` be imported by bare names, for the length of a ``with`` block.

    Modules imported so are kept with the plugin and are nobody else's.
    """
    loaded.files.enter()
    try:
        yield
    finally:
        loaded.files.leave()


def instance(loaded: Loaded) -> Plugin:
    """Make a fresh plugin; raises `PluginFault` naming file and line when it cannot be made."""
    try:
        plugin = loaded.cls()
    except (Exception, SystemExit) as error:
        raise fault(error, loaded.folder, "cannot be made") from error
    if not hasattr(plugin, "metadata"):
        raise PluginFault(
            f"{loaded.cls.__name__}.__init__ does not call super().__init__()",
            where=f"{loaded.folder}/impl.py",
            remedy="Call super().__init__() first",
        )
    return plugin


def overridden_hooks(cls: type[Plugin]) -> tuple[str, ...]:
    """Name the hooks that a plugin defines itself."""
    return tuple(
        name for name in HOOKS if getattr(cls, name, None) is not getattr(Plugin, name, None)
    )


def fault(error: BaseException, folder: str, what: str) -> PluginFault:
    """Give an error met in a plugin's code as a fault that names the line in the plugin's files."""
    file, line = f"{folder}/impl.py", 0
    if isinstance(error, SyntaxError) and error.filename:
        file, line = error.filename, error.lineno or 0
    else:
        for frame in traceback.extract_tb(error.__traceback__):
            if frame.filename.startswith(folder):
                file, line = frame.filename, frame.lineno or 0
    place = f"{file}:{line}" if line else file
    return PluginFault(
        f"the plugin {what}: {type(error).__name__}: {error}",
        where=place,
        remedy="Correct the file; `optifire plugins validate` shows all findings",
    )


def _import(folder: str) -> ModuleType:
    if _is_bundled(folder):
        parts = folder[len(PACKAGE_FOLDER) :].replace("/", ".")
        return importlib.import_module(f"optifire{parts}.impl")
    name = f"optifire_plugin_{fold_id(folder.rpartition('/')[2])}"
    if name in sys.modules:  # an earlier version, in a worker that lives on
        for old in [key for key in sys.modules if key == name or key.startswith(f"{name}.")]:
            del sys.modules[old]
    package = importlib.util.module_from_spec(_package_spec(name, folder))
    sys.modules[name] = package
    loader = package.__spec__.loader if package.__spec__ is not None else None
    if loader is not None:
        loader.exec_module(package)
    return importlib.import_module(f"{name}.impl")


def _package_spec(name: str, folder: str) -> importlib.machinery.ModuleSpec:
    init = f"{folder}/__init__.py"
    if os.path.isfile(init):  # noqa: PTH113 - see above
        found = importlib.util.spec_from_file_location(
            name, init, submodule_search_locations=[folder]
        )
        if found is not None:
            return found
    return _namespace(name, [folder])


def _namespace(name: str, folders: list[str]) -> importlib.machinery.ModuleSpec:
    """Give the spec of a package that is a folder and nothing else."""
    spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = folders
    return spec


def _plugin_class(module: ModuleType, folder: str) -> type[Plugin]:
    found = [
        item
        for item in vars(module).values()
        if isinstance(item, type)
        and issubclass(item, Plugin)
        and item.__module__ == module.__name__
        and not item.__name__.startswith("_")
    ]
    whole = [cls for cls in dict.fromkeys(found) if not inspect.isabstract(cls)]
    where = f"{folder}/impl.py"
    if len(whole) == 1:
        return whole[0]
    if whole:
        names = ", ".join(cls.__name__ for cls in whole)
        raise PluginFault(
            f"there are {len(whole)} plugin classes: {names}",
            where=where,
            remedy="Keep one; let the others begin with an underscore or move them",
        )
    if found:
        missing = ", ".join(sorted(found[0].__abstractmethods__))
        raise PluginFault(
            f"{found[0].__name__} does not define {missing}",
            where=f"{where}:{_line_of(found[0])}",
            remedy="Define describe(), plan() and async run(context)",
        )
    raise PluginFault(
        "no class derives from Plugin",
        where=where,
        remedy="Write `class Name(Plugin):` with describe(), plan() and async run(context)",
    )


def _line_of(cls: type) -> int:
    try:
        return inspect.getsourcelines(cls)[1]
    except (OSError, TypeError):
        return 1


def _is_bundled(folder: str) -> bool:
    return folder.startswith(f"{PACKAGE_FOLDER}/")


def keep_compiled(checksum: str, pycache: str, folder: str) -> None:
    """Have this process keep a plugin's compiled code, by checksum and outside its folder.

    A file that is changed twice within a second is then never mistaken for its older self.
    Without a checksum nothing is kept; the package's own code is where Python puts it.
    """
    keep = bool(checksum) and not _is_bundled(folder)
    sys.dont_write_bytecode = not checksum
    sys.pycache_prefix = f"{pycache}/{checksum[:32]}" if keep else None
