# ruff: noqa: S311 - chance must repeat
"""What befalls a service that runs: it is stopped, its disk is full, its files are somebody's."""

import os
import random
import resource
import signal
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from optifire.core.run import RunStatus
from optifire.runtime.clock import wall_now
from tests.chaos.accounts import EFFECTS, Faulty
from tests.chaos.strike import noted
from trial import Service, until
from trial_ledger import locked

#: Often enough that something falls due in each disaster.
WORDS: Final = dict.fromkeys(EFFECTS, "interval_1s")
#: How long a service is stopped: longer than its event loop may be late unnoticed.
STOPPED: Final = timedelta(seconds=3)


def stop(__: Faulty, service: Service, ___: random.Random) -> None:
    """Stop every thread of the service, until it has been so for 3 s, and let it notice."""
    os.kill(service.pid, signal.SIGSTOP)
    try:
        over = wall_now() + STOPPED
        until(lambda: wall_now() > over, what="3 s")
    finally:
        os.kill(service.pid, signal.SIGCONT)
    late = partial(reasons, service, "the event loop was")
    until(late, what="a service that has noticed")


def fill_disk(__: Faulty, service: Service, ___: random.Random) -> None:
    """Let no file of the service grow, until it says so."""
    _, hard = resource.prlimit(service.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(service.pid, resource.RLIMIT_FSIZE, (4096, hard))
    try:
        until(partial(reasons, service, "the ledger cannot be written"), what="red health")
    finally:
        resource.prlimit(service.pid, resource.RLIMIT_FSIZE, (hard, hard))


def fill_ledger(trial: Faulty, service: Service, _: random.Random) -> None:
    """Let the ledger have no page more, until a commit has failed for it."""
    pages = trial.faults / "pages.txt"
    trial.replace(pages, "1")
    try:
        until(partial(reasons, service, "the disk is full"), within=60, what="red health")
    finally:
        trial.replace(pages, str(2**30))


def lock(trial: Faulty, service: Service, _: random.Random) -> None:
    """Hold the lock of the ledger, until the service gives up waiting for it."""
    with locked(trial.ledger):
        until(partial(reasons, service, "locked by another process"), what="red health")


def rewrite(trial: Faulty, service: Service, chance: random.Random, *, times: int = 20) -> None:
    """Write features.yaml again and again, right and wrong; of every tenth hear what it made."""
    good = trial.features.read_text(encoding="utf-8")
    for n in range(1, times + 1):
        wrong = chance.random() < 0.5
        extra = f"    priority: {chance.randrange(1, 101)}\n" if chance.random() < 0.5 else ""
        visitor = f"  visitor:\n    enabled: {chance.choice(['true', 'false'])}\n{extra}"
        text = f"{good}{visitor}"
        trial.replace(trial.features, broken(text, chance) if wrong else text)
        if n % 10 == 0:
            refused = partial(reasons, service, "configuration not taken over")
            until(lambda: bool(refused()) is wrong, what="a file that was looked at")  # noqa: B023
    trial.replace(trial.features, good)
    until(lambda: not reasons(service, "configuration"), what="the last good file")


def broken(text: str, chance: random.Random) -> str:
    """Give a file in one of the ways in which people and editors break it."""
    cut = chance.randrange(1, len(text))
    return chance.choice(
        [
            f"{text[:cut]}\n{{",
            text.replace("enabled", "enabeld", 1),
            text.replace("true", "7", 1),
            f"\t{text}",
            f"{text}  nobody:\n    enabled: maybe\n",
            "",
        ]
    )


Disaster = Callable[[Faulty, Service, random.Random], None]
QUICK: Final[tuple[Disaster, ...]] = (stop, fill_disk, fill_ledger, rewrite)
ALL: Final[tuple[Disaster, ...]] = (*QUICK, lock)


def reasons(service: Service, words: str) -> list[str]:
    """Give the reasons in health that begin with these words, or hold them."""
    return [each for each in service.status()["health"]["reasons"] if words in each]


@pytest.mark.row("O005")
@pytest.mark.parametrize(
    ("kinds", "rounds", "rewrites"),
    [
        pytest.param(QUICK, 1, 0, marks=pytest.mark.timeout(240)),
        pytest.param(ALL, 10, 1000, marks=[pytest.mark.long, pytest.mark.timeout(3600)]),
    ],
    ids=["sample", "whole"],
)
def test_whatever_befalls_a_service_it_goes_on_and_every_occurrence_has_its_one_record(
    tmp_path: Path, kinds: tuple[Disaster, ...], rounds: int, rewrites: int
) -> None:
    trial = Faulty(tmp_path / "home", words=WORDS, environment="paper")
    trial.plugin("visitor", plan={"schedule": "interval_1s"})
    chance = random.Random(rounds)
    with trial.service() as service:
        until_works(trial, wall_now())
        for _ in range(rounds):
            for disaster in chance.sample(kinds, len(kinds)):
                disaster(trial, service, chance)
                until_works(trial, wall_now())
        if rewrites:
            rewrite(trial, service, chance, times=rewrites)
            until_works(trial, wall_now())
        assert service.stop() == 0
    trial.check_from_first()
    assert set(noted(trial.faults / "effects.txt"))


def until_works(trial: Faulty, since: datetime) -> None:
    """Wait until every plugin has a success that was due after an instant."""
    for name in EFFECTS:

        def works(name: str = name) -> bool:
            found = trial.runs(
                trial.ledger, plugin_id=name, status=str(RunStatus.SUCCEEDED), since=since
            )
            return bool(found)

        until(works, within=60, what=f"a success of {name}")
