"""What a backup says of itself: its files with sizes and hashes, and where its ledger stood."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

import msgspec

from optifire.core.errors import StoreError
from optifire.store.syncing import write_durably

if TYPE_CHECKING:
    from pathlib import Path

NAME: Final = "manifest.json"
LEDGER: Final = "ledger.db"
#: The form that this program writes, and the only one that it reads.
FORMAT: Final = 1
#: A manifest names every file; one of 100,000 large values stays far below this many bytes.
_LARGEST: Final = 64 << 20
#: What a file of a backup may be called: nothing that leads out of its folder.
_FILE: Final = re.compile(
    r"ledger\.db|blobs/ledger/[0-9a-f]{64}|secrets\.[\w-]+\.enc|configs(/(?!\.\.?(/|$))[^/\0\\]+)+"
)


class Entry(msgspec.Struct, frozen=True):
    """One file: its size in bytes and its SHA-256."""

    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One backup.

    ``made_at`` is the instant that its ledger shows (ISO, UTC), ``program`` the version that made
    it, ``start`` the number of the last service start in it, ``counts`` the rows of its tables,
    ``files`` every file but the manifest by its path in the backup.
    """

    format: int
    environment: str
    made_at: str
    program: str
    schema_version: int
    start: int
    counts: dict[str, int]
    files: dict[str, Entry]


def entry_of(path: Path) -> Entry:
    """Read a file to its end and give its size and hash."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Entry(file.tell(), digest)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a backup, durably."""
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    write_durably(folder / NAME, text + b"\n")


def read_manifest(folder: Path) -> Manifest:
    """Give the manifest of a backup.

    Raises `StoreError` when there is none, when it is damaged, or of a form that is not known.
    """
    path = folder / NAME
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST)
        form = msgspec.json.decode(text, type=dict[str, msgspec.Raw]).get("format")
        if form is not None and bytes(form) != str(FORMAT).encode():
            raise StoreError(
                f"the backup has form {bytes(form).decode()}, this program reads form {FORMAT}",
                where=str(path),
                remedy="Use the program that made it",
            )
        manifest = msgspec.json.decode(text, type=Manifest)
    except FileNotFoundError as error:
        raise StoreError(
            "this is no backup: it has no manifest",
            where=str(path),
            remedy="Name a folder that `optifire backup` made",
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _damaged(path, f"the manifest cannot be read ({error})") from error
    for name in manifest.files:
        if _FILE.fullmatch(name) is None:
            raise _damaged(path, f"the manifest names a file that no backup has: {name!r}")
    if LEDGER not in manifest.files:
        raise _damaged(path, "the manifest names no ledger")
    return manifest


def check_files(folder: Path, manifest: Manifest) -> None:
    """Compare every file of a backup with its manifest.

    Raises `StoreError` naming the first that is missing, cut short or changed.
    """
    for name, said in sorted(manifest.files.items()):
        path = folder / name
        try:
            found = entry_of(path)
        except OSError as error:
            raise _damaged(path, f"a file of the backup is missing ({error.strerror})") from error
        if found.size != said.size:
            size = f"{found.size} bytes, its manifest says {said.size}"
            raise _damaged(path, f"a file of the backup has {size}")
        if found.sha256 != said.sha256:
            raise _damaged(path, "a file of the backup has changed: its hash is another one")


def _damaged(path: Path, what: str) -> StoreError:
    return StoreError(what, where=str(path), remedy="Take another backup; nothing was changed")
