"""The rules bite: each plugin that is broken on purpose is found, by the rule that it breaks."""

import asyncio
import json
import subprocess
import sys
import unittest
from collections.abc import Callable
from pathlib import Path

import pytest

from optifire.host.findings import Finding, Level
from optifire.plugins.alpha_vix_regime.impl import AlphaVixRegime
from optifire.plugins.alpha_vrp.impl import AlphaVrp
from optifire.testing import PluginContract, check_folder
from optifire.testing.conformance import check
from optifire.testing.conformance.rules import RULES

BROKEN = Path(__file__).parent / "broken"
#: For each broken plugin the rules that it breaks, and no others.
BREAKS = {
    "deaf": {"ends_when_told"},
    "describe_changes": {"describe_is_pure"},
    "describe_no_metadata": {"describe_is_pure"},
    "describe_raises": {"describe_is_pure"},
    "describe_reads": {"describe_is_pure"},
    "fails_without_data": {"no_data_no_answer"},
    "import_error": {"loads"},
    "invents_data": {"no_data_no_answer"},
    "keeps_state": {"same_again"},
    "knows_machinery": {"knows_no_machinery"},
    "no_budget": {"budget_is_set"},
    "no_class": {"loads"},
    "no_readme": {"has_readme"},
    "no_tests": {"has_tests"},
    "not_a_result": {"result_is_plain"},
    "not_plain": {"result_is_plain"},
    "other_spelling": {"id_matches_folder"},
    "output_missing": {"outputs_are_declared"},
    "output_undeclared": {"outputs_are_declared"},
    "plan_empty": {"plan_is_sound"},
    "plan_raises": {"describe_is_pure"},
    "plan_unknown_key": {"plan_is_sound"},
    "plan_unknown_word": {"plan_is_sound"},
    "raises": {"run_ends_well"},
    "random_numbers": {"same_again", "is_repeatable"},
    "read_undeclared": {"reads_are_declared"},
    "reads_clock": {"run_ends_well", "reads_no_clock"},
    "settings_disagree": {"settings_hold"},
    "settings_not_plain": {"settings_hold", "plan_is_sound"},
    "two_classes": {"loads"},
    "waits_for_ever": {"run_ends_in_time"},
    "wrong_id": {"id_matches_folder"},
}
#: What a plugin needs to be given before its fault shows.
GIVEN = {"read_undeclared": {"regime": 1.0}}

Make = Callable[[str], Path]


async def findings_of(folder: Path) -> tuple[Finding, ...]:
    return await check(folder, data=GIVEN.get(folder.name), patience=0.3)


def test_every_broken_plugin_is_told_apart() -> None:
    assert {path.name for path in BROKEN.iterdir() if (path / "impl.py").exists()} == {
        *BREAKS,
        "sound",
    }


def test_every_rule_is_broken_by_some_plugin() -> None:
    assert set.union(*BREAKS.values()) == set(RULES)


@pytest.mark.parametrize("name", sorted(BREAKS))
async def test_a_broken_plugin_breaks_its_rule_and_no_other(name: str, broken: Make) -> None:
    found = await findings_of(broken(name))
    errors = [one for one in found if one.level is Level.ERROR]
    assert {one.rule for one in errors} == BREAKS[name], [str(one) for one in found]
    assert all(one.where and one.message and one.remedy for one in errors)


async def test_a_sound_plugin_breaks_none(broken: Make) -> None:
    assert await findings_of(broken("sound")) == ()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("plan_unknown_word", "Did you mean @open"),
        ("plan_unknown_key", "Did you mean triggers"),
        ("two_classes", "TwoClasses, Second"),
        ("import_error", "impl.py:3"),
        ("invents_data", "100.0"),
        ("not_plain", 'data["value"]'),
        ("output_missing", "'missing'"),
        ("describe_reads", "README.md"),
    ],
)
async def test_a_finding_says_what_and_where(name: str, says: str, broken: Make) -> None:
    assert says in " ".join(str(one) for one in await findings_of(broken(name)))


