"""Plugins that attack: each ends as it must with a reason, and nobody else notices."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

import pytest

from optifire.core.ledger import RunRow
from optifire.core.run import RunStatus
from tests.chaos.attacks import ATTACKS, HIT, KILLERS
from tests.chaos.siege import (
    GOOD,
    NOISE,
    Look,
    Siege,
    look,
    more_open,
    steady_look,
    strays,
    zombies,
)
from trial import Trial, until

pytestmark = pytest.mark.timeout(240)


@dataclass(frozen=True)
class Seen:
    """What was left of a siege when it was over."""

    siege: Siege
    before: Look
    after: Look
    more_open: Counter[str]
    code: int


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Give what a service looks like that every attacker attacks twice, at the same instants."""
    siege = Siege(Trial(tmp_path_factory.mktemp("siege") / "home"), ATTACKS, period=4)
    with siege.trial.service() as service:
        siege.until_good()
        siege.until_good(after=siege.attack())
        before = steady_look(service)  # with what is made once: threads, readers of the ledger
        siege.until_good(after=siege.attack())
        until(lambda: not strays(siege.trial) and not zombies(service), what="nobody left behind")
        more = more_open(service, before)
        after = look(service)
        code = service.stop()
    return Seen(siege, before, after, more, code)


def said(row: RunRow) -> str:
    """Give all that a record says of how its run ended."""
    return f"{row.reason or ''} {row.failure.message if row.failure else ''}"


@pytest.mark.row("O006")
@pytest.mark.row("A100")
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_ends_as_it_must_and_says_why(seen: Seen, name: str) -> None:
    attack = ATTACKS[name]
    rows = [row for row in seen.siege.ended(name) if row.attempts]
    assert rows
    for row in rows:
        assert row.status in {attack.status, attack.also}, said(row)
        assert attack.says in said(row)


@pytest.mark.parametrize("name", GOOD)
def test_every_other_run_is_on_time_meanwhile(seen: Seen, name: str) -> None:
    rows = seen.siege.rows(name)
    assert {row.status for row in rows} == {RunStatus.SUCCEEDED}
    dues = [row.key.due for row in rows]
    assert dues == [dues[0] + n * timedelta(seconds=seen.siege.period) for n in range(len(dues))]


def test_the_memory_of_the_service_returns_to_where_it_was(seen: Seen) -> None:
    assert seen.after.memory < seen.before.memory + NOISE


def test_no_descriptor_is_lost(seen: Seen) -> None:
    assert seen.more_open == Counter()


def test_nothing_of_a_pickle_is_carried_out(seen: Seen) -> None:
    folder = seen.siege.trial.home.data / "plugins" / "answers_a_pickle"
    assert folder.is_dir()
    assert list(folder.iterdir()) == []


def test_the_service_ends_in_order_afterwards(seen: Seen) -> None:
    assert seen.code == 0


@pytest.mark.parametrize(
    "name",
    [
        "kills_its_parent",
        *(
            pytest.param(each, marks=pytest.mark.long)
            for each in sorted(KILLERS.keys() - {"kills_its_parent"})
        ),
    ],
)
def test_who_kills_others_hits_those_runs_and_no_later_one(trial: Trial, name: str) -> None:
    """Nothing here keeps one process of a user from another: what was hit is told, and goes on."""
    siege = Siege(trial, {name: KILLERS[name]}, period=2)
    with trial.service() as service:
        siege.until_good()
        before = look(service)
        last = siege.attack(name)
        siege.until_good(after=last)
        until(lambda: not strays(siege.trial) and not zombies(service), what="nobody left behind")
        assert look(service).memory < before.memory + NOISE
        assert service.stop() == 0
    for row in siege.ended(name)[:1]:
        assert (row.status, KILLERS[name].says in said(row)) == (KILLERS[name].status, True)
    for row in siege.ended("good"):
        hit = row.status is not RunStatus.SUCCEEDED
        assert not hit or row.key.due < last
        assert not hit or row.status is RunStatus.SKIPPED or said(row).endswith(HIT)
    assert {row.status for row in siege.ended("good_with_data")} == {RunStatus.SUCCEEDED}
