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

from optifire.core.errors import PluginFault
from optifire.sdk.plugin import Plugin
from optifire.workers.compiled import PACKAGE_FOLDER, kept_files
from optifire.workers.folder import Folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

__all__ = [
    "HOOKS", "PACKAGE_FOLDER", "Folder", "Loaded", "fault", "instance", "load",
    "overridden_hooks", "running",
]  # fmt: skip

#: The hooks for which a plugin needs a process of its own from start to stop.
HOOKS: Final = ("initialize", "start", "stop", "cleanup", "handle_event")

# Paths are text here, not `pathlib`: in a forked child every object touched is a page copied, and
# this runs in each of them.


@dataclass(slots=True)
class Loaded:
    """A plugin's class and its folder."""

    folder: str
    cls: type[Plugin]
    files: Folder = field(repr=False)


def load(folder: str, *, replay: bool = False, checksum: str = "") -> Loaded:
    """Import ``impl.py`` of a folder and find the plugin class in it.

    Parameters
    ----------
    replay
        Refuse clock reads in the plugin's own files.
    checksum
        Of the folder's state; code that this process keeps for it is used.

    Raises
    ------
    PluginFault
        Naming file and line where the code does not import, and what it should hold.
    """
    kept = kept_files.find(folder, checksum)
    where = kept.real if kept is not None else os.path.realpath(folder)
    if not os.path.isfile(f"{where}/impl.py"):  # noqa: PTH113 - see above
        raise PluginFault("there is no impl.py", where=where, remedy="Write one")
    files = Folder(where, replay=replay, kept=kept)
    files.enter()
    try:
        module = _import(files)
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


def _import(files: Folder) -> ModuleType:
    """Import package and ``impl.py`` of a folder by hand: a forked child is quicker so.

    What else the plugin imports goes the ordinary way.
    """
    package = files.package
    parent = package.rpartition(".")[0]
    if parent and parent not in sys.modules:
        importlib.import_module(parent)
    if not parent and package in sys.modules:  # an earlier version, in a worker that lives on
        for old in [key for key in sys.modules if key == package or key.startswith(f"{package}.")]:
            del sys.modules[old]
    if package not in sys.modules:
        _execute(files.find_spec(package))
    name = f"{package}.impl"
    return (
        sys.modules[name] if name in sys.modules else _execute(files.find_spec(name, [files.path]))
    )


def _execute(spec: importlib.machinery.ModuleSpec | None) -> ModuleType:
    """Make the module of a spec, known under its name while and after its code runs."""
    if spec is None:
        raise ImportError("there is no impl.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        if spec.loader is not None:
            spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(spec.name, None)
        raise
    parent, _, last = spec.name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], last, module)
    return module


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
