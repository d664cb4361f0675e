"""Plugins are switched and changed while the service runs, by file and by command."""

import os
import resource
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from optifire.core.run import TERMINAL, RunStatus
from optifire.host.authors import person
from optifire.runtime.clock import wall_now
from optifire.workers.wire import decode_value
from trial import Service, Trial, until

SECOND = timedelta(seconds=1)
EACH_SECOND = {"schedule": "interval_1s"}
SAYS = "return PluginResult(success=True, data={'said': %r})"

GOOD = """\
# what runs here
environment: paper
plugin_paths: [mine]
plugins:
  steady: {enabled: true}   # never touched
  other:
    # switched by hand and by command
    enabled: true
"""


@pytest.fixture
def paper(trial: Trial) -> Trial:
    """Give a home on the wall clock, with two plugins that run each second."""
    trial.plugin("steady", plan=EACH_SECOND)
    trial.plugin("other", SAYS % "old", plan=EACH_SECOND)
    trial.features.write_text(GOOD, encoding="utf-8")
    return trial


@pytest.fixture
def service(paper: Trial) -> Iterator[Service]:
    """Give its service, with both plugins known to run."""
    with paper.service() as running:
        until(lambda: {"steady", "other"} <= ran(paper), what="a run of each")
        yield running


def ledger(trial: Trial) -> Path:
    return trial.home.database("paper")


def ran(trial: Trial, since: datetime | None = None) -> set[str]:
    """Give the plugins that have succeeded, since an instant or ever."""
    found = trial.runs(ledger(trial), status="succeeded", since=since)
    return {row.key.plugin_id for row in found}


def both_ran(trial: Trial, since: datetime) -> bool:
    return {"steady", "other"} <= ran(trial, since)


def said(trial: Trial, since: datetime) -> set[Any]:
    """Give everything that the runs of `other` due since an instant have said."""
    rows = trial.runs(ledger(trial), plugin_id="other", status="succeeded", since=since)
    return {decode_value(row.outputs["said"]) for row in rows}


def switch(trial: Trial, *, on: bool) -> timedelta:
    """Switch `other` by an edit of the file, and give how long it took until it was in force."""
    kind = "enabled" if on else "disabled"
    before = len(trial.notes(kind, ledger(trial)))
    written = wall_now()
    trial.replace(
        trial.features, GOOD if on else GOOD.replace("    enabled: true", "    enabled: false")
    )
    note = until(lambda: trial.notes(kind, ledger(trial))[before:], what=f"{kind} by the file")[0]
    assert note.subject == "other"
    return note.at - written


def occurrences(trial: Trial, plugin_id: str) -> list[datetime]:
    """Give every instant that the rows of a plugin stand for, in order."""
    rows = trial.runs(ledger(trial), plugin_id=plugin_id)
    assert all(row.status in TERMINAL for row in rows)
    return sorted(
        (row.first or row.key.due) + SECOND * step for row in rows for step in range(row.count)
    )


@pytest.mark.row("O008")
@pytest.mark.row("O028")
@pytest.mark.timeout(120)
def test_a_plugin_is_switched_by_an_edit_within_a_second_and_no_run_is_lost(
    paper: Trial, service: Service
) -> None:
    pid, took = service.pid, []
    for _ in range(3):
        took += [switch(paper, on=False), switch(paper, on=True)]
    after = wall_now()
    until(lambda: {"steady", "other"} <= ran(paper, after), what="a run of each after all")
    assert service.pid == pid
    assert service.stop() == 0
    assert min(took) < SECOND  # the quickest: a busy machine may delay any of them
    steady = occurrences(paper, "steady")
    assert all(later - earlier == SECOND for earlier, later in pairwise(steady))
    assert occurrences(paper, "other") == [each for each in steady if is_on(paper, each)]


