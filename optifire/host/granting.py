"""What a plugin declares against what the operator grants: what holds is what both say."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from optifire.core.errors import ConfigError
from optifire.core.permissions import Grants, common, parse_grants, within
from optifire.host.discovery import BUILTIN_FOLDER
from optifire.host.findings import Finding, Level

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from optifire.host.features import Entry
    from optifire.host.home import Home

RULE = "permissions"


@dataclass(frozen=True, slots=True)
class Reserved:
    """Folders that are granted to nobody: to read or write, and to write only."""

    closed: tuple[str, ...] = ()
    code: tuple[str, ...] = ()


NOTHING_RESERVED: Final = Reserved()


def reserved(home: Home, plugin_paths: Sequence[str]) -> Reserved:
    """Give what a home keeps to itself: its configuration, data and everybody's code."""
    return Reserved(
        closed=_real([home.configs, home.data]),
        code=_real([BUILTIN_FOLDER.parent, *map(home.resolve, plugin_paths)]),
    )


def _real(folders: Iterable[Path]) -> tuple[str, ...]:
    return tuple(os.path.realpath(folder) for folder in folders)


def declared_grants(metadata: Mapping[str, Any], impl: str) -> Grants:
    """Give what a plugin says that it wants; raises `ConfigError` naming its file."""
    return parse_grants(metadata.get("permissions") or (), where=f"{impl}: describe(): permissions")


def grants_of(
    metadata: Mapping[str, Any], entry: Entry, impl: str, kept: Reserved
) -> tuple[Grants, tuple[Finding, ...]]:
    """Give what holds for a plugin, and what somebody should know about it.

    Raises
    ------
    ConfigError
        A word does not parse, or a path is granted that the service keeps to itself.
    """
    declared = declared_grants(metadata, impl)
    source = entry.source(RULE)
    granted = parse_grants(entry.get(RULE) or (), where=source)
    _refuse_reserved(granted, kept, source)
    notes = [*_undeclared(declared, granted, source), *_ungranted(declared, granted, impl)]
    both = common(declared, granted)
    astray = {path: real for path in (*both.read, *both.write) if (real := _astray(path))}
    notes += [
        Finding(RULE, Level.WARNING, source, f"{path} {why}, so it grants nothing", "Correct it")
        for path, why in sorted(astray.items())
    ]
    held = replace(
        both,
        read=tuple(path for path in both.read if path not in astray),
        write=tuple(path for path in both.write if path not in astray),
    )
    return held, tuple(notes)


def _undeclared(declared: Grants, granted: Grants, source: str) -> Iterator[Finding]:
    for word in granted.words:
        if not common(declared, parse_grants([word], where=source)):
            message = f"{word} is granted, and the plugin does not declare it: it changes nothing"
            yield Finding(RULE, Level.WARNING, source, message, "Remove it")


def _ungranted(declared: Grants, granted: Grants, impl: str) -> Iterator[Finding]:
    for word in declared.words:
        if not common(granted, parse_grants([word], where=impl)):
            message = f"declares {word}, which is not granted: it runs without"
            remedy = "If it may, add it to permissions of its entry in features.yaml"
            yield Finding(RULE, Level.NOTE, impl, message, remedy)


def _refuse_reserved(granted: Grants, kept: Reserved, source: str) -> None:
    """Raise where a grant would open the secrets, the ledger, or code that others run."""
    for path in (*granted.read, *granted.write):
        folders = (*kept.closed, *(kept.code if path in granted.write else ()))
        real = os.path.realpath(path)
        for folder in folders:
            if within(real, folder) or within(folder, real):
                raise ConfigError(
                    f"{path} cannot be granted: the service keeps {folder} to itself",
                    where=source,
                    remedy="Grant a folder apart from it; context.data_dir is the plugin's own",
                )


def _astray(path: str) -> str:
    """Say what keeps a path from being what it says, empty if nothing does."""
    real = os.path.realpath(path)
    if real != path:
        return f"leads to {real} by a link"
    return "" if os.path.lexists(path) else "does not exist"
