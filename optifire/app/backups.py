"""Backups of a home: folders with ledger, large values and configuration, and which stay."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from optifire import __version__
from optifire.app.configs import copy_configs
from optifire.core.errors import DamagedError, LockedError, StoreError
from optifire.host.home import Home
from optifire.store.blobs import blobs_of
from optifire.store.codec import iso
from optifire.store.copying import Facts, check_copy, copy_ledger
from optifire.store.manifest import FORMAT, LEDGER, NAME, Entry, Manifest, entry_of, write_manifest
from optifire.store.syncing import copy_durably, sync, sync_tree

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence

#: Bytes that stay free beside a backup: the ledger must go on being written.
_MARGIN: Final = 16 << 20
_STAMP: Final = "%Y%m%dT%H%M%SZ"
#: The name of a backup: environment, instant, and a number from the second one in that second on.
_NAME: Final = re.compile(r"(?P<of>\w+)-(?P<at>\d{8}T\d{6}Z)(?:-(?P<number>\d+))?")


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was made, and the names of those that gave way to it."""

    folder: Path
    manifest: Manifest
    removed: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """Give it as JSON can say it."""
        return {
            "ok": True,
            "changed": [str(self.folder)],
            "removed": list(self.removed),
            "environment": self.manifest.environment,
            "made_at": self.manifest.made_at,
            "start": self.manifest.start,
            "schema_version": self.manifest.schema_version,
            "counts": self.manifest.counts,
            "files": len(self.manifest.files),
            "bytes": sum(entry.size for entry in self.manifest.files.values()),
        }


def backups_of(home: Home) -> Path:
    """Give the folder where a home keeps its backups."""
    return home.data / "backups"


def kept(folder: Path, environment: str) -> list[Path]:
    """List the finished backups of one environment in a folder, the oldest first."""
    if not folder.is_dir():
        return []
    named = {each: _NAME.fullmatch(each.name) for each in folder.iterdir()}
    places = {
        each: (match["at"], int(match["number"] or 1))
        for each, match in named.items()
        if match is not None and match["of"] == environment and (each / NAME).is_file()
    }
    return sorted(places, key=places.__getitem__)


def made_at(folder: Path) -> datetime:
    """Give the instant in the name of a backup."""
    match = _NAME.fullmatch(folder.name)
    if match is None:
        raise ValueError(folder.name)
    return datetime.strptime(match["at"], _STAMP).replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class BackupMaker:
    """Makes backups of one environment of a home.

    Parameters
    ----------
    home, environment
        Whose ledger.
    keep
        How many stay in the home's own folder; elsewhere all do.
    """

    home: Home
    environment: str
    keep: int

    def make(self, now: datetime, stop: threading.Event, *, into: Path | None = None) -> Made:
        """Make one, in ``into`` or in the home's own folder; blocks, so call it on a thread.

        It is written under a hidden name, checked from end to end and then renamed: what has a
        name without a dot is whole.

        Raises
        ------
        LockedError
            Another one is being made there.
        StoreError
            There is no ledger, it is damaged, or there is no space or no folder for the copy.
        TransientError
            ``stop`` was set.
        """
        root = backups_of(self.home) if into is None else into
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _alone(root):
                self._clear(root)
                made = self._make(root, now, stop)
                removed = self._rotate(root) if into is None else ()
        except OSError as error:
            raise _unwritable(root, error) from error
        return Made(made.folder, made.manifest, removed)

    def _make(self, root: Path, now: datetime, stop: threading.Event) -> Made:
        ledger = self.home.database(self.environment)
        if not ledger.exists():
            raise StoreError(
                "there is no ledger to copy yet",
                where=str(ledger),
                remedy="Start the service once: `optifire up`",
            )
        _check_space(ledger, root)
        name = _free_name(root, f"{self.environment}-{now.strftime(_STAMP)}")
        part = root / f".{name}.part"
        part.mkdir(mode=0o700)
        try:
            copy_ledger(ledger, part, stop)
            self._copy_rest(part)
            manifest = self._manifest(part, now, _checked(part / LEDGER, ledger, stop))
            write_manifest(part, manifest)
            sync_tree(part)
            part.rename(root / name)
            sync(root)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        return Made(root / name, manifest)

    def _copy_rest(self, part: Path) -> None:
        """Copy the configuration, and secrets only where they are encrypted.

        ``secrets.env`` stays out, and so does everything in ``configs`` that is no configuration
        file: keys and tokens may stand beside it.
        """
        copy_configs(self.home.configs, part / "configs")
        secrets = self.home.data / f"secrets.{self.environment}.enc"
        if secrets.is_file():
            copy_durably(secrets, part / secrets.name)

    def _manifest(self, part: Path, now: datetime, facts: Facts) -> Manifest:
        files = sorted(each for each in part.rglob("*") if each.is_file())
        entries = {each.relative_to(part).as_posix(): entry_of(each) for each in files}
        _check_values(part, facts, entries)
        return Manifest(
            format=FORMAT,
            environment=self.environment,
            made_at=iso(now.replace(microsecond=0)),
            program=__version__,
            schema_version=facts.schema_version,
            start=facts.start,
            counts=dict(facts.counts),
            files=entries,
        )

    def _rotate(self, root: Path) -> tuple[str, ...]:
        """Remove the oldest beyond those that stay."""
        spare = kept(root, self.environment)[: -self.keep]
        for each in spare:
            # Half a backup is never taken for one.
            shutil.rmtree(each.rename(root / f".{each.name}.part"))
        return tuple(each.name for each in spare)

    def _clear(self, root: Path) -> None:
        """Remove what a backup or a rotation that was broken off left."""
        for each in root.glob(f".{self.environment}-*.part"):
            shutil.rmtree(each)