async def test_a_plugin_that_needs_others_is_not_called_broken_but_not_tried(
    broken: Make,
) -> None:
    folder = broken("sound")
    impl = folder / "impl.py"
    text = impl.read_text(encoding="utf-8")
    plan = '"schedule": "@close", "dependencies": ["vol_forecast"]'
    impl.write_text(text.replace('"schedule": "@close"', plan), encoding="utf-8")
    alone = await check(folder)
    assert {(one.rule, one.level) for one in alone} == {("plan_is_sound", Level.WARNING)}
    assert "vol_forecast" in alone[0].message
    assert await check(folder, data={"vol_forecast": 0.2}) == ()


async def test_an_instant_at_which_there_is_nothing_to_do_is_a_warning(broken: Make) -> None:
    found = await check(broken("sound"), at="1990-01-02T15:00Z")
    assert [(one.rule, one.level) for one in found] == [("run_ends_well", Level.WARNING)]


class TestAlphaVrp(PluginContract):
    """The class that plugin authors derive from, on a bundled plugin."""

    plugin = AlphaVrp
    data = {"vol_forecast_21d": 0.2}  # noqa: RUF012 - as an author would write it


@pytest.mark.parametrize("name", sorted(BREAKS.keys() - GIVEN.keys()))
def test_the_contract_class_fails_where_the_check_does(name: str, broken: Make) -> None:
    class Contract(PluginContract):
        plugin = broken(name)
        patience = 0.3

    said = " ".join(failures(Contract()))
    assert all(f"{rule}: " in said for rule in BREAKS[name])


def failures(contract: PluginContract) -> list[str]:
    """Run all tests of a contract as pytest would; give what the failed ones say."""
    found: list[str] = []
    for test in (name for name in dir(contract) if name.startswith("test_")):
        try:
            getattr(contract, test)()
        except AssertionError as error:
            found.append(str(error))
        except unittest.SkipTest:
            continue
    return found


def test_the_contract_class_runs_every_rule(broken: Make) -> None:
    asked: set[str] = set()

    class Contract(PluginContract):
        plugin = broken("sound")

        def _hold(self, *rules: str) -> None:
            asked.update(rules)

    assert failures(Contract()) == []
    assert asked == set(RULES)


def test_a_class_outside_a_folder_is_not_held_to_rules_about_folders() -> None:
    class Elsewhere(AlphaVixRegime):
        pass

    class Contract(PluginContract):
        plugin = Elsewhere

    with pytest.raises(unittest.SkipTest, match="folder of its own"):
        Contract().test_it_is_explained_and_tested()
    assert failures(Contract()) == []


def command(module: str, *words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", module, *words]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def test_the_command_runs_tests_and_rules_and_says_all_is_well(broken: Make) -> None:
    done = command("optifire.testing.run", str(broken("sound")), "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["ok"], report["findings"]) == (0, True, []), report
    assert "1 passed" in report["tests"]["printed"]


def test_the_command_fails_for_a_broken_rule_and_for_a_failed_test(broken: Make) -> None:
    ruled = command("optifire.testing.run", str(broken("output_missing")))
    assert ruled.returncode == 1
    assert "outputs_are_declared" in ruled.stdout
    folder = broken("sound")
    (folder / "tests" / "test_impl.py").write_text("def test_it():\n    assert not 1\n")
    tested = command("optifire.testing.run", str(folder), "--json")
    report = json.loads(tested.stdout)
    assert (tested.returncode, report["tests"]["code"], report["findings"]) == (1, 1, [])


def test_a_plugin_that_ends_the_process_is_a_finding(broken: Make) -> None:
    folder = broken("sound")
    (folder / "impl.py").write_text("import os\n\nos._exit(7)\n", encoding="utf-8")
    done = command("optifire.testing.run", str(folder), "--json")
    (finding,) = json.loads(done.stdout)["findings"]
    assert done.returncode == 1
    assert (finding["rule"], finding["level"]) == ("loads", "error")
    assert "code 7" in finding["message"]


def test_a_folder_without_a_plugin_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    done = command("optifire.testing.run", str(tmp_path))
    assert done.returncode == 2
    assert "no impl.py" in done.stderr


def test_a_check_needs_no_loop_of_its_callers(broken: Make) -> None:
    assert check_folder(broken("sound")) == ()
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
