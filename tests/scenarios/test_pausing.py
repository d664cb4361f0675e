"""A person pauses plugins by command: nothing of them runs, everybody is told, a restart too."""

from pathlib import Path

import pytest

from optifire.core.ledger import RunRow
from optifire.core.run import RunKind
from optifire.runtime.clock import wall_now
from trial import Trial, until

EACH_SECOND = {"schedule": "interval_1s", "calendar": "24/7"}
STREAM = """\
import asyncio
await asyncio.Event().wait()
"""


def ledger(trial: Trial) -> Path:
    return trial.home.database("paper")


def rows(trial: Trial, name: str) -> list[RunRow]:
    return trial.runs(ledger(trial), plugin_id=name, kind=RunKind.SCHEDULED)


def wait_for(trial: Trial, name: str, status: str) -> RunRow:
    """Wait for a run that is due from now on and ends so."""
    since = wall_now()

    def look() -> RunRow | None:
        own = [row for row in rows(trial, name) if row.key.due > since and row.status == status]
        return own[0] if own else None

    return until(look, what=f"a run of {name} that is {status}")


@pytest.fixture
def two(trial: Trial) -> Trial:
    """Give a home on the wall clock with two plugins that run each second."""
    for name in ("one", "two"):
        trial.plugin(name, plan=EACH_SECOND)
    trial.enable("one", "two", environment="paper")
    return trial


@pytest.mark.timeout(120)
def test_one_is_paused_by_the_service_over_a_restart_until_it_is_resumed(two: Trial) -> None:
    with two.service() as service:
        wait_for(two, "one", "succeeded")
        said = two.ask("pause", "one", "--why", "odd data")
        assert (said["changed"], said["all"], said["alone"]) == (["one"], False, ["one"])
        pause = said["paused"]
        assert pause.startswith("since 20")
        assert pause.endswith(": odd data")
        assert str(wait_for(two, "one", "skipped").reason) == f"paused: {pause}"
        wait_for(two, "two", "succeeded")
        again = two.ask("pause", "one", "--why", "another reason")
        assert (again["changed"], again["paused"]) == ([], pause)
        status = service.status()
        assert status["health"]["level"] == "green"
        plugin = status["plugins"]["one"]
        assert (plugin["state"], plugin["paused"]) == ("inactive", pause)
        assert plugin["reason"] == f"paused {pause}"
        asked = two.ask("why", "one")
        assert (asked["status"], asked["paused"]) == ("skipped", pause)
        assert f"held     paused {pause}" in two.give("why", "one").stdout
        info = two.ask("plugins", "info", "one")
        assert (info["state"], info["paused"]) == ("inactive", pause)
        assert " paused " in two.give("status").stdout
        service.kill()
    with two.service() as service:
        assert service.status()["plugins"]["one"]["paused"] == pause
        assert str(wait_for(two, "one", "skipped").reason) == f"paused: {pause}"
        assert two.ask("run", "one")["status"] == "succeeded"
        assert two.ask("resume", "one", "--why", "right again")["changed"] == ["one"]
        wait_for(two, "one", "succeeded")
        assert service.status()["plugins"]["one"]["paused"] is None
        assert service.stop() == 0
    (note,) = two.notes("resumed", ledger(two))
    assert note.text.endswith(": right again")
    paused = [row for row in rows(two, "one") if row.status == "skipped"]
    assert all(row.key.due < note.at for row in paused)
    first = paused[0].key.due
    ran = [row for row in rows(two, "one") if row.status == "succeeded"]
    assert not [row for row in ran if first <= row.key.due < note.at]


@pytest.mark.timeout(120)
def test_all_are_paused_streams_too_and_health_is_amber(two: Trial) -> None:
    two.plugin("flows", STREAM, plan={"schedule": "@continuous"})
    two.enable("one", "two", "flows", environment="paper")

    def flowing() -> list[RunRow]:
        return [row for row in rows(two, "flows") if row.status == "running"]

    with two.service() as service:
        until(flowing, what="a stream")
        two.ask("pause", "two")
        said = two.ask("pause", "--all", "--why", "moving house")
        assert said["changed"] == ["*"]
        health = service.status()["health"]
        assert health == {
            "level": "amber",
            "reasons": [f"all plugins are paused {said['paused']}"],
        }
        until(lambda: not flowing(), what="an end of the stream")
        (ended,) = rows(two, "flows")
        assert str(ended.reason) == "cancelled: it was paused"
        assert str(wait_for(two, "one", "skipped").reason) == f"paused: {said['paused']}"
        done = two.give("resume", "one")
        assert done.returncode == 0
        assert "one was not paused by itself" in done.stdout
        assert "all plugins are paused; `optifire resume --all`" in done.stderr
        done = two.give("resume", "--all")
        assert "everything is resumed" in done.stdout
        assert "paused by themselves, and still so: two" in done.stderr
        until(flowing, what="the stream again")
        wait_for(two, "one", "succeeded")
        wait_for(two, "two", "skipped")
        assert service.status()["health"]["level"] == "green"
        assert service.stop() == 0


@pytest.mark.timeout(120)
def test_without_a_service_it_is_written_down_and_nothing_is_made_up_for(two: Trial) -> None:
    with two.service() as service:
        wait_for(two, "one", "succeeded")
        assert service.stop() == 0
    assert two.ask("pause", "one")["changed"] == ["one"]
    assert two.ask("pause", "one")["changed"] == []
    assert two.ask("status")["plugins"]["one"]["paused"]
    assert two.ask("resume", "one")["changed"] == ["one"]
    pause, resume = two.notes("paused", ledger(two)), two.notes("resumed", ledger(two))
    with two.service() as service:
        wait_for(two, "one", "succeeded")
        assert service.stop() == 0
    ran = [row for row in rows(two, "one") if row.status == "succeeded"]
    assert not [row for row in ran if pause[0].at <= row.key.due < resume[0].at]


def test_a_pause_of_nobody_one_and_all_or_an_unknown_plugin_is_an_error(two: Trial) -> None:
    assert two.refused("pause", code=2)["type"] == "UsageError"
    assert two.refused("resume", "one", "--all", code=2)["type"] == "UsageError"
    error = two.refused("pause", "onne")
    assert error["type"] == "NotFoundError"
    assert "one" in error["remedy"]
    assert two.notes("paused", ledger(two)) == []
