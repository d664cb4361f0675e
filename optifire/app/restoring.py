"""Takes a backup back: everything is looked over first, and what was there is kept."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from optifire.app.backups import backups_of, kept, names_of
from optifire.app.configs import put_configs_back
from optifire.app.holding import refuse_second
from optifire.core.errors import NotFoundError, StoreError
from optifire.core.types import Environment
from optifire.store.blobs import blobs_of
from optifire.store.copying import check_copy, note_restored
from optifire.store.lock import LedgerLock
from optifire.store.manifest import LEDGER, Manifest, check_files, read_manifest
from optifire.store.migrate import check_version, migrations
from optifire.store.swap import swap_in
from optifire.store.syncing import copy_durably, sync_tree

if TYPE_CHECKING:
    from datetime import datetime

    from optifire.host.home import Home

_STAMP: Final = "%Y%m%dT%H%M%SZ"
#: Bytes that stay free beside what is restored.
_MARGIN: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class Restored:
    """What was taken back, and where that is now which was there before."""

    backup: Path
    manifest: Manifest
    ledger: Path
    aside: tuple[Path, ...]

    def plain(self) -> dict[str, Any]:
        """Give it as JSON can say it."""
        return {
            "ok": True,
            "changed": [str(self.ledger)],
            "kept": [str(each) for each in self.aside],
            "backup": str(self.backup),
            "environment": self.manifest.environment,
            "made_at": self.manifest.made_at,
            "start": self.manifest.start,
            "counts": self.manifest.counts,
        }


def find_backup(home: Home, said: str) -> Path:
    """Give the folder that a person means: a path, or a name in the home's own folder.

    Raises `NotFoundError` offering the latest ones.
    """
    for folder in (Path(said).expanduser(), backups_of(home) / said):
        if folder.is_dir():
            return folder.resolve()
    there = [each for one in Environment for each in kept(backups_of(home), one.value)]
    raise NotFoundError(
        f"there is no backup {said!r}",
        where=str(backups_of(home)),
        remedy=f"There are {names_of(there)}" if there else "`optifire backup` makes one",
    )


def inspect(folder: Path) -> Manifest:
    """Look a backup over from end to end and give its manifest.

    Raises `StoreError` naming what is missing, damaged, changed, or newer than this program.
    """
    manifest = read_manifest(folder)
    where = str(folder)
    if manifest.environment not in {each.value for each in Environment}:
        raise StoreError(
            f"it is of an environment {manifest.environment!r} that there is not", where=where
        )
    check_version(manifest.schema_version, migrations()[-1].version, folder)
    check_files(folder, manifest)
    facts = check_copy(folder / LEDGER)
    values = blobs_of(Path(LEDGER)).as_posix()
    missing = [name for name in facts.blobs if f"{values}/{name}" not in manifest.files]
    said = (manifest.schema_version, manifest.start, manifest.counts)
    if missing or (facts.schema_version, facts.start, facts.counts) != said:
        raise StoreError(
            f"the manifest leaves out {len(missing)} large values of its ledger"
            if missing
            else "the manifest and its ledger do not say the same",
            where=where,
            remedy="Take another backup; nothing was changed",
        )
    return manifest


def restore(home: Home, folder: Path, now: datetime, *, configs: bool) -> Restored:
    """Put the ledger of a backup in the place of the home's, with its large values.

    The old ledger is called ``<environment>.before-<instant>.db`` from then on. With ``configs``
    the configuration files are taken back too.

    Raises
    ------
    LockedError
        A service holds this home.
    StoreError
        The backup is not whole, or there is no space; nothing was changed then.
    """
    manifest = inspect(folder)
    path = home.database(manifest.environment)
    home.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    refuse_second(home, path)
    lock = LedgerLock(path)
    lock.take(now)
    try:
        aside = path.with_name(f"{path.stem}.before-{now.strftime(_STAMP)}.db")
        found = [_swap(path, folder, manifest, aside, now)]
        if configs:
            found.append(put_configs_back(home, folder / "configs", now.strftime(_STAMP)))
    except OSError as error:
        raise StoreError(
            f"the backup could not be taken back ({error.strerror})",
            where=str(error.filename or path),
            remedy="Free some space or make the folder writable, and give the command again",
        ) from error
    finally:
        lock.release()
    return Restored(folder, manifest, path, tuple(each for each in found if each is not None))


def _swap(path: Path, folder: Path, manifest: Manifest, aside: Path, now: datetime) -> Path | None:
    """Copy the backup beside the ledger, and only when all is there swap the two."""
    _check_space(path.parent, manifest)
    ledger = path.with_name(f".{path.name}.part")
    values = blobs_of(path).parent / f".{path.stem}.part"
    _clear(ledger, values)
    try:
        values.mkdir(mode=0o700, parents=True)
        copy_durably(folder / LEDGER, ledger)
        said = f"{folder.name}, as of {manifest.made_at}; before it was {aside.name}"
        note_restored(ledger, now, said)
        within = blobs_of(Path(LEDGER)).as_posix()
        for name in manifest.files:
            if name.startswith(f"{within}/"):
                copy_durably(folder / name, values / Path(name).name)
        sync_tree(values)
        return swap_in(path, ledger, values, aside)
    finally:
        _clear(ledger, values)


def _clear(ledger: Path, values: Path) -> None:
    ledger.unlink(missing_ok=True)
    if values.exists():
        shutil.rmtree(values)


def _check_space(data: Path, manifest: Manifest) -> None:
    needed = sum(entry.size for entry in manifest.files.values())
    free = shutil.disk_usage(data).free
    if free < needed + _MARGIN:
        raise StoreError(
            f"the backup takes {needed >> 20} MB and {free >> 20} MB are free",
            where=str(data),
            remedy="Free some space; what is there now is kept beside it",
        )
