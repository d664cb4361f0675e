"""Finds plugin folders without importing any of them: the built-in ones, then ``plugin_paths``."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import optifire
from optifire.core.errors import ConfigError, ConflictError, ManifestError, OptifireError
from optifire.core.sandboxing import Origin
from optifire.core.types import fold_id
from optifire.host.documents import read_document
from optifire.host.findings import Finding, Level, error_of
from optifire.host.home import Home
from optifire.host.kept_facts import KeptFacts

BUILTIN = "builtin"
BUILTIN_FOLDER = Path(optifire.__file__).resolve().parent / "plugins"
MANIFESTS = ("plugin.yaml", "plugin.json")
#: What a plugin's own default file is called; it has the shape of an entry of features.yaml.
DEFAULT_FILE = "defaults.yaml"
_ID = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One plugin folder that was found; nothing of it has been imported.

    ``origin`` is ``builtin`` or the folder of ``plugin_paths`` that it was found in. ``fault`` is
    what is wrong with the folder itself.
    """

    plugin_id: str
    folder: Path
    origin: str
    checksum: str = ""
    modules: tuple[str, ...] = ()
    manifest: Mapping[str, Any] = field(default_factory=dict)
    fault: OptifireError | None = None

    @property
    def builtin(self) -> bool:
        """Whether it came with OptiFIRE."""
        return self.origin == BUILTIN

    @property
    def whose(self) -> Origin:
        """Whose code it is; what is neither bundled nor in a folder is an installed package."""
        if self.builtin:
            return Origin.BUNDLED
        return Origin.FOLDER if Path(self.origin).is_absolute() else Origin.PACKAGE


@dataclass(frozen=True, slots=True)
class Discovery:
    """What was found: one candidate for each folded id, and what is wrong with the search."""

    candidates: Mapping[str, Candidate] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    #: Folders in which plugins are looked for, in order.
    roots: tuple[Path, ...] = ()


class Scanner:
    """Looks for plugins; what it read of a folder is kept until a file of the folder changes.

    Parameters
    ----------
    builtin
        The folder of the bundled plugins.
    file
        Where what was read is kept from one start to the next; None keeps nothing.
    """

    def __init__(self, builtin: Path = BUILTIN_FOLDER, file: Path | None = None) -> None:
        self._builtin = builtin
        self._facts = KeptFacts(file)

    def scan(
        self, home: Home, plugin_paths: Sequence[str], sources: Mapping[str, str] | None = None
    ) -> Discovery:
        """Look through all folders.

        Parameters
        ----------
        sources
            For a folded id, which origin to take it from when several have it.
        """
        findings: list[Finding] = []
        roots = [(BUILTIN, self._builtin)]
        for text in plugin_paths:
            folder = home.resolve(text)
            problem = _problem_of(folder)
            if problem:
                remedy = "Correct plugin_paths, or make the folder"
                findings.append(Finding("plugin_paths", Level.ERROR, text, problem, remedy))
            elif folder not in [root for _, root in roots]:
                roots.append((str(folder), folder))
        found: dict[str, list[Candidate]] = {}
        closed: list[Path] = []
        for origin, root in roots:
            for folder in plugin_folders(root, closed):
                candidate = self._candidate(folder, origin)
                found.setdefault(fold_id(candidate.plugin_id), []).append(candidate)
        chosen = {
            folded: _choose(several, (sources or {}).get(folded), home)
            for folded, several in sorted(found.items())
        }
        findings.extend(_cannot_be_entered(folder) for folder in closed)
        self._facts.save()
        return Discovery(chosen, tuple(findings), tuple(root for _, root in roots))

    def _candidate(self, folder: Path, origin: str) -> Candidate:
        try:
            facts = self._facts.of(folder)
            manifest = read_manifest(folder)
            plugin_id = str(manifest.get("id") or manifest.get("plugin_id") or folder.name)
            if not _ID.fullmatch(plugin_id):
                raise ManifestError(
                    f"{plugin_id!r} cannot be an id",
                    where=str(folder),
                    remedy="Begin with a letter; use letters, digits, `_`, `-` and `.` only",
                )
        except OSError as error:
            cannot = ConfigError(f"cannot be read: {error.strerror}", where=str(error.filename))
            return Candidate(folder.name, folder, origin, fault=cannot)
        except OptifireError as error:
            return Candidate(folder.name, folder, origin, fault=error)
        return Candidate(plugin_id, folder, origin, facts.checksum, facts.modules, manifest)


