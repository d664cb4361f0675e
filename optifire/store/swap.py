"""Puts another ledger in the place of one, so that a crash at any point loses neither."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from optifire.core.errors import UnfitError
from optifire.store.blobs import blobs_of
from optifire.store.syncing import sync, write_durably

if TYPE_CHECKING:
    from pathlib import Path


def marker_of(path: Path) -> Path:
    """Give the file that stands beside a ledger while another one is put in its place."""
    return path.with_name(f"{path.name}.restoring")


def refuse_half_swapped(path: Path) -> None:
    """Raise `UnfitError` when a swap was broken off: nobody may begin an empty ledger then."""
    if marker_of(path).exists():
        raise UnfitError(
            "a restore of this ledger was broken off half-way",
            where=str(path),
            remedy="Give the same `optifire restore` again; nothing is lost",
        )


def swap_in(path: Path, ledger: Path, values: Path, aside: Path) -> Path | None:
    """Move a ledger aside and another one into its place; gives where the old one is.

    A marker stands from before the first step to after the last one, and each step is left out
    when it has been done: after a crash the same call goes on, with the name that it had begun.

    Parameters
    ----------
    path
        The ledger that is replaced, which need not exist.
    ledger, values
        The new ledger and the folder of its large values, on the same disk as ``path``.
    aside
        What the old ledger is called from now on, in the same folder.
    """
    aside = _begin(path, aside)
    for end in ("", "-wal"):  # together they are the old ledger, under the other name too
        _move(path.with_name(path.name + end), aside.with_name(aside.name + end))
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)  # SQLite makes it anew
    _move(blobs_of(path), blobs_of(aside))
    if blobs_of(path).exists():  # from the time before a crash, and the same as now
        shutil.rmtree(blobs_of(path))
    values.rename(blobs_of(path))
    sync(blobs_of(path).parent)
    ledger.replace(path)
    sync(path.parent)
    marker_of(path).unlink()
    sync(path.parent)
    return aside if aside.exists() else None


def _begin(path: Path, aside: Path) -> Path:
    """Write the marker, or give the name that the marker of a broken-off swap holds."""
    marker = marker_of(path)
    if marker.exists():
        return path.with_name(json.loads(marker.read_bytes())["aside"])
    part = marker.with_name(f"{marker.name}.part")
    write_durably(part, json.dumps({"aside": aside.name}).encode())
    part.replace(marker)
    sync(path.parent)
    return aside


def _move(source: Path, target: Path) -> None:
    if source.exists() and not target.exists():
        source.rename(target)
