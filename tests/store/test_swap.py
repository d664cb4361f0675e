"""One ledger in the place of another: a crash at any step loses neither."""

import shutil
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from optifire.core.errors import StoreError
from optifire.core.ledger import Batch, RunFilter, RunRow, new_run
from optifire.core.run import RunKey, RunStatus
from optifire.core.types import Encoded, PluginId
from optifire.store.blobs import blobs_of
from optifire.store.reader import LedgerReader
from optifire.store.sqlite import SqliteStore
from optifire.store.swap import marker_of, swap_in

NOW = datetime(2018, 11, 23, 18, tzinfo=UTC)
LARGE = Encoded(b"\xc6" + (100_000).to_bytes(4, "big") + b"y" * 100_000)
#: Changes of names that a swap makes where there is a ledger with a log and large values.
STEPS = 8


class CrashError(Exception):
    """The machine stops here."""


class Crash:
    """Lets so many changes of the file system happen, and no more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
        self.left = after
        for name in ("rename", "replace", "unlink"):
            monkeypatch.setattr(Path, name, self._counted(getattr(Path, name)))

    def _counted(self, real: Callable[..., object]) -> Callable[..., object]:
        def call(*given: object, **named: object) -> object:
            if self.left == 0:
                raise CrashError
            self.left -= 1
            return real(*given, **named)

        return call


def row(plugin: str, number: int, *, large: bool = False) -> RunRow:
    key = RunKey(PluginId(plugin), NOW + timedelta(minutes=number))
    made = new_run(key, RunStatus.SUCCEEDED)
    if large:
        made.outputs = {"x": LARGE}
    return made


async def ledger(path: Path, plugin: str) -> None:
    """Make a ledger whose rows are still in the log beside it, as after a kill."""
    store = SqliteStore(path.parent / "live" / path.name, clock=lambda: NOW)
    await store.open()
    await store.commit(Batch(runs=[row(plugin, 0), row(plugin, 1, large=True)]))
    for end in ("", "-wal", "-shm"):
        file = store.path.with_name(store.path.name + end)
        shutil.copy(file, path.parent / file.name)
    shutil.copytree(blobs_of(store.path), blobs_of(path))
    await store.close()
    shutil.rmtree(path.parent / "live")


async def plugins(path: Path) -> list[str]:
    """Give whose runs a ledger holds; their large values must be there too."""
    async with LedgerReader(path) as reader:
        found = await reader.runs(RunFilter())
    assert [bool(run.outputs) for run in found] == [True, False]
    return [run.key.plugin_id for run in found]


@pytest.fixture
async def staged(tmp_path: Path) -> tuple[Path, Path]:
    """Give a new ledger beside the old one, in one file, and its values."""
    await ledger(tmp_path / "new" / "new.db", "new")
    store = SqliteStore(tmp_path / "new" / "new.db", clock=lambda: NOW)
    await store.open()
    await store.close()
    data = tmp_path / "data"
    await ledger(data / "paper.db", "old")
    shutil.copy(tmp_path / "new" / "new.db", data / ".paper.db.part")
    shutil.copytree(blobs_of(tmp_path / "new" / "new.db"), data / "blobs" / ".paper.part")
    return data / ".paper.db.part", data / "blobs" / ".paper.part"


@pytest.mark.parametrize("crash_after", range(STEPS + 1))
async def test_a_crash_at_any_step_is_mended_by_the_same_call_and_loses_neither(
    staged: tuple[Path, Path], crash_after: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path, aside = tmp_path / "data" / "paper.db", tmp_path / "data" / "paper.before-1.db"
    again = tmp_path / "again", tmp_path / "again-values"
    shutil.copy(staged[0], again[0])
    shutil.copytree(staged[1], again[1])
    with monkeypatch.context() as patch:
        Crash(patch, crash_after)
        with pytest.raises(CrashError) if crash_after < STEPS else nullcontext():
            swap_in(path, *staged, aside)
    if marker_of(path).exists():
        with pytest.raises(StoreError, match="broken off half-way"):
            await SqliteStore(path, clock=lambda: NOW).open()
        later = tmp_path / "data" / "paper.before-2.db"
        assert swap_in(path, *again, later) == aside  # it goes on with the name it had begun
        assert not later.exists()
    elif not aside.exists():  # it had not begun
        assert await plugins(path) == ["old", "old"]
        return
    assert await plugins(path) == ["new", "new"]
    assert await plugins(aside) == ["old", "old"]
    assert not marker_of(path).exists()


async def test_where_there_was_no_ledger_nothing_is_kept(
    staged: tuple[Path, Path], tmp_path: Path
) -> None:
    path = tmp_path / "data" / "demo.db"
    assert swap_in(path, *staged, tmp_path / "data" / "demo.before-1.db") is None
    assert await plugins(path) == ["new", "new"]


async def test_reading_says_that_a_restore_was_broken_off(
    staged: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "data" / "paper.db"
    with monkeypatch.context() as patch:
        Crash(patch, 2)
        with pytest.raises(CrashError):
            swap_in(path, *staged, tmp_path / "data" / "paper.before-1.db")
    assert not path.exists()
    with pytest.raises(StoreError, match="broken off half-way") as caught:
        await plugins(path)
    assert "optifire restore" in caught.value.remedy
