"""Plugin code from a folder: imported, its class found, every fault named with file and line.

A folder is imported as a package of its own, ``optifire_plugin_<id>``, so ``from .logic import x``
and ``from optifire_plugin_<id>.logic import x`` work, and so does ``from logic import x``: while
code of the plugin runs, files beside ``impl.py`` can be imported by their bare names. Such modules
belong to the plugin; another one's ``logic`` is another module. A folder inside the ``optifire``
package is imported by its own name.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import optifire
from optifire.core.errors import PluginFault
from optifire.core.types import fold_id
from optifire.sdk.plugin import Plugin
from optifire.workers.guard import guarded_imports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

PACKAGE_FOLDER = Path(optifire.__file__).resolve().parent
#: The hooks for which a plugin needs a process of its own from start to stop.
HOOKS = ("initialize", "start", "stop", "cleanup", "handle_event")


@dataclass(slots=True)
class Loaded:
    """A plugin's class, and the modules that were imported by bare names from its folder."""

    folder: Path
    cls: type[Plugin]
    replay: bool = False
    siblings: dict[str, ModuleType] = field(default_factory=dict)


def load(folder: str, *, replay: bool = False, checksum: str = "", pycache: str = "") -> Loaded:
    """Import ``impl.py`` of a folder and find the plugin class in it.

    Parameters
    ----------
    replay
        Refuse clock reads in the plugin's own files.
    checksum, pycache
        Under which name and where compiled code is kept; without both none is written.

    Raises
    ------
    PluginFault
        Naming file and line where the code does not import, and what it should hold.
    """
    where = Path(folder).resolve()
    if not (where / "impl.py").is_file():
        raise PluginFault("there is no impl.py", where=str(where), remedy="Write one")
    loaded = Loaded(where, Plugin, replay)
    bundled = where.is_relative_to(PACKAGE_FOLDER)
    _keep_compiled("" if bundled else checksum, pycache)
    with running(loaded):
        try:
            module = _import(where, bundled=bundled)
        except (Exception, SystemExit) as error:
            raise fault(error, where, "cannot be imported") from error
        loaded.cls = _plugin_class(module, where)
    return loaded


@contextmanager
def running(loaded: Loaded) -> Iterator[None]:
    """Let files beside ``impl.py`` be imported by bare names, for the length of a ``with`` block.

    Modules imported so are kept with the plugin and are nobody else's.
    """
    entry = str(loaded.folder)
    covered = {name: sys.modules[name] for name in loaded.siblings if name in sys.modules}
    sys.modules.update(loaded.siblings)
    before = set(sys.modules)
    sys.path.insert(0, entry)
    try:
        with guarded_imports(loaded.folder, active=loaded.replay):
            yield
    finally:
        if entry in sys.path:
            sys.path.remove(entry)
        fresh = (set(sys.modules) - before) | loaded.siblings.keys()
        for name in fresh:
            module = sys.modules.get(name)
            if module is not None and _is_sibling(module, name, loaded.folder):
                loaded.siblings[name] = sys.modules.pop(name)
        sys.modules.update(covered)


def instance(loaded: Loaded) -> Plugin:
    """Make a fresh plugin; raises `PluginFault` naming file and line when it cannot be made."""
    try:
        plugin = loaded.cls()
    except (Exception, SystemExit) as error:
        raise fault(error, loaded.folder, "cannot be made") from error
    if not hasattr(plugin, "metadata"):
        raise PluginFault(
            f"{loaded.cls.__name__}.__init__ does not call super().__init__()",
            where=str(loaded.folder / "impl.py"),
            remedy="Call super().__init__() first",
        )
    return plugin


def overridden_hooks(cls: type[Plugin]) -> tuple[str, ...]:
    """Name the hooks that a plugin defines itself."""
    return tuple(
        name for name in HOOKS if getattr(cls, name, None) is not getattr(Plugin, name, None)
    )


def fault(error: BaseException, folder: Path, what: str) -> PluginFault:
    """Give an error met in a plugin's code as a fault that names the line in the plugin's files."""
    file, line = str(folder / "impl.py"), 0
    if isinstance(error, SyntaxError) and error.filename:
        file, line = error.filename, error.lineno or 0
    else:
        for frame in traceback.extract_tb(error.__traceback__):
            if frame.filename.startswith(str(folder)):
                file, line = frame.filename, frame.lineno or 0
    place = f"{file}:{line}" if line else file
    return PluginFault(
        f"the plugin {what}: {type(error).__name__}: {error}",
        where=place,
        remedy="Correct the file; `optifire plugins validate` shows all findings",
    )


def _import(folder: Path, *, bundled: bool) -> ModuleType:
    if bundled:
        parts = folder.relative_to(PACKAGE_FOLDER).parts
        return importlib.import_module(".".join(("optifire", *parts, "impl")))
    name = f"optifire_plugin_{fold_id(folder.name)}"
    for old in [key for key in sys.modules if key == name or key.startswith(f"{name}.")]:
        del sys.modules[old]
    package = importlib.util.module_from_spec(_package_spec(name, folder))
    sys.modules[name] = package
    loader = package.__spec__.loader if package.__spec__ is not None else None
    if loader is not None:
        loader.exec_module(package)
    return importlib.import_module(f"{name}.impl")


def _package_spec(name: str, folder: Path) -> importlib.machinery.ModuleSpec:
    init = folder / "__init__.py"
    if init.is_file():
        found = importlib.util.spec_from_file_location(
            name, init, submodule_search_locations=[str(folder)]
        )
        if found is not None:
            return found
    spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    return spec


def _plugin_class(module: ModuleType, folder: Path) -> type[Plugin]:
    found = [
        item
        for item in vars(module).values()
        if isinstance(item, type)
        and issubclass(item, Plugin)
        and item.__module__ == module.__name__
        and not item.__name__.startswith("_")
    ]
    whole = [cls for cls in dict.fromkeys(found) if not inspect.isabstract(cls)]
    where = str(folder / "impl.py")
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


def _is_sibling(module: ModuleType, name: str, folder: Path) -> bool:
    """Tell whether a module came by a bare name from the plugin's folder."""
    if name.startswith(("optifire.", "optifire_plugin_")):
        return False
    file = getattr(module, "__file__", None)
    paths = [file] if file else list(getattr(module, "__path__", ()))
    return any(Path(path).is_relative_to(folder) for path in paths)


def _keep_compiled(checksum: str, pycache: str) -> None:
    """Keep compiled code by checksum: a file changed within one second is never mistaken."""
    keep = bool(checksum and pycache)
    sys.dont_write_bytecode = not keep
    sys.pycache_prefix = str(Path(pycache) / checksum[:32]) if keep else None
