"""Puts configuration files back, after keeping those that are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optifire.host.home import SUFFIXES
from optifire.store.syncing import copy_durably, sync_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from optifire.host.home import Home


def configs_of(folder: Path) -> Iterator[Path]:
    """Give the configuration files below a folder, without the hidden ones, by path.

    Other files may be keys and tokens.
    """
    for file in sorted(folder.rglob("*")):
        hidden = any(each.startswith(".") for each in file.relative_to(folder).parts)
        if file.suffix in SUFFIXES and file.is_file() and not hidden:
            yield file


def copy_configs(source: Path, target: Path) -> None:
    """Copy the configuration files of a folder to another one that has none of them."""
    for file in configs_of(source):
        copy = target / file.relative_to(source)
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        copy_durably(file, copy)


def put_configs_back(home: Home, source: Path, stamp: str) -> Path | None:
    """Make the configuration files of a home those of a backup; gives where the old ones are.

    All else in ``configs`` stays as it is, such as ``secrets.env``. None where the backup has no
    configuration.
    """
    if not source.is_dir():
        return None
    before = home.root / f"configs.before-{stamp}"
    before.mkdir(mode=0o700)
    copy_configs(home.configs, before)
    sync_tree(before)
    wanted = {file.relative_to(source) for file in configs_of(source)}
    for inner in sorted(wanted):
        target = home.configs / inner
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        part.unlink(missing_ok=True)
        copy_durably(source / inner, part)
        part.replace(target)
    for file in list(configs_of(home.configs)):
        if file.relative_to(home.configs) not in wanted:
            file.unlink()
    sync_tree(home.configs)
    return before
