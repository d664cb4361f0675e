"""A system clock that is set while a service runs: nothing is lost, nothing happens twice."""

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from optifire.core.run import RunStatus
from tests.chaos.accounts import EFFECTS, Faulty
from trial import Service, until

HOURS: Final = timedelta(hours=2)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
WORDS: Final = dict.fromkeys(EFFECTS, "interval_1s")


@pytest.fixture
def trial(tmp_path: Path) -> Faulty:
    """Give a home that goes by the wall clock, which `set_clock` moves."""
    return Faulty(tmp_path / "home", words=WORDS, environment="paper")


def set_clock(trial: Faulty, by: timedelta) -> None:
    trial.replace(trial.faults / "shift.txt", str(by.total_seconds()))


def last_due(trial: Faulty) -> datetime:
    """Give up to when every plugin has a success."""
    return min(
        max((row.key.due for row in rows if row.status is RunStatus.SUCCEEDED), default=EPOCH)
        for rows in trial.rows().values()
    )


def goes_on(trial: Faulty, after: datetime) -> None:
    """Wait until every plugin has a success that was due after an instant."""
    until(lambda: last_due(trial) > after, what=f"successes due after {after}")


def jumps(trial: Faulty) -> list[str]:
    """Give which ways the clock is noted to have gone, by the instants that it showed then."""
    return [note.subject for note in trial.notes("clock", trial.ledger)]


def clock_check(service: Service) -> list[str]:
    """Give what health has to say about the clock."""
    said: list[str] = service.status()["health"]["reasons"]
    return [reason for reason in said if "clock" in reason]


@pytest.mark.timeout(180)
def test_a_clock_that_goes_two_hours_forward_and_back_loses_nothing_and_repeats_nothing(
    trial: Faulty,
) -> None:
    with trial.service() as service:
        goes_on(trial, EPOCH)
        before = last_due(trial)
        set_clock(trial, HOURS)
        goes_on(trial, before + HOURS)
        until(lambda: jumps(trial) == ["forward"], what="a note of it")
        assert "went forward for 2 hours" in clock_check(service)[0]
        set_clock(trial, timedelta())
        until(lambda: jumps(trial) == ["back", "forward"], what="a note of it")
        (said,) = until(partial(standing, service), what="red health")
        assert "nothing is due until then" in said
        service.kill()
    with trial.service() as service:  # nothing of this is forgotten with the service
        until(partial(standing, service), what="red health")
        reached = last_due(trial)
        set_clock(trial, HOURS)
        goes_on(trial, reached)
        until(lambda: not standing(service), what="a clock that is right")
        assert service.stop() == 0
    trial.check_from_first()


def standing(service: Service) -> list[str]:
    """Give what health says of a schedule that stands still."""
    return [reason for reason in clock_check(service) if "nothing is due until" in reason]
