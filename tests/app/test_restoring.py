"""A backup taken back: everything is looked over first, and nothing is lost."""

import asyncio
import json
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from optifire.app.backups import BackupMaker
from optifire.app.restoring import find_backup, inspect, restore
from optifire.core.errors import LockedError, NotFoundError, StoreError
from optifire.core.ledger import Batch, RunFilter, RunRow, new_run
from optifire.core.run import RunKey, RunStatus
from optifire.core.types import Encoded, PluginId
from optifire.host.home import Home, init_home
from optifire.store.manifest import entry_of
from optifire.store.reader import LedgerReader
from optifire.store.sqlite import SqliteStore

NOW = datetime(2018, 11, 23, 18, tzinfo=UTC)
LARGE = Encoded(b"\xc6" + (100_000).to_bytes(4, "big") + b"y" * 100_000)


def run_of(number: int, *, large: bool = False) -> RunRow:
    key = RunKey(PluginId("fe_garch"), NOW + timedelta(minutes=number))
    row = new_run(key, RunStatus.SUCCEEDED)
    if large:
        row.outputs = {"x": LARGE}
    return row


def write(home: Home, *rows: RunRow) -> None:
    async def work() -> None:
        store = SqliteStore(home.database("paper"), clock=lambda: NOW)
        await store.open()
        await store.commit(Batch(runs=list(rows)))
        await store.close()

    asyncio.run(work())


def runs_in(path: Path) -> list[str]:
    async def work() -> list[str]:
        async with LedgerReader(path) as reader:
            return [row.run_id for row in reversed(await reader.runs(RunFilter()))]

    return asyncio.run(work())


@pytest.fixture
def home(tmp_path: Path) -> Home:
    init_home(tmp_path / "home")
    made = Home(tmp_path / "home")
    write(made, run_of(0), run_of(1, large=True))
    return made


@pytest.fixture
def backup(home: Home) -> Path:
    """Give a backup of two runs; there are three since."""
    made = BackupMaker(home, "paper", 30).make(NOW, threading.Event()).folder
    write(home, run_of(2))
    return made


FORGED = {"size": 1, "sha256": "x"}
FIRST, SECOND, THIRD = (run_of(number).run_id for number in range(3))


@pytest.mark.row("O050")
def test_the_ledger_is_that_of_the_backup_and_the_old_one_is_kept(home: Home, backup: Path) -> None:
    done = restore(home, backup, NOW, configs=False)
    path = home.database("paper")
    assert runs_in(path) == [FIRST, SECOND]
    assert done.aside == (home.data / "paper.before-20181123T180000Z.db",)
    assert runs_in(done.aside[0]) == [FIRST, SECOND, THIRD]
    assert path.stat().st_mode & 0o777 == 0o600
    assert not list(home.data.rglob("*.part"))
    inspect(backup)  # it is as it was


def test_a_restored_ledger_is_gone_on_with_and_says_what_it_is(home: Home, backup: Path) -> None:
    restore(home, backup, NOW, configs=False)
    write(home, run_of(3))
    assert runs_in(home.database("paper")) == [FIRST, SECOND, run_of(3).run_id]

    async def notes() -> list[str]:
        async with LedgerReader(home.database("paper")) as reader:
            return [note.text for note in await reader.notes(kind="restored", since=None)]

    (said,) = asyncio.run(notes())
    assert said.startswith("paper-20181123T180000Z, as of 2018-11-23T18:00:00Z; before it was ")


def test_it_can_be_taken_back_where_there_is_nothing(backup: Path, tmp_path: Path) -> None:
    init_home(tmp_path / "other")
    other = Home(tmp_path / "other")
    (other.configs / "features.yaml").write_text("environment: demo\n", encoding="utf-8")
    (other.configs / "own.yaml").write_text("a: 1\n", encoding="utf-8")
    (other.configs / "secrets.env").write_text("KEY=x\n", encoding="utf-8")
    done = restore(other, backup, NOW, configs=True)
    assert runs_in(other.database("paper")) == [FIRST, SECOND]
    there = {file.name for file in other.configs.iterdir()}
    assert there == {*(file.name for file in (backup / "configs").iterdir()), "secrets.env"} | {
        "secrets.env.template"
    }
    features = (other.configs / "features.yaml").read_bytes()
    assert features == (backup / "configs" / "features.yaml").read_bytes()
    (before,) = done.aside
    assert (before / "features.yaml").read_text(encoding="utf-8") == "environment: demo\n"
    assert (before / "own.yaml").exists()
    assert not (before / "secrets.env").exists()