def _problem_of(folder: Path) -> str:
    if not folder.is_dir():
        return f"there is no folder {folder}"
    if not os.access(folder, os.R_OK | os.X_OK):
        return f"{folder} may not be read"
    if (folder / "impl.py").exists():
        return f"{folder} is a plugin itself; name the folder that it lies in"
    return ""


def plugin_folders(root: Path, closed: list[Path] | None = None) -> Iterator[Path]:
    """Give the folders with an ``impl.py`` below a root, sorted; one grouping level is allowed.

    Folders that cannot be looked into are left out, and added to ``closed``.
    """
    for folder in _subfolders(root, closed):
        if _has_code(folder):
            yield folder
        else:
            yield from (each for each in _subfolders(folder, closed) if _has_code(each))


def _subfolders(folder: Path, closed: list[Path] | None) -> list[Path]:
    try:
        return sorted(
            each
            for each in folder.iterdir()
            if not each.name.startswith((".", "__")) and each.is_dir()
        )
    except FileNotFoundError:
        return []  # it has just been removed
    except OSError:
        if closed is not None:
            closed.append(folder)
        return []


def _has_code(folder: Path) -> bool:
    try:
        return (folder / "impl.py").exists()
    except OSError:
        return False  # and what is in it cannot be listed either, which is told


def _cannot_be_entered(folder: Path) -> Finding:
    return Finding(
        "plugin_paths",
        Level.WARNING,
        str(folder),
        "cannot be looked into, so no plugin is found there",
        "Let this user read it, or leave it out of plugin_paths",
    )


def read_manifest(folder: Path) -> Mapping[str, Any]:
    """Give the optional static copy of the metadata; empty when there is none."""
    there = [folder / name for name in MANIFESTS if (folder / name).exists()]
    if len(there) > 1:
        raise ManifestError(
            "there are plugin.yaml and plugin.json", where=str(folder), remedy="Keep one of them"
        )
    return read_document(there[0]).data if there else {}


def _choose(several: Sequence[Candidate], source: str | None, home: Home) -> Candidate:
    """Give the one candidate that is meant; a fault stands in where nobody can say which."""
    meant = several
    if source is not None:
        meant = [each for each in several if _is_from(each, source, home)]
    if len(meant) == 1:
        return meant[0]
    origins = " and ".join(str(each.folder) for each in several)
    if not meant:
        fault = ConflictError(
            f"source {source!r} has no such plugin",
            where=f"plugins.{several[0].plugin_id}.source",
            remedy=f"It is in {origins}",
        )
    else:
        fault = ConflictError(
            f"two sources have this id: {origins}",
            where=several[0].plugin_id,
            remedy=f"Set plugins.{several[0].plugin_id}.source to builtin or to one of the folders",
        )
    return replace(several[0], fault=fault)


def _is_from(candidate: Candidate, source: str, home: Home) -> bool:
    if source == BUILTIN:
        return candidate.builtin
    folder = home.resolve(source)
    return not candidate.builtin and folder in {candidate.folder, Path(candidate.origin)}


def findings_of(discovery: Discovery) -> Iterator[Finding]:
    """Give everything that is wrong with what was found, faults of single folders included."""
    yield from discovery.findings
    for candidate in discovery.candidates.values():
        if candidate.fault is not None:
            yield error_of("discovery", candidate.fault, str(candidate.folder))
