"""The states of plugins in a service: since when, why, and every transition written down."""

from typing import Any

import pytest

from trial import Service, Trial, until

OFTEN = {"schedule": "interval_1s"}


def moves(trial: Trial, plugin_id: str) -> list[str]:
    """Give the transitions of a plugin that were written down, without their reasons."""
    notes = trial.notes("state", trial.home.database("paper"))
    return [note.text.partition(": ")[0] for note in notes if note.subject == plugin_id]


def info(trial: Trial, plugin_id: str) -> dict[str, Any]:
    found: dict[str, Any] = trial.ask("plugins", "info", plugin_id)
    return found


def lives(trial: Trial, service: Service) -> None:
    """Lead one plugin through pause, resume, a fault, its mending, and off."""
    up = "unloaded > loading > loaded > active"
    until(lambda: moves(trial, "one") == [up], what="its first life")
    first = info(trial, "one")
    assert (first["state"], first["why"]) == ("active", "switched on by start")
    trial.ask("pause", "one", "--why", "odd data")
    until(lambda: moves(trial, "one")[1:] == ["active > inactive"], what="a pause")
    paused = info(trial, "one")
    assert (paused["state"], paused["since"] > first["since"]) == ("inactive", True)
    assert "odd data" in paused["why"]
    trial.ask("resume", "one", "--why", "good again")
    until(lambda: moves(trial, "one")[2:] == ["inactive > active"], what="its end")
    assert "good again" in info(trial, "one")["why"]
    assert service.status()["plugins"]["one"]["state"] == "active"


@pytest.mark.row("A060")
@pytest.mark.row("A065")
@pytest.mark.timeout(120)
def test_a_plugin_says_since_when_it_is_in_its_state_and_why_over_restarts(trial: Trial) -> None:
    trial.plugin("one", plan=OFTEN)
    trial.plugin("two", plan={**OFTEN, "dependencies": ["nobody"]})
    trial.enable("one", "two", environment="paper")
    with trial.service() as service:
        lives(trial, service)
        until(lambda: moves(trial, "two") == ["unloaded > loading > error"], what="a fault")
        assert "nobody" in info(trial, "two")["why"]
        trial.plugin("two", plan=OFTEN)
        mended = "error > loading > loaded > active"
        until(lambda: moves(trial, "two")[1:] == [mended], what="its mending")
        trial.ask("plugins", "disable", "two")
        off = "active > inactive > unloading > unloaded"
        until(lambda: moves(trial, "two")[2:] == [off], what="its end")
        assert "switched off by" in info(trial, "two")["why"]
        before = info(trial, "one")
        service.kill()
    with trial.service():
        after = info(trial, "one")
    assert {key: before[key] for key in ("state", "since", "why")} == {
        key: after[key] for key in ("state", "since", "why")
    }
    assert len(moves(trial, "one")) == 3


SHY = """\
from pathlib import Path
from optifire.plugins import Plugin, PluginMetadata, PluginResult

class Shy(Plugin):
    def describe(self):
        return PluginMetadata.create(plugin_id="shy", name="shy", version="1", description="d")

    def plan(self):
        return {"schedule": "@manual"}

    async def start(self, context):
        if not (context.data_dir / "go").exists():
            raise RuntimeError("no line")

    async def run(self, context):
        return PluginResult(success=True)
"""


def test_a_plugin_whose_start_hook_fails_is_at_fault_until_it_succeeds(trial: Trial) -> None:
    trial.replace(trial.root / "mine" / "shy" / "impl.py", SHY)
    trial.enable("shy", environment="paper")
    with trial.service() as service:
        until(lambda: moves(trial, "shy")[1:] == ["active > error"], what="a fault")
        found = service.status()["plugins"]["shy"]
        assert found["state"] == info(trial, "shy")["state"] == "error"
        assert found["reason"] == "could not be started: RuntimeError: no line"
        (trial.home.data / "plugins" / "shy").mkdir(parents=True, exist_ok=True)
        (trial.home.data / "plugins" / "shy" / "go").touch()
        back = ["active > error", "error > loading > loaded > active"]
        until(lambda: moves(trial, "shy")[1:] == back, what="a start that succeeds")
        assert service.status()["plugins"]["shy"]["state"] == "active"


LEAVES = """\
from optifire.plugins import Plugin, PluginMetadata, PluginResult

class Leaves(Plugin):
    def describe(self):
        return PluginMetadata.create(
            plugin_id=NAME, name=NAME, version="1", description="d", dependencies=NEEDS
        )

    def plan(self):
        return {"schedule": "@manual"}

    async def stop(self, context):
        (context.data_dir / "left").touch()

    async def run(self, context):
        return PluginResult(success=True)
"""
ORDER = {"b": ["a"], "a": ["c"], "c": []}


@pytest.mark.row("A066")
def test_residents_are_ended_before_those_that_they_need(trial: Trial) -> None:
    for name, needs in ORDER.items():
        text = LEAVES.replace("NAME", repr(name)).replace("NEEDS", repr(needs))
        trial.replace(trial.root / "mine" / name / "impl.py", text)
    trial.enable(*ORDER, environment="paper")
    with trial.service() as service:
        service.until_status(lambda said: said["processes"]["residents"] == 3, what="all of them")
        assert service.stop(within=20) == 0
    left = {name: trial.home.data / "plugins" / name / "left" for name in ORDER}
    assert sorted(ORDER, key=lambda name: left[name].stat().st_mtime_ns) == ["b", "a", "c"]
