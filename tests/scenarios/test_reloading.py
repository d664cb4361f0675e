"""What else takes effect while a service runs: closures, and the code of what lives on."""

import os
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from optifire.host.authors import person
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
