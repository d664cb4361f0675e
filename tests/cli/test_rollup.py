"""What removed runs came to is seen by commands, and no count changes with their removal."""

import asyncio
from pathlib import Path

import pytest

from optifire.core.ledger import Batch, Limits
from optifire.host.home import Home
from optifire.store.reader import LedgerReader
from optifire.store.sqlite import SqliteStore

from .conftest import Program, T

LATE = T.replace(year=2030)


async def remove_old(path: Path) -> int:
    """Remove all but the newest of each plugin, kind and status; gives how many those were."""
    store = SqliteStore(path, clock=lambda: T)
    await store.open()
    async with LedgerReader(path) as ledger:
        found = list(await ledger.prunable(Limits(LATE, 10, least=1), 10_000))
    await store.commit(Batch(pruned=found))
    await store.close()
    return len(found)


@pytest.mark.row("O040")
def test_counts_and_rollups_are_the_same_before_and_after_runs_are_removed(
    optifire: Program, home: Path
) -> None:
    def told() -> tuple[object, list[dict[str, object]]]:
        status = optifire("--home", home, "status", "--json").json
        counts = {each: found["counts"] for each, found in status["plugins"].items()}
        rollups = optifire("--home", home, "runs", "--rollup", "--limit", "100000", "--json").json
        return counts, rollups

    before, runs = told(), optifire("--home", home, "runs", "--limit", "100000", "--json").json
    removed = asyncio.run(remove_old(Home(home).database("demo")))
    after, left = told(), optifire("--home", home, "runs", "--limit", "100000", "--json").json
    assert removed > 50
    assert len(left) == len(runs) - removed
    assert after[0] == before[0]
    assert [{**each, "cpu_ms": 0} for each in after[1]] == [
        {**each, "cpu_ms": 0} for each in before[1]
    ]  # sums of floats may differ in their last place
    assert optifire("--home", home, "why", "fe_garch").code == 0


def test_a_person_sees_them_as_a_table(optifire: Program, home: Path) -> None:
    answer = optifire("--home", home, "runs", "--rollup", "--plugin", "fe_garch", "--limit", "3")
    assert answer.code == 0
    lines = answer.out.strip().splitlines()
    assert lines[0].split()[:2] == ["day", "(UTC)"]
    assert len(lines) == 2 + 3
    assert all("fe_garch" in line for line in lines[2:])
