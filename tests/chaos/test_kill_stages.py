# ruff: noqa: S311 - chance must repeat
"""kill -9 of the service, of a zygote or of a run's own process at every stage of a run."""

import json
import random
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from itertools import cycle, product
from pathlib import Path
from typing import Final

import pytest

from optifire.core.errors import OptifireError
from optifire.core.run import RunStatus
from tests.chaos.accounts import Faulty
from tests.chaos.strike import STAGES, WHOM, noted
from trial import Service, until

FIRST: Final = date(2018, 1, 29)
#: Each in cycles of its own, so that what is killed with the service is one run.
WORDS: Final = {
    "pure": "0 0-11 * * *",
    "idempotent": "20 0-11 * * *",
    "effectful": "40 0-11 * * *",
}
PAIRS: Final = [*product(STAGES, WHOM)]
DONE, LOST, CRASHED = RunStatus.SUCCEEDED, RunStatus.LOST, RunStatus.CRASHED


def expected(stage: str, whom: str, effect: str) -> tuple[RunStatus, int]:
    """Give how a run ends that is struck there, and after how many attempts."""
    if whom != "service":
        return (CRASHED, 1) if stage in ("begun", "done") else (DONE, 1)
    if stage in ("due", "recorded"):
        return DONE, 1
    return (LOST, 1) if effect == "effectful" else (DONE, 2)


@pytest.mark.row("O005")
@pytest.mark.parametrize(
    ("points", "days"),
    [
        pytest.param(12, 1, marks=pytest.mark.timeout(180)),
        pytest.param(200, 12, marks=[pytest.mark.long, pytest.mark.timeout(3600)]),
    ],
)
def test_whoever_is_killed_at_whatever_stage_each_run_ends_as_its_effects_allow(
    tmp_path: Path, points: int, days: int
) -> None:
    trial = Faulty(tmp_path / "home", words=WORDS)
    last = FIRST + timedelta(days=days - 1)
    trial.configure_faulty(demo={"from": str(FIRST), "to": str(last)})
    begin, end = f"{FIRST}T05:00:00Z", f"{last + timedelta(days=1)}T04:59:59Z"
    fates = drawn(trial, points, begin, end)
    text = json.dumps({key: {"stage": s, "whom": w} for key, (s, w) in fates.items()})
    (trial.faults / "fates.json").write_text(text, encoding="utf-8")
    starts = play(trial)
    assert sorted(noted(trial.faults / "struck.txt")) == sorted(fates)
    assert starts == 1 + sum(whom == "service" for _, whom in fates.values())
    trial.check(begin, end)
    rows = {str(row.run_id): row for row in trial.runs(trial.ledger)}
    put_off = {key for key, row in rows.items() if row.reason and row.reason.code == "not started"}
    assert len(put_off) <= points // 20  # where zygotes die one after the other, for a while
    assert put_off.isdisjoint(noted(trial.faults / "effects.txt"))
    ended = {key: (row.status, row.attempts) for key, row in rows.items() if key not in put_off}
    wanted = {key: expected(*point, key.split("@")[0]) for key, point in fates.items()}
    assert {key: ends for key, ends in ended.items() if ends != wanted.get(key, (DONE, 1))} == {}


def drawn(trial: Faulty, points: int, begin: str, end: str) -> Mapping[str, tuple[str, str]]:
    """Draw runs for so many points, each stage and victim in turn; between two is one in peace."""
    slots = sorted(
        (datetime.fromisoformat(each), name)
        for name, word in WORDS.items()
        for each in trial.schedule(word, begin, end)
    )
    chosen = random.Random(points).sample(slots[::2], points)
    keys = (f"{name}@{due:%Y%m%dT%H%M%SZ}" for due, name in chosen)
    return dict(zip(keys, cycle(PAIRS), strict=False))


def play(trial: Faulty) -> int:
    """Start the service again and again until the demo is over; gives how often."""
    starts = 0
    while True:
        starts += 1
        with trial.service(wait=False) as service:
            until(lambda: is_over(service), within=120, what="an end")
            if service.process.poll() is None:
                assert service.stop() == 0
                return starts
            assert service.process.returncode == -9, service.said()


def is_over(service: Service) -> bool:
    """Tell whether the demo is over, or the service has been killed."""
    if service.process.poll() is not None:
        return True
    try:
        return bool(service.status()["state"] == "finished")
    except OptifireError:  # it has not begun to answer, or does no more
        return False
