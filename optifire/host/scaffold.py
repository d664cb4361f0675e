"""Makes the folder of a new plugin: code that works, its explanation, and tests that pass."""

import re
from collections.abc import Mapping
from pathlib import Path
from string import Template
from types import MappingProxyType

from optifire.core.errors import ConfigError, ConflictError, UsageError
from optifire.core.types import Category
from optifire.host.home import template, write_new

#: What is written into the new folder, and the template of each.
FILES: Mapping[str, str] = {
    "impl.py": "plugin/impl.py.txt",
    "README.md": "plugin/README.md.txt",
    "tests/test_impl.py": "plugin/test_impl.py.txt",
}
_ID = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")


def create_plugin(
    root: Path, plugin_id: str, taken: Mapping[str, Path] = MappingProxyType({})
) -> tuple[Path, ...]:
    """Write a new plugin below a folder of ``plugin_paths`` and give the paths of its files.

    Parameters
    ----------
    taken
        Folders of the plugins that there are, by id.

    Raises
    ------
    UsageError
        The id is not lower case letters, digits and single underscores.
    ConflictError
        A plugin has this id: a second one would keep both from running.
    ConfigError
        There is something of this name already, or the folder cannot be written.
    """
    if not _ID.fullmatch(plugin_id):
        raise UsageError(
            f"{plugin_id!r} cannot be the id of a new plugin",
            where="plugins create",
            remedy="Use lower case letters, digits and single underscores, as in alpha_my_signal",
        )
    if plugin_id in taken:
        raise ConflictError(
            f"there is a plugin with the id {plugin_id!r} already",
            where=str(taken[plugin_id]),
            remedy="Choose another id",
        )
    folder = root / plugin_id
    if folder.exists():
        raise ConfigError(
            "there is something of this name already", where=str(folder), remedy="Choose another id"
        )
    values = {
        "plugin_id": plugin_id,
        "class_name": "".join(part.capitalize() for part in plugin_id.split("_")),
        "category": category_of(plugin_id),
    }
    texts = {
        folder / name: Template(template(source)).substitute(values)
        for name, source in FILES.items()
    }
    return write_new(texts, folder)


def category_of(plugin_id: str) -> str:
    """Give the category that an id begins with, infra where it begins with none."""
    first = plugin_id.partition("_")[0]
    return first if first in set(Category) else Category.INFRA.value
