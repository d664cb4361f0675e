"""What else takes effect while a service runs: closures, and the code of what lives on."""

import os
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from optifire.host.authors import person
from optifire.runtime.clock import wall_now
from optifire.workers.wire import decode_value
from trial import Service, Trial, until

NEW_YORK = ZoneInfo("America/New_York")
STAYS = """\
from optifire.plugins import Plugin, PluginMetadata, PluginResult

class Stays(Plugin):
    def describe(self):
        return PluginMetadata.create(plugin_id="stays", name="s", version="1", description="d")

    def plan(self):
        return {"schedule": "interval_1s"}

    async def start(self, context):
        self.began = SAYS

    async def stop(self, context):
        (context.data_dir / f"stopped_{self.began}").touch()

    async def run(self, context):
        return PluginResult(success=True, data={"said": [self.began, SAYS]})
"""


def opening(service: Service) -> datetime:
    """Give when `bell` is due next."""
    due = service.until_status(
        lambda said: next((one["due"] for one in said["next"] if one["plugin_id"] == "bell"), None)
    )
    return datetime.fromisoformat(due)


def changes(trial: Trial) -> list[tuple[Any, ...]]:
    found = trial.ask("history")
    return [(one["by"], one["file"], one["key"], one["before"], one["after"]) for one in found]


def test_a_day_that_is_declared_closed_moves_what_is_due_and_is_in_the_history(
    trial: Trial,
) -> None:
    trial.plugin("bell", plan={"schedule": "@open"})
    trial.enable("bell", environment="paper")
    file = trial.home.closures
    with trial.service() as service:
        first = opening(service)
        day = str(first.astimezone(NEW_YORK).date())
        trial.ask("calendar", "close", day, "--why", "a storm")
        until(lambda: opening(service) > first, what="another day")
        trial.replace(file, f"XNYS:\n  - {{date: {day}}}\n")
        reasons = service.until_status(
            lambda said: said["health"]["reasons"] if said["health"]["level"] == "red" else None
        )
        assert "closures.yaml:2" in " ".join(reasons)
        assert opening(service) > first
        file.unlink()
        until(lambda: opening(service) == first, what="the first day again")
        row = {"date": day, "why": "a storm"}
        me = f"{person(os.getuid())} (command)"
        assert changes(trial) == [
            ("file", "closures.yaml", "XNYS", [row], None),
            (me, "closures.yaml", "XNYS", None, [row]),
        ]
        assert service.status()["health"]["level"] == "green"


def said(trial: Trial) -> list[list[str]]:
    """Give what the runs of `stays` have said, in their order."""
    rows = trial.runs(trial.home.database("paper"), plugin_id="stays", status="succeeded")
    return [decode_value(row.outputs["said"]) for row in rows]


@pytest.mark.timeout(120)
def test_new_code_of_what_lives_on_has_a_new_process_and_broken_code_has_none(
    trial: Trial,
) -> None:
    impl = trial.root / "mine" / "stays" / "impl.py"
    trial.replace(impl, STAYS.replace("SAYS", "'old'"))
    trial.enable("stays", environment="paper")
    with trial.service() as service:
        until(lambda: said(trial), what="a run of the old code")
        pid = service.status()["plugins"]["stays"]["resident"]["pid"]
        trial.replace(impl, "def broken(:\n")
        reasons = service.until_status(
            lambda now: now["health"]["reasons"] if now["health"]["level"] == "amber" else None
        )
        assert "impl.py:1" in " ".join(reasons)
        count = len(said(trial))
        until(lambda: len(said(trial)) > count + 1, what="further runs of the old code")
        trial.replace(impl, STAYS.replace("SAYS", "'new'"))
        until(lambda: said(trial)[-1] == ["new", "new"], what="a run of the new code")
        assert service.status()["plugins"]["stays"]["resident"]["pid"] != pid
        assert service.stop(within=20) == 0
    told = said(trial)
    assert [one for one in told if one not in (["old", "old"], ["new", "new"])] == []
    assert told == sorted(told, reverse=True)  # old before new, and never back
    folder = trial.home.data / "plugins" / "stays"
    assert sorted(file.name for file in folder.glob("stopped_*")) == ["stopped_new", "stopped_old"]


ON, OFF = "enabled: true", "enabled: false"
KEY = "plugins.other.enabled"
ME = person(os.getuid())


@pytest.fixture
def paper(trial: Trial) -> Trial:
    """Give a home on the wall clock with one plugin on."""
    trial.plugin("other", plan={"schedule": "@manual"})
    trial.enable("other", environment="paper")
    return trial


def switched(trial: Trial, kind: str) -> list[str]:
    """Give what the rows of a ledger say of who was switched on or off, and by whom."""
    return [note.text for note in trial.notes(kind, trial.home.database("paper"))]


@pytest.mark.row("O008")
@pytest.mark.row("O043")
def test_an_edit_by_hand_is_in_the_history_with_the_owner_of_the_file(paper: Trial) -> None:
    with paper.service():
        draft = paper.root / "draft"
        draft.write_text(paper.features.read_text().replace(ON, OFF), encoding="utf-8")
        draft.chmod(0o644)
        written = wall_now()
        draft.replace(paper.features)
        said = until(lambda: switched(paper, "disabled"), what="off by the file")
        found = paper.ask("history")
    assert said == [f"switched off by {ME} (file)"]
    assert changes(paper) == [(f"{ME} (file)", "features.yaml", KEY, True, False)]
    assert written <= datetime.fromisoformat(found[0]["at"])


def test_an_edit_while_no_service_ran_is_in_the_history_of_the_next_start(paper: Trial) -> None:
    with paper.service():
        pass
    paper.ask("plugins", "disable", "other")
    with paper.service() as again:
        assert again.stop() == 0
    assert changes(paper) == [(f"{ME} (command)", "features.yaml", KEY, True, False)]
    assert switched(paper, "disabled")[-1] == f"switched off by {ME} (command)"


def test_what_needs_a_restart_is_named_until_the_service_is_started_again(paper: Trial) -> None:
    paper.configure(system={"concurrency": 2})
    with paper.service() as first:
        paper.configure(system={"concurrency": 3, "log_level": "DEBUG"})
        said = first.until_status(lambda status: status["restart"], what="a restart that is needed")
        assert said == ["system.concurrency needs a restart: 2 is in force, 3 comes then"]
        health = first.status()["health"]
        assert health["level"] == "amber"
        assert said[0] in " ".join(health["reasons"])
        assert said[0] in first.said()
        assert switched(paper, "restart") == said
        assert first.stop() == 0
    with paper.service() as second:
        status = second.status()
        assert status["restart"] == []
        assert status["health"]["level"] == "green"