def is_on(trial: Trial, instant: datetime) -> bool:
    """Tell from the rows of the ledger whether `other` was on at an instant."""
    switches = [note for note in trial.notes(path=ledger(trial)) if note.subject == "other"]
    before = [
        note for note in switches if note.at < instant and note.kind in {"enabled", "disabled"}
    ]
    return bool(before) and before[-1].kind == "enabled"


def test_on_a_full_disk_a_plugin_can_be_switched_off_and_that_is_written_down_once_there_is_room(
    paper: Trial, service: Service
) -> None:
    before = len(paper.notes("disabled", ledger(paper)))
    _, hard = resource.prlimit(service.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(service.pid, resource.RLIMIT_FSIZE, (4096, hard))
    try:
        off = paper.give("plugins", "disable", "other")
        status = service.status()
    finally:
        resource.prlimit(service.pid, resource.RLIMIT_FSIZE, (hard, hard))
    assert "the running service has taken it over" in off.stdout
    assert "holds, but is not yet written down" in off.stderr
    assert set(status["plugins"]) == {"steady"}
    assert "holds, but is not yet written down" in " ".join(status["health"]["reasons"])
    until(lambda: paper.notes("disabled", ledger(paper))[before:], what="the row of the switch")


@pytest.mark.row("O008")
@pytest.mark.row("O062")
def test_a_plugin_is_switched_by_command_and_nothing_else_in_the_file_changes(
    paper: Trial, service: Service
) -> None:
    off = paper.ask("plugins", "disable", "other")
    wrote = paper.features.stat().st_mtime
    assert (off["ok"], off["changed"]) == (True, ["other"])
    assert paper.features.read_text(encoding="utf-8") == GOOD.replace(
        "    enabled: true", "    enabled: false"
    )
    assert "other" not in service.status()["plugins"]
    on = paper.ask("plugins", "enable", "other")
    assert (on["ok"], on["changed"]) == (True, ["other"])
    assert paper.features.read_text(encoding="utf-8") == GOOD
    changes = [(one["by"], one["key"], one["before"], one["after"]) for one in history(paper)]
    me = f"{person(os.getuid())} (command)"
    key = "plugins.other.enabled"
    assert changes == [(me, key, False, True), (me, key, True, False)]
    after = wall_now()
    until(lambda: "other" in ran(paper, after), what="a run after it was switched on again")
    notes = [note for note in paper.notes(path=ledger(paper)) if note.subject == "other"]
    notes = [note for note in notes if note.kind not in {"changed", "state"}]
    assert [note.kind for note in notes] == ["enabled", "disabled", "enabled"]
    by = [note.text for note in notes]
    written = [paper.features.stat().st_mtime, wrote]
    took = [note.at.timestamp() - at for note, at in zip(notes[:0:-1], written, strict=True)]
    assert min(took) < 1  # the quicker: a busy machine may delay either
    assert by == ["switched on by start", f"switched off by {me}", f"switched on by {me}"]


def history(trial: Trial) -> list[dict[str, Any]]:
    """Give the changes of settings that the service has accepted, newest first."""
    found: list[dict[str, Any]] = trial.ask("history")
    return found


def test_a_run_in_progress_ends_when_its_plugin_is_switched_off(trial: Trial) -> None:
    trial.plugin("slow", WAITS, plan=EACH_SECOND)
    trial.enable("slow", environment="paper")
    with trial.service():
        run = until(lambda: trial.runs(ledger(trial), status="running"), what="a run")[0].run_id
        trial.ask("plugins", "disable", "slow")
        (trial.home.data / "plugins" / "slow" / "go").touch()
        until(lambda: not trial.runs(ledger(trial), status="running"), what="its end")
    assert statuses(trial)[run] is RunStatus.SUCCEEDED


def test_disable_now_cancels_the_run_in_progress(trial: Trial) -> None:
    trial.plugin("slow", WAITS, plan=EACH_SECOND)
    trial.enable("slow", environment="paper")
    with trial.service():
        run = until(lambda: trial.runs(ledger(trial), status="running"), what="a run")[0].run_id
        trial.ask("plugins", "disable", "slow", "--now")
        until(lambda: not trial.runs(ledger(trial), status="running"), what="its end")
    assert statuses(trial)[run] is RunStatus.CANCELLED


def statuses(trial: Trial) -> dict[str, RunStatus]:
    return {row.run_id: row.status for row in trial.runs(ledger(trial))}


WAITS = """\
import asyncio
while not (context.data_dir / "go").exists():
    await asyncio.sleep(0.01)
return PluginResult(success=True)
"""

BROKEN: dict[str, tuple[str | bytes, str, str]] = {
    "a typo in flow style": (
        GOOD.replace("{enabled: true}", "{enabeld: true}"),
        "features.yaml:5",
        "enabled",
    ),
    "a typo in a key": (
        GOOD.replace("    enabled: true", "    enable: true"),
        "features.yaml:8",
        "enabled",
    ),
    "a wrong type": (
        GOOD.replace("    enabled: true", "    enabled: maybe"),
        "features.yaml:8",
        "true",
    ),
    "a wrong word": (GOOD + "    schedule: '@opne'\n", "features.yaml:9", "@open"),
    "an impossible offset": (GOOD + "    schedule: '@open-30m-30m'\n", "features.yaml:9", "@open"),
    "an id nobody has": (GOOD + "  othre: {enabled: true}\n", "features.yaml:9", "other"),
    "a key said twice": (GOOD + "    enabled: false\n", "features.yaml:9", "enabled"),
    "half of it": (
        GOOD[: GOOD.index("paper") + 5] + "\nplugins: {steady: {enab",
        "features.yaml:3",
        "",
    ),
    "no mapping": ("- steady\n", "features.yaml:1", ""),
    "another environment": (GOOD.replace("paper", "demo"), "features.yaml:2", "Restart"),
    "bytes that are no text": (GOOD.encode() + b"# \xff\xfe\n", "features.yaml", "UTF-8"),
}


@pytest.mark.row("O008")
@pytest.mark.timeout(240)
def test_a_broken_file_changes_nothing_turns_health_red_and_is_forgotten_once_mended(
    paper: Trial, service: Service
) -> None:
    for kind, (text, where, hint) in BROKEN.items():
        paper.features.write_bytes(text if isinstance(text, bytes) else text.encode())
        health = service.until_status(red, what=f"red health after {kind}")
        reason = " ".join(health["reasons"])
        assert where in reason, kind
        assert hint in reason, kind
        after = wall_now()
        until(partial(both_ran, paper, after), what="runs as before")
        paper.features.write_text(GOOD, encoding="utf-8")
        service.until_status(green, what=f"green health after {kind}")
    assert {note.kind for note in paper.notes(path=ledger(paper))} == {
        "enabled",
        "changed",
        "start",
        "state",
    }


def green(status: dict[str, Any]) -> bool:
    return bool(status["health"]["level"] == "green")


def test_a_file_that_was_cut_to_nothing_switches_nothing_off(
    paper: Trial, service: Service
) -> None:
    paper.features.write_text("", encoding="utf-8")
    health = service.until_status(red, what="red health", within=5)
    assert "features.yaml" in " ".join(health["reasons"])
    assert paper.notes("disabled", ledger(paper)) == []


def red(status: dict[str, Any]) -> dict[str, Any] | None:
    health: dict[str, Any] = status["health"]
    return health if health["level"] == "red" else None


def test_a_file_that_is_gone_changes_nothing_until_it_is_back(
    paper: Trial, service: Service
) -> None:
    paper.features.unlink()
    health = service.until_status(red, what="red health")
    assert "features.yaml" in " ".join(health["reasons"])
    after = wall_now()
    until(lambda: {"steady", "other"} <= ran(paper, after), what="runs as before")
    paper.features.write_text(GOOD, encoding="utf-8")
    service.until_status(green, what="green health")


def test_another_schedule_and_budget_hold_from_the_next_occurrence_on(
    paper: Trial, service: Service
) -> None:
    budget = {"cpu_ms": 123, "mem_mb": 45}
    paper.features.write_text(GOOD + f"    budget: {budget}\n", encoding="utf-8")
    service.until_status(
        lambda status: status["plugins"]["other"]["budget"] == budget, what="the budget in force"
    )
    after = wall_now()
    until(lambda: "other" in ran(paper, after), what="a run with the new budget")
    row = paper.runs(ledger(paper), plugin_id="other", status="succeeded", since=after)[0]
    assert row.budget is not None
    assert (row.budget.cpu_ms, row.budget.mem_mb) == (123, 45)
    paper.features.write_text(GOOD + "    schedule: interval_1h\n", encoding="utf-8")
    hour = service.until_status(lambda status: next_of(status, "interval_1h"), what="the schedule")
    assert datetime.fromisoformat(hour).astimezone(UTC).minute == 0
    after = wall_now()
    until(lambda: "steady" in ran(paper, after + 3 * SECOND), what="seconds that pass")
    due = [row.key.due for row in paper.runs(ledger(paper), plugin_id="other", since=after)]
    assert all(each.minute == each.second == 0 for each in due)


def next_of(status: dict[str, Any], word: str) -> str | None:
    return next((one["due"] for one in status["next"] if one["trigger"] == word), None)


def test_new_code_is_used_from_the_next_occurrence_on(paper: Trial, service: Service) -> None:
    began = wall_now() - 5 * SECOND
    assert said(paper, began) == {"old"}
    paper.plugin("other", SAYS % "new", plan=EACH_SECOND)
    until(lambda: "new" in said(paper, began), what="a run of the new code")
    first = next(
        row.key.due
        for row in paper.runs(ledger(paper), plugin_id="other", status="succeeded")
        if decode_value(row.outputs["said"]) == "new"
    )
    until(lambda: "other" in ran(paper, first + 2 * SECOND), what="further runs")
    assert said(paper, first) == {"new"}
    assert service.status()["health"]["level"] == "green"


FAULTS = {
    "def broken(:\n": "impl.py:1",
    "import nowhere_to_be_found\n": "nowhere_to_be_found",
    "raise RuntimeError('not today')\n": "not today",
    "": "impl.py",
}


@pytest.mark.timeout(120)
def test_broken_new_code_turns_health_amber_while_the_old_goes_on(
    paper: Trial, service: Service
) -> None:
    began = wall_now() - 5 * SECOND
    for text, where in FAULTS.items():
        paper.replace(paper.root / "mine" / "other" / "impl.py", text)
        health = service.until_status(amber, what=f"amber health after {text!r}")
        reason = " ".join(health["reasons"])
        assert where in reason
        assert "other" in reason
        after = wall_now()
        until(partial(both_ran, paper, after), what="further runs")
        assert said(paper, began) == {"old"}
        paper.plugin("other", SAYS % "old", plan=EACH_SECOND)
        service.until_status(green, what="green health")
    paper.plugin("other", SAYS % "mended", plan=EACH_SECOND)
    until(lambda: "mended" in said(paper, began), what="a run of the mended code")


def amber(status: dict[str, Any]) -> dict[str, Any] | None:
    health: dict[str, Any] = status["health"]
    return health if health["level"] == "amber" else None


def test_a_new_plugin_folder_is_found_while_the_service_runs(
    paper: Trial, service: Service
) -> None:
    paper.plugin("third", plan=EACH_SECOND)
    paper.features.write_text(GOOD + "  third: {enabled: true}\n", encoding="utf-8")
    until(lambda: "third" in ran(paper), what="a run of the new plugin")
    assert service.status()["health"]["level"] == "green"
