"""What runs cost, as the commands show it, of a ledger whose figures are known."""

from pathlib import Path
from typing import Any

import pytest

from optifire.cli.budget_tables import BAR, use_bar
from optifire.core.run import RunStatus

from .conftest import Program, Ran


def shown(optifire: Program, home: Path, *words: object) -> Any:
    said = optifire("--home", home, "budgets", "show", *words, "--json")
    assert said.code == 0, said.err
    return said.json


@pytest.mark.row("O006")
def test_what_runs_used_stands_against_budget_and_limit(optifire: Program, ran: Ran) -> None:
    home = ran("fe_garch", [(float(n), 10.0) for n in range(1, 201)])
    ran("fe_garch", [(230.0, 12.0)], RunStatus.OVER_BUDGET, first=200)
    (row,) = shown(optifire, home)
    assert row["plugin_id"] == "fe_garch"
    assert row["enabled"] is True
    assert row["runs"] == 201
    assert row["cpu_ms"] == {
        "runs": 201, "p50": 101.0, "p99": 199.0, "max": 230.0,
        "budget": 100.0, "limit": 200.0, "stopped_at": 200.0, "use": 1.99,
    }  # fmt: skip
    assert row["mem_mb"] == {
        "runs": 201, "p50": 10.0, "p99": 10.0, "max": 12.0,
        "budget": 32.0, "limit": 64.0, "stopped_at": 72.0, "use": 0.312,
    }  # fmt: skip
    assert row["measured"] == {"metered": 201}
    assert row["breaches"] == {
        "soft": {"cpu": 100, "memory": 0},
        "hard": {"cpu": 1, "memory": 0},
    }


def test_the_budget_is_the_one_in_force_not_that_of_an_old_run(optifire: Program, ran: Ran) -> None:
    home = ran("fe_garch", [(50.0, 10.0)])
    features = home / "configs" / "features.yaml"
    text = features.read_text(encoding="utf-8")
    changed = text.replace("  fe_garch:\n", "  fe_garch:\n    budget: {cpu_ms: 500}\n")
    features.write_text(changed, encoding="utf-8")
    (row,) = shown(optifire, home)
    assert (row["cpu_ms"]["budget"], row["cpu_ms"]["use"]) == (500.0, 0.1)


def test_a_plugin_that_is_off_has_the_budget_of_its_last_run_and_no_limit(
    optifire: Program, ran: Ran
) -> None:
    home = ran("fe_garch", [(50.0, 10.0)])
    optifire("--home", home, "plugins", "disable", "fe_garch")
    (row,) = shown(optifire, home)
    assert row["enabled"] is False
    assert (row["cpu_ms"]["budget"], row["cpu_ms"]["limit"]) == (100.0, None)


def test_only_the_named_plugins_are_shown_and_ids_are_folded(optifire: Program, ran: Ran) -> None:
    home = ran("fe_garch", [(5.0, 1.0)])
    ran("fe_kalman", [(5.0, 1.0)])
    assert [row["plugin_id"] for row in shown(optifire, home)] == ["fe_garch", "fe_kalman"]
    assert [row["plugin_id"] for row in shown(optifire, home, "FE-Kalman")] == ["fe_kalman"]


def test_the_last_days_can_be_asked_for(optifire: Program, ran: Ran) -> None:
    home = ran("fe_garch", [(float(n), 1.0) for n in range(10)])
    (row,) = shown(optifire, home, "--days", "3")
    assert (row["runs"], row["cpu_ms"]["p50"]) == (4, 7.0)
    said = optifire("--home", home, "budgets", "show", "--days", "0")
    assert said.code == 2


def test_a_plugin_that_left_the_home_is_shown_while_the_ledger_knows_it(
    optifire: Program, ran: Ran
) -> None:
    home = ran("alpha_gone", [(5.0, 1.0)])
    (row,) = shown(optifire, home, "alpha_gone")
    assert (row["plugin_id"], row["enabled"], row["runs"]) == ("alpha_gone", False, 1)


def test_a_home_in_which_nothing_ran_says_so(optifire: Program, fresh: Path) -> None:
    for words in (["--json"], ["fe_garch", "--json"], ["--days", "3", "--json"]):
        said = optifire("--home", fresh, "budgets", "show", *words)
        assert (said.code, said.json) == (0, [])
        assert "nothing has run" in said.err


def test_a_plugin_that_did_not_run_is_named(optifire: Program, ran: Ran) -> None:
    home = ran("fe_garch", [(5.0, 1.0)])
    said = optifire("--home", home, "budgets", "show", "fe_garch", "fe_kalman", "--json")
    assert (said.code, len(said.json)) == (0, 1)
    assert "fe_kalman did not run" in said.err


@pytest.mark.parametrize("command", ["show", "suggest", "apply"])
def test_an_unknown_id_is_answered_with_near_ones(
    optifire: Program, home: Path, command: str
) -> None:
    said = optifire("--home", home, "budgets", command, "fe_grach", "--json")
    assert (said.code, said.error["type"]) == (1, "NotFoundError")
    assert "fe_garch" in said.error["remedy"]


def test_text_has_a_bar_of_plain_signs_and_says_who_was_stopped(
    optifire: Program, ran: Ran
) -> None:
    home = ran("fe_garch", [(50.0, 16.0)] * 3)
    ran("fe_garch", [(230.0, 12.0)] * 2, RunStatus.OVER_BUDGET, first=3)
    ran("infra_heartbeat", [(1.0, None)])
    text = optifire("--home", home, "budgets", "show").out
    lines = text.splitlines()
    at = next(n for n, line in enumerate(lines) if "fe_garch" in line)
    cpu, mem = lines[at : at + 2]
    assert "2 stopped" in cpu
    assert "metered 5" in cpu
    assert "[######......] 50%" in mem
    assert "\x1b" not in text
    assert not set(text) & set("█░")


@pytest.mark.parametrize(
    ("use", "colour"),
    [(0.0, "green"), (0.5, "green"), (0.8, "yellow"), (1.0, "yellow"), (9, "red")],
)
def test_a_bar_on_a_terminal_has_the_colour_of_its_use_and_is_never_longer(
    use: float, colour: str
) -> None:
    from rich.text import Text

    bar = use_bar(use, terminal=True)
    assert isinstance(bar, Text)
    assert bar.plain.startswith("█" * min(round(use * BAR), BAR))
    assert bar.plain.split()[0].count("░") == BAR - min(round(use * BAR), BAR)
    assert not use or colour in {str(span.style) for span in bar.spans}
