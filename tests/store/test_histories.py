"""What runs used: counted while a service has the ledger open."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from optifire.core.budget import Budget, Measured, Usage
from optifire.core.errors import StoreError
from optifire.core.history import Spread
from optifire.core.ledger import Batch, RunRow, new_run
from optifire.core.run import Reason, RunKey, RunStatus
from optifire.core.types import PluginId
from optifire.store.histories import histories
from optifire.store.sqlite import SqliteStore

A = PluginId("a")
T = datetime(2018, 11, 23, 18, tzinfo=UTC)


def ended(
    number: int,
    usage: Usage,
    *,
    name: str = "a",
    status: RunStatus = RunStatus.SUCCEEDED,
    breaches: tuple[str, ...] = (),
) -> RunRow:
    """Give a run of minute ``number`` that began and ended."""
    row = new_run(RunKey(PluginId(name), T + timedelta(minutes=number)), status)
    row.started_at = row.finished_at = row.key.due
    row.usage, row.breaches, row.worker = usage, breaches, "isolated"
    row.budget = Budget(100.0 + number, 50.0)
    if status is RunStatus.OVER_BUDGET:
        row.reason = Reason(breaches[0], "was stopped")
    return row


def used(cpu: float | None, mem: float | None = None) -> Usage:
    return Usage(cpu, mem, 1.0, Measured.METERED)


async def test_runs_are_counted_by_measure_and_breach(store: SqliteStore, path: Path) -> None:
    over = RunStatus.OVER_BUDGET
    rows = [
        ended(0, used(10.0, 5.0)),
        ended(1, used(120.0, 60.0), breaches=("cpu", "memory")),
        ended(2, used(300.0, 5.0), status=over, breaches=("cpu",)),
        ended(3, used(1.0, 80.0), status=over, breaches=("memory",)),
        ended(4, Usage(7.0, None, 1.0, Measured.EXACT)),
        ended(5, Usage(), status=RunStatus.LOST),
    ]
    await store.commit(Batch(runs=rows))
    found = (await histories(path))[A]
    assert found.runs == 6
    assert found.measured == {"metered": 4, "exact": 1, "none": 1}
    assert found.soft == {"cpu": 1, "memory": 1}
    assert found.hard == {"cpu": 1, "memory": 1}
    assert found.budget == Budget(105.0, 50.0)
    assert found.cpu == Spread(5, 10.0, 300.0, 300.0)
    assert found.mem == Spread(4, 5.0, 80.0, 80.0)


async def test_what_never_began_or_still_runs_has_no_part(store: SqliteStore, path: Path) -> None:
    waiting = new_run(RunKey(PluginId("a"), T), RunStatus.DUE)
    missed = new_run(RunKey(PluginId("b"), T), RunStatus.MISSED)
    going = ended(0, Usage(), name="c", status=RunStatus.RUNNING)
    await store.commit(Batch(runs=[waiting, missed, going]))
    assert await histories(path) == {}


async def test_percentiles_may_be_those_of_runs_that_succeeded_in_one_kind_of_worker(
    store: SqliteStore, path: Path
) -> None:
    failed = ended(1, used(900.0), status=RunStatus.FAILED)
    warm = ended(2, used(1.0))
    warm.worker = "pooled"
    await store.commit(Batch(runs=[ended(0, used(5.0)), failed, warm]))
    found = (await histories(path, good_in=lambda _: "isolated"))[A]
    assert found.cpu == Spread(1, 5.0, 5.0, 5.0)
    assert found.runs == 3


async def test_days_are_counted_back_from_the_latest_run(store: SqliteStore, path: Path) -> None:
    rows = [ended(-60 * 24 * day, used(float(day))) for day in range(5)]
    await store.commit(Batch(runs=rows))
    found = (await histories(path, days=2))[A]
    assert found.cpu == Spread(3, 1.0, 2.0, 2.0)
    assert (await histories(path))[A].runs == 5


async def test_a_ledger_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no ledger"):
        await histories(tmp_path / "none.db")


async def test_a_ledger_of_many_pages_is_counted_whole(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optifire.store.ledgerfile._PAGE", 7)
    rows = [ended(n, used(float(n % 50)), name=name) for n in range(100) for name in ("a", "b")]
    await store.commit(Batch(runs=rows))
    found = await histories(path)
    assert list(found) == ["a", "b"]
    assert found[A].cpu == Spread(100, 24.0, 49.0, 49.0)
    assert found[A].budget == Budget(199.0, 50.0)
