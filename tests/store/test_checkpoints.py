"""The write-ahead log begins anew, however rarely nobody looks at the past."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from optifire.store.checkpoints import ENOUGH, MOST_BYTES, Checkpoints
from optifire.store.connect import connect_reader, connect_writer
from optifire.store.snapshot import ReadPool
from optifire.store.sqlite import SqliteStore
from tests.store.test_concurrency import cycle

PAGE = 4096
#: Pages of one write.
WRITE = 150


@pytest.fixture
def writer(path: Path) -> Iterator[sqlite3.Connection]:
    """The connection that writes, to a table of one large value."""
    with closing(connect_writer(path, "NORMAL", 1.0)) as made:
        made.execute("CREATE TABLE large (id INTEGER PRIMARY KEY, value BLOB)")
        yield made


@pytest.fixture
def write(writer: sqlite3.Connection) -> Callable[[], None]:
    """Write so many pages."""
    sql = "INSERT OR REPLACE INTO large VALUES (1, randomblob(?))"

    def write() -> None:
        writer.execute(sql, (WRITE * PAGE,))

    return write


def log_of(path: Path) -> int:
    """Give the bytes of the log."""
    return path.with_name(f"{path.name}-wal").stat().st_size


def test_a_log_stays_small_though_nearly_every_commit_has_a_reader_of_before(
    path: Path, writer: sqlite3.Connection, write: Callable[[], None]
) -> None:
    pool = ReadPool(path, 1.0)
    kept = Checkpoints(writer, lambda: pool.taken)
    with closing(pool):
        for number in range(120):
            reading = pool.take()
            write()
            kept.wrote(WRITE)
            pool.give(reading)
            if number % 8 == 0:  # the gaps that there are
                writer.execute("INSERT OR REPLACE INTO large VALUES (2, NULL)")
                kept.wrote(1)
    assert log_of(path) < 3 * ENOUGH * PAGE


def test_a_log_that_grew_while_somebody_looked_on_is_cut_when_it_begins_anew(
    path: Path, writer: sqlite3.Connection, write: Callable[[], None]
) -> None:
    with closing(connect_reader(path, 1.0)) as reader:
        kept = Checkpoints(writer, lambda: 0)  # one of another process, which is not counted
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM large").fetchone()
        while log_of(path) < 2 * MOST_BYTES:
            write()
            kept.wrote(WRITE)
        reader.execute("ROLLBACK")
        for _ in range(2):  # the one that sees the gap, and the one that begins anew
            write()
            kept.wrote(WRITE)
    assert log_of(path) <= MOST_BYTES


async def test_a_store_counts_the_points_in_time_that_are_held(store: SqliteStore) -> None:
    assert store._pool is not None  # noqa: SLF001 - what decides when the log is copied
    pool = store._pool  # noqa: SLF001
    first, second = await store.snapshot(), await store.snapshot()
    taken = [pool.taken]
    await store.commit(cycle(1))
    taken.append(pool.taken)
    for point in (first, second):
        await point.close()
        taken.append(pool.taken)
    assert taken == [0, 2, 1, 0]
