"""A plugin at fault is named with place and remedy, and everything else goes on."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from optifire.core.run import RunStatus
from trial import Trial, until

DAYS = ("--from", "2018-01-02", "--to", "2018-01-05")
AT_OPEN: Mapping[str, object] = {"schedule": "@open"}
DESCRIBES = "        return PluginMetadata.create("


#: A maker of a plugin at fault, whose id it is given.
Make = Callable[[Trial, str], object]


@dataclass(frozen=True)
class Fault:
    """How a plugin is made, and what must be said of it: file or key, what, and what to do."""

    make: Make
    where: str
    message: str
    remedy: str


def planned(**plan: object) -> Make:
    return lambda trial, name: trial.plugin(name, plan={**AT_OPEN, **plan})


def headed(text: str) -> Make:
    return lambda trial, name: trial.plugin(name, plan=AT_OPEN, head=text)


def describing(line: str) -> Make:
    """Give a maker of a plugin whose `describe` begins with a line of its own."""

    def make(trial: Trial, name: str) -> None:
        file = trial.plugin(name, plan=AT_OPEN)
        text = file.read_text(encoding="utf-8")
        trial.replace(file, text.replace(DESCRIBES, f"        {line}\n{DESCRIBES}"))

    return make


def twins(trial: Trial, name: str) -> None:
    file = trial.plugin(name, plan=AT_OPEN)
    trial.replace(trial.root / "mine" / "group" / name / "impl.py", file.read_text("utf-8"))


DEPENDENCIES = "/impl.py: plan(): dependencies"
FAULTS = {
    "unknown_word": Fault(
        planned(schedule="@opne"), "/impl.py: plan(): schedule", "'@opne'", "@open"
    ),
    "impossible_offset": Fault(
        planned(schedule="@open+9h"), "/impl.py: plan(): schedule", "'@open+9h'", "6 hours 30"
    ),
    "never_fires": Fault(
        planned(schedule="0 0 30 2 *"), "/impl.py: plan(): schedule", "'0 0 30 2 *'", "five"
    ),
    "unknown_key": Fault(
        planned(shedule="@close"), "/impl.py: plan(): shedule", "'shedule'", "schedule"
    ),
    "missing_dependency": Fault(
        planned(dependencies=["nobody_makes_this"]), DEPENDENCIES, "'nobody_makes_this'", "output"
    ),
    "ring": Fault(
        planned(dependencies=["gnir"]), DEPENDENCIES, "gnir -> ring -> gnir", "Remove one"
    ),
    "gnir": Fault(
        planned(dependencies=["ring"]), DEPENDENCIES, "gnir -> ring -> gnir", "Remove one"
    ),
    "two_producers": Fault(
        planned(dependencies=["shared"]), DEPENDENCIES, "first and second", "first.shared"
    ),
    "two_folders": Fault(twins, "two_folders", "two sources", "plugins.two_folders.source"),
    "syntax_error": Fault(headed("x = 1\ndef y(:\n"), "/impl.py:2", "SyntaxError", "Correct"),
    "import_error": Fault(headed("import pandsa\n"), "/impl.py:1", "pandsa", "Correct"),
    "describe_raises": Fault(
        describing("raise KeyError('no such thing')"), "/impl.py:6", "no such thing", "Correct"
    ),
    "describe_gives_a_dict": Fault(
        describing("return {'plugin_id': 'x'}"), "/impl.py", "dict", "PluginMetadata"
    ),
    "describe_ends_its_process": Fault(
        describing("import os; os._exit(3)"), "/impl.py", "ended its process", "describe()"
    ),
}


@dataclass(frozen=True)
class Ward:
    """A home full of plugins at fault and one that is well, and what the program says of it."""

    trial: Trial
    errors: list[dict[str, str]]
    listed: dict[str, dict[str, Any]]
    statuses: dict[str, dict[str, int]]


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Ward:
    """Give a home with every fault at once."""
    trial = Trial(tmp_path_factory.mktemp("ward") / "home")
    trial.plugin("good", plan=AT_OPEN)
    for name in ("first", "second"):
        trial.plugin(name, plan=AT_OPEN, outputs=["shared"])
    for name, fault in FAULTS.items():
        fault.make(trial, name)
    trial.enable("good", "first", "second", *FAULTS)
    lint = trial.give("lint", "--json")
    assert lint.returncode == 1
    errors = [one for one in json.loads(lint.stdout) if one["level"] == "error"]
    listed = {one["plugin_id"]: one for one in trial.ask("plugins", "list")}
    return Ward(trial, errors, listed, trial.ask("replay", *DAYS)["statuses"])


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", FAULTS)
def test_a_plugin_at_fault_is_named_with_place_and_remedy(ward: Ward, name: str) -> None:
    fault = FAULTS[name]
    (said,) = (one for one in ward.errors if name in one["where"].split("impl.py")[0])
    assert said["where"].endswith(fault.where)
    assert fault.message in said["message"]
    assert fault.remedy in said["remedy"]
    assert ward.listed[name]["state"] == "error"
    assert fault.message in ward.listed[name]["reason"]


@pytest.mark.timeout(180)
def test_plugins_without_fault_run_beside_any_number_that_have_one(ward: Ward) -> None:
    assert ward.statuses == {name: {"succeeded": 4} for name in ("first", "good", "second")}


def test_a_replay_of_a_plugin_at_fault_says_what_is_wrong_with_it(ward: Ward) -> None:
    error = ward.trial.refused("replay", *DAYS, "--plugins", "good,unknown_word")
    assert "'@opne' is not a schedule word" in error["message"]


def test_a_service_with_plugins_at_fault_is_amber_and_runs_the_others(trial: Trial) -> None:
    trial.plugin("good", plan=AT_OPEN)
    trial.plugin("bad", plan={"schedule": "@opne"})
    trial.enable("good", "bad")
    trial.configure(demo={"from": "2018-01-29", "to": "2018-02-02"})
    with trial.service() as service:
        service.until_finished()
        said = service.status()
        assert service.stop() == 0
    assert said["health"]["level"] == "amber"
    assert "'@opne' is not a schedule word" in said["health"]["reasons"][0]
    assert said["plugins"]["bad"]["state"] == "error"
    assert [row.status for row in trial.runs(plugin_id="good")] == [RunStatus.SUCCEEDED] * 5
    assert trial.runs(plugin_id="bad") == []


def test_a_replay_leaves_a_row_for_each_plugin_that_it_could_not_load(
    trial: Trial, tmp_path: Path
) -> None:
    trial.plugin("good", plan=AT_OPEN)
    trial.plugin("bad", plan={"schedule": "@opne"})
    trial.enable("good", "bad")
    db = tmp_path / "replay.db"
    trial.ask("replay", *DAYS, "--db", str(db))
    (note,) = trial.notes("left_out", db)
    assert note.subject == "bad"
    assert "'@opne' is not a schedule word" in note.text


def test_a_plugin_that_observes_the_machine_is_refused_where_it_is_named(trial: Trial) -> None:
    trial.enable("infra_heartbeat")
    error = trial.refused("replay", *DAYS, "--plugins", "infra_heartbeat")
    assert error["where"] == "--plugins"
    assert "observes the machine" in error["message"]


def test_a_plugin_that_is_off_is_refused_where_it_is_named(trial: Trial) -> None:
    trial.enable("infra_heartbeat")
    error = trial.refused("replay", *DAYS, "--plugins", "fe_garch")
    assert "switched off" in error["message"]
    assert "plugins enable fe_garch" in error["remedy"]


#: What a run gives, and what must be said of it: the key or call, and the type.
RESULTS = {
    "an_object": ("PluginResult(True, {'when': object()})", 'data["when"]', "object"),
    "a_set_inside": ("PluginResult(True, {'deep': [1, {'x': {1}}]})", 'data["deep"]', "set"),
    "a_key_of_number": ("PluginResult(True, {1: 2})", "key 1", "text"),
    "a_number": ("3", "run()", "int"),
    "nothing": ("None", "run()", "NoneType"),
}


def test_a_result_that_cannot_be_recorded_fails_its_run_alone_naming_key_and_type(
    trial: Trial, tmp_path: Path
) -> None:
    trial.plugin("good", plan=AT_OPEN)
    for name, (made, *_) in RESULTS.items():
        trial.plugin(name, f"return {made}", plan=AT_OPEN)
    trial.enable("good", *RESULTS)
    db = tmp_path / "replay.db"
    statuses = trial.ask("replay", *DAYS, "--db", str(db))["statuses"]
    assert statuses == {"good": {"succeeded": 4}} | {name: {"failed": 4} for name in RESULTS}
    for name, (_, key, type_) in RESULTS.items():
        failure = trial.runs(db, plugin_id=name)[0].failure
        assert failure is not None
        assert failure.type == "ContractError"
        assert failure.message.startswith(f"{name}: ")
        assert key in failure.message
        assert type_ in failure.message


def test_a_plugin_that_raises_fails_alone_in_a_running_service(trial: Trial) -> None:
    trial.plugin("good", plan=AT_OPEN)
    trial.plugin("bad", "raise ValueError('not today')", plan=AT_OPEN)
    trial.enable("good", "bad")
    trial.configure(demo={"from": "2018-01-29", "to": "2018-01-29"})
    with trial.service() as service:
        service.until_finished()
        until(lambda: len(trial.runs()) == 2, what="both runs")
    by_id = {str(row.key.plugin_id): row for row in trial.runs()}
    assert by_id["good"].status is RunStatus.SUCCEEDED
    assert by_id["bad"].status is RunStatus.FAILED
    why = trial.ask("why", "bad")
    assert why["status"] == "failed"
    assert "not today" in why["reason"]