def cut_short(folder: Path) -> None:
    with (folder / "ledger.db").open("r+b") as file:
        file.truncate(5000)


def changed(folder: Path) -> None:
    with (folder / "ledger.db").open("r+b") as file:
        file.seek(20_000)
        file.write(b"\xff")


def a_value_missing(folder: Path) -> None:
    (value,) = (folder / "blobs" / "ledger").iterdir()
    value.unlink()


def a_value_forgotten(folder: Path) -> None:
    a_value_missing(folder)
    rewrite(folder, lambda said: said["files"].pop(next(n for n in said["files"] if "blobs" in n)))


def no_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def a_broken_manifest(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes()[:-40])


def a_strange_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"format": 1, "files": []}', encoding="utf-8")


def of_another_form(folder: Path) -> None:
    rewrite(folder, lambda said: said.update(format=2))


def of_a_newer_version(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "ledger.db")) as ledger:
        ledger.execute("PRAGMA user_version = 99")
    rewrite(folder, lambda said: said.update(schema_version=99))


def other_counts(folder: Path) -> None:
    rewrite(folder, lambda said: said["counts"].update(runs=5))


def a_way_out(folder: Path) -> None:
    rewrite(
        folder, lambda said: said["files"].update({"configs/../../x": said["files"]["ledger.db"]})
    )


def no_such_environment(folder: Path) -> None:
    rewrite(folder, lambda said: said.update(environment="../paper"))


def rewrite(folder: Path, change: Callable[[dict], object]) -> None:  # type: ignore[type-arg]
    """Change what a manifest says, and let it have the right hash of the ledger."""
    path = folder / "manifest.json"
    said = json.loads(path.read_bytes())
    entry = entry_of(folder / "ledger.db")
    said["files"]["ledger.db"] = {"size": entry.size, "sha256": entry.sha256}
    change(said)
    path.write_text(json.dumps(said), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut_short, "has 5000 bytes, its manifest says"),
        (changed, "has changed: its hash is another one"),
        (a_value_missing, "a file of the backup is missing"),
        (a_value_forgotten, "leaves out 1 large values"),
        (no_manifest, "this is no backup: it has no manifest"),
        (a_broken_manifest, "the manifest cannot be read"),
        (a_strange_manifest, "the manifest cannot be read"),
        (of_another_form, "form 2, this program reads form 1"),
        (of_a_newer_version, r"version 99, this program knows versions up to"),
        (other_counts, "do not say the same"),
        (a_way_out, "names a file that no backup has"),
        (no_such_environment, "an environment '../paper' that there is not"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_not_whole_is_refused_before_anything_is_changed(
    home: Home, backup: Path, damage: Callable[[Path], None], said: str
) -> None:
    damage(backup)
    before = {file: file.stat().st_mtime_ns for file in home.data.rglob("*")}
    with pytest.raises(StoreError, match=said) as caught:
        restore(home, backup, NOW, configs=True)
    assert str(backup) in str(caught.value)
    assert {file: file.stat().st_mtime_ns for file in home.data.rglob("*")} == before
    assert runs_in(home.database("paper")) == [FIRST, SECOND, THIRD]


async def test_it_is_refused_while_a_service_holds_the_ledger(home: Home, backup: Path) -> None:
    store = SqliteStore(home.database("paper"), clock=lambda: NOW)
    await store.open()
    with pytest.raises(LockedError, match="held by process"):
        restore(home, backup, NOW, configs=False)
    await store.close()


def test_a_full_disk_leaves_everything_as_it_was(
    home: Home, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "ledger.db")

    monkeypatch.setattr("optifire.app.restoring.copy_durably", full)
    with pytest.raises(StoreError, match="No space left"):
        restore(home, backup, NOW, configs=False)
    assert runs_in(home.database("paper")) == [FIRST, SECOND, THIRD]
    assert not list(home.data.rglob("*.part"))
    write(home, run_of(3))  # nobody holds the lock


def test_too_little_space_is_said_before_anything_is_copied(
    home: Home, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.disk_usage(home.data)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: real._replace(free=1000))
    with pytest.raises(StoreError, match=r"takes \d+ MB and 0 MB are free"):
        restore(home, backup, NOW, configs=False)


def test_a_backup_is_named_by_its_folder_or_by_its_name(home: Home, backup: Path) -> None:
    assert find_backup(home, str(backup)) == find_backup(home, backup.name) == backup.resolve()
    with pytest.raises(NotFoundError, match="no backup 'paper-x'") as caught:
        find_backup(home, "paper-x")
    assert backup.name in caught.value.remedy
