"""Backups of a home: what is in one, what never is, and which of them stay."""

import asyncio
import errno
import json
import os
import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from optifire.app import backups
from optifire.app.backing import Backing, is_due
from optifire.app.backups import BackupMaker, kept, made_at
from optifire.calendars.registry import load_calendar
from optifire.core.calendar import AlwaysOpen
from optifire.core.errors import LockedError, StoreError, TransientError
from optifire.core.ledger import Batch, RunRow, new_run
from optifire.core.run import RunKey, RunStatus
from optifire.core.settings import Settings
from optifire.core.types import Encoded, PluginId
from optifire.host.home import Home, init_home
from optifire.store.copying import copy_ledger
from optifire.store.manifest import check_files, read_manifest
from optifire.store.sqlite import SqliteStore

NOW = datetime(2018, 11, 23, 18, tzinfo=UTC)
MARKET = load_calendar("XNYS", Path("/nowhere"))
ALWAYS = AlwaysOpen()


class Space(NamedTuple):
    """What `shutil.disk_usage` gives."""

    total: int
    used: int
    free: int


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}Z")


def run_of(number: int, size: int = 0) -> RunRow:
    key = RunKey(PluginId("fe_garch"), NOW + timedelta(minutes=number))
    row = new_run(key, RunStatus.SUCCEEDED)
    if size:
        row.outputs = {"x": Encoded(b"\xc6" + size.to_bytes(4, "big") + b"y" * size)}
    return row


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Give a home with two runs in the ledger of paper, one with a large value."""
    init_home(tmp_path / "home")
    made = Home(tmp_path / "home")

    async def fill() -> None:
        store = SqliteStore(made.database("paper"), clock=lambda: NOW)
        await store.open()
        await store.commit(Batch(runs=[run_of(0), run_of(1, 100_000)]))
        await store.close()

    asyncio.run(fill())
    return made


def maker(home: Home, keep: int = 30) -> BackupMaker:
    return BackupMaker(home, "paper", keep)


def make(home: Home, now: datetime = NOW, keep: int = 30) -> Path:
    return maker(home, keep).make(now, threading.Event()).folder


def names(home: Home) -> list[str]:
    return [each.name for each in kept(backups.backups_of(home), "paper")]


def test_a_backup_is_a_folder_that_says_what_is_in_it(home: Home) -> None:
    folder = make(home)
    assert folder == home.data / "backups" / "paper-20181123T180000Z"
    assert folder.stat().st_mode & 0o777 == 0o700
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    assert (manifest.environment, manifest.made_at) == ("paper", "2018-11-23T18:00:00Z")
    assert (manifest.start, manifest.counts["runs"]) == (1, 2)
    found = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert found == {*manifest.files, "manifest.json"}
    assert {name.partition("/")[0] for name in found} == {
        "blobs", "configs", "ledger.db", "manifest.json"
    }  # fmt: skip


def test_secrets_stay_out_unless_they_are_encrypted(home: Home) -> None:
    home.secrets.write_text("API_KEY=very-secret", encoding="utf-8")
    (home.configs / "broker.pem").write_text("very-secret", encoding="utf-8")
    (home.configs / ".features.yaml.swp").write_text("very-secret", encoding="utf-8")
    (home.configs / "more").mkdir()
    (home.configs / "more" / "own.yaml").write_text("a: 1", encoding="utf-8")
    (home.data / "secrets.paper.enc").write_bytes(b"sealed")
    (home.data / "secrets.live.enc").write_bytes(b"of another environment")
    folder = make(home)
    inside = {str(file.relative_to(folder)): file for file in folder.rglob("*") if file.is_file()}
    assert not any(b"very-secret" in file.read_bytes() for file in inside.values())
    assert inside.keys() >= {"secrets.paper.enc", "configs/features.yaml", "configs/more/own.yaml"}
    assert "secrets.live.enc" not in inside


@pytest.mark.row("O050")
def test_the_oldest_go_when_there_are_more_than_are_to_stay(home: Home) -> None:
    made = [make(home, NOW + timedelta(days=day), keep=30).name for day in range(33)]
    assert names(home) == made[3:]


def test_those_of_other_environments_and_other_folders_stay(home: Home) -> None:
    root = backups.backups_of(home)
    others = [root / "demo-20100101T000000Z", root / "my notes", root / "paper-20090101T000000Z"]
    for other in others:
        other.mkdir(parents=True)
    (others[0] / "manifest.json").write_text("{}", encoding="utf-8")
    make(home, NOW, keep=1)
    last = make(home, NOW + timedelta(days=1), keep=1)
    assert names(home) == [last.name]
    assert all(other.is_dir() for other in others)


def test_two_in_one_second_get_different_names(home: Home) -> None:
    first, second = make(home), make(home)
    assert (first.name, second.name) == ("paper-20181123T180000Z", "paper-20181123T180000Z-2")
    assert made_at(first) == made_at(second) == NOW
    assert names(home) == [first.name, second.name]


def test_large_values_are_the_same_file_as_in_the_ledger_and_cost_no_space(home: Home) -> None:
    (value,) = (make(home) / "blobs" / "ledger").iterdir()
    assert value.stat().st_nlink == 2


def test_large_values_are_copied_where_files_cannot_have_two_names(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "another disk")

    monkeypatch.setattr(os, "link", refuse)
    folder = make(home)
    (value,) = (folder / "blobs" / "ledger").iterdir()
    assert value.stat().st_nlink == 1
    check_files(folder, read_manifest(folder))


def test_a_backup_that_fails_leaves_nothing_half_made(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "manifest.json")

    monkeypatch.setattr(backups, "write_manifest", full)
    with pytest.raises(StoreError, match="No space left") as caught:
        make(home)
    assert "Free some space" in caught.value.remedy
    assert [each.name for each in backups.backups_of(home).iterdir()] == [".lock"]


def test_one_that_was_killed_is_cleared_away_by_the_next(home: Home) -> None:
    half = backups.backups_of(home) / ".paper-20181122T180000Z.part"
    half.mkdir(parents=True)
    (half / "ledger.db").write_bytes(b"half")
    make(home)
    assert not half.exists()


def test_two_at_once_are_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    real = copy_ledger

    def other_first(*given: object) -> None:
        with pytest.raises(LockedError, match="another backup is being made"):
            make(home)
        real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(backups, "copy_ledger", other_first)
    make(home)


def test_the_space_that_the_ledger_needs_is_left_to_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Space(10**9, 10**9, 10_000))
    with pytest.raises(StoreError, match=r"takes \d+ MB and 0 MB are free"):
        make(home)


def test_a_home_without_a_ledger_says_so(tmp_path: Path) -> None:
    init_home(tmp_path)
    with pytest.raises(StoreError, match="no ledger to copy yet"):
        make(Home(tmp_path))


def test_a_folder_that_cannot_be_made_says_so(home: Home, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(StoreError, match="cannot be written") as caught:
        maker(home).make(NOW, threading.Event(), into=tmp_path / "file" / "x")
    assert "--to" in caught.value.remedy


def test_a_large_value_that_is_not_what_its_name_says_is_found(home: Home) -> None:
    (value,) = (home.data / "blobs" / "paper").iterdir()
    value.write_bytes(b"something else")
    with pytest.raises(StoreError, match="large value of the ledger is damaged"):
        make(home)


def test_one_that_is_stopped_says_so_and_leaves_nothing(home: Home) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(TransientError, match="stopped"):
        maker(home).make(NOW, stop)
    assert names(home) == []


@pytest.mark.parametrize(
    ("last", "now", "due"),
    [
        (None, "2018-11-26T03:00", True),
        (None, "2018-11-26T15:00", False),  # the market is open: it can wait
        ("2018-11-25T06:00", "2018-11-26T04:00", False),  # still the same day in New York
        ("2018-11-25T06:00", "2018-11-26T06:00", True),
        ("2018-11-25T22:00", "2018-11-26T15:00", False),
        ("2018-11-25T22:00", "2018-11-26T21:30", True),
        ("2018-11-25T02:00", "2018-11-26T15:00", True),  # a day and a half old: now
        ("2018-11-26T05:10", "2018-11-26T23:00", False),
    ],
)
def test_it_is_made_once_a_day_of_the_market_while_that_is_closed(
    last: str | None, now: str, *, due: bool
) -> None:
    assert is_due(None if last is None else at(last), at(now), MARKET) is due


@pytest.mark.parametrize(
    ("last", "due"),
    [(None, True), ("2018-11-25T15:01", False), ("2018-11-25T15:00", True)],
)
def test_where_the_market_never_closes_it_is_made_every_24_hours(
    last: str | None, *, due: bool
) -> None:
    assert is_due(None if last is None else at(last), at("2018-11-26T15:00"), ALWAYS) is due


async def test_a_ledger_that_the_daily_backup_finds_damaged_is_named(home: Home) -> None:
    path = home.database("paper")
    with path.open("r+b") as file:
        file.seek(20 * 4096)
        file.write(b"\xff" * 4096)
    backing = Backing(home, "paper", Settings)
    assert await backing.daily(ALWAYS) == 3600
    (said,) = backing.sentences()
    assert backing.is_damaged()
    assert str(path) in said
    assert "optifire restore" in said
    assert names(home) == []


async def test_a_daily_backup_that_fails_is_in_health_until_one_succeeds(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    backing = Backing(home, "paper", Settings)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: Space(10**9, 10**9, 10_000))
        assert await backing.daily(ALWAYS) == 3600
    (said,) = backing.sentences()
    assert "no daily backup" in said
    assert not backing.is_damaged()
    assert "are free" in caplog.text
    assert await backing.daily(ALWAYS) == 300
    assert backing.sentences() == []
    assert len(names(home)) == 1
    await backing.daily(ALWAYS)  # there is one of today
    assert len(names(home)) == 1


def test_the_manifest_is_the_last_thing_that_is_written(home: Home) -> None:
    folder = make(home)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["files"]["ledger.db"]["size"] == (folder / "ledger.db").stat().st_size