def _checked(copy: Path, ledger: Path, stop: threading.Event) -> Facts:
    """Look a fresh copy over: what is wrong with it is wrong with the ledger."""
    try:
        return check_copy(copy, stop)
    except DamagedError as error:
        raise DamagedError(
            error.message,
            where=str(ledger),
            remedy="Stop the service and take an earlier backup back: `optifire restore NAME`",
        ) from error


def _check_values(part: Path, facts: Facts, entries: dict[str, Entry]) -> None:
    """Raise `StoreError` when a large value is not what its name says."""
    for name in sorted(facts.blobs):
        file = blobs_of(part / LEDGER) / name
        entry = entries.get(file.relative_to(part).as_posix())
        if entry is None or entry.sha256 != name:
            raise DamagedError(
                "a large value of the ledger is damaged",
                where=str(file),
                remedy="Restore the ledger from an earlier backup: `optifire restore`",
            )


def _check_space(ledger: Path, root: Path) -> None:
    """Raise `StoreError` when the copy would take the space that the ledger itself needs."""
    log = ledger.with_name(f"{ledger.name}-wal")
    needed = sum(each.stat().st_size for each in (ledger, log) if each.exists())
    values = blobs_of(ledger)
    if values.is_dir() and values.stat().st_dev != root.stat().st_dev:
        needed += sum(each.stat().st_size for each in values.iterdir())
    free = shutil.disk_usage(root).free
    if free < needed + _MARGIN:
        raise StoreError(
            f"a backup takes {needed >> 20} MB and {free >> 20} MB are free",
            where=str(root),
            remedy="Free some space, keep fewer (backup.keep), or name another disk with --to",
        )


def _free_name(root: Path, name: str) -> str:
    number, free = 1, name
    while (root / free).exists():
        number += 1
        free = f"{name}-{number}"
    return free


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Hold the folder of backups; the kernel lets it go when this process dies."""
    handle = os.open(root / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockedError(
                "another backup is being made here",
                where=str(root),
                remedy="Wait until it has ended",
            ) from error
        yield
    finally:
        os.close(handle)


def _unwritable(root: Path, error: OSError) -> StoreError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return StoreError(
        f"the backup cannot be written ({error.strerror})",
        where=str(error.filename or root),
        remedy="Free some space" if full else "Name a folder that this user may write, with --to",
    )


def names_of(found: Sequence[Path]) -> str:
    """Name the latest few of some backups, the newest first."""
    return ", ".join(each.name for each in reversed(found[-3:]))
