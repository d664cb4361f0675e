"""Budgets that follow from history, and features.yaml with them."""

import difflib
import io
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optifire.core.run import RunStatus
from optifire.host.edit import preview, write_atomically

from .conftest import Program, Ran


def advice(optifire: Program, home: Path, *words: object) -> Any:
    said = optifire("--home", home, "budgets", "suggest", *words, "--json")
    assert said.code == 0, said.err
    return said.json


def features_of(home: Path) -> Path:
    return home / "configs" / "features.yaml"


# --- suggest --------------------------------------------------------------------------------------


@pytest.mark.row("O061")
def test_a_budget_is_suggested_from_what_succeeded(optifire: Program, ran: Ran) -> None:
    home = ran("fe_garch", [(40.0, 10.0)] * 24 + [(50.0, 20.1)])
    ran("fe_garch", [(999.0, 99.0)] * 5, RunStatus.FAILED, first=25)
    ran("fe_garch", [(200.0, 9.0)] * 2, RunStatus.OVER_BUDGET, first=30)
    (row,) = advice(optifire, home)
    assert row["cpu_ms"] == {"runs": 25, "p99": 50.0, "budget": 100.0, "suggested": 65}
    assert row["mem_mb"] == {"runs": 25, "p99": 20.1, "budget": 32.0, "suggested": 27}
    assert row["worker"] == "isolated"
    assert row["remarks"] == ["2 were stopped: nobody knows what they would have used"]


def test_too_few_runs_suggest_nothing_and_say_so(optifire: Program, ran: Ran) -> None:
    home = ran("fe_garch", [(40.0, 10.0)] * 19)
    (row,) = advice(optifire, home, "fe_garch")
    assert row["cpu_ms"]["suggested"] is row["mem_mb"]["suggested"] is None
    assert row["remarks"] == ["too few runs: 19 succeeded isolated, 20 are needed"]
    assert "too few runs: 19" in optifire("--home", home, "budgets", "suggest").out


def test_runs_in_another_kind_of_worker_do_not_count(optifire: Program, ran: Ran) -> None:
    home = ran("fe_garch", [(40.0, 10.0)] * 20)
    ran("fe_garch", [(1.0, None)] * 200, first=20)  # while it was inline
    (row,) = advice(optifire, home)
    assert (row["cpu_ms"]["runs"], row["cpu_ms"]["p99"]) == (20, 40.0)


def test_memory_that_nobody_measured_is_not_suggested(optifire: Program, ran: Ran) -> None:
    home = ran("infra_heartbeat", [(3.0, None)] * 30)
    text = features_of(home).read_text(encoding="utf-8")
    inline = text.replace("  infra_heartbeat:\n", "  infra_heartbeat:\n    isolation: inline\n")
    features_of(home).write_text(inline, encoding="utf-8")
    (row,) = advice(optifire, home)
    assert row["worker"] == "inline"
    assert (row["cpu_ms"]["suggested"], row["mem_mb"]["suggested"]) == (10, None)
    assert row["remarks"] == ["memory was not measured"]


def test_a_home_in_which_nothing_ran_has_nothing_to_suggest_or_apply(
    optifire: Program, fresh: Path
) -> None:
    assert advice(optifire, fresh) == []
    said = optifire("--home", fresh, "budgets", "apply", "--yes", "--json")
    assert (said.code, said.json["budgets"], said.json["changed"]) == (0, [], [])


# --- apply ----------------------------------------------------------------------------------------


@pytest.mark.row("O061")
def test_what_is_suggested_is_written_and_nothing_else_in_the_file(
    optifire: Program, ran: Ran
) -> None:
    home = ran("fe_garch", [(40.0, 10.0)] * 30)
    file = features_of(home)
    before = file.read_text(encoding="utf-8")
    file.chmod(0o640)
    said = optifire("--home", home, "budgets", "apply", "--yes", "--json")
    assert said.code == 0
    assert said.json["changed"] == ["fe_garch"]
    assert said.json["budgets"] == [
        {
            "plugin_id": "fe_garch",
            "before": {"cpu_ms": 100.0, "mem_mb": 32.0},
            "after": {"cpu_ms": 55, "mem_mb": 13},
        }
    ]
    assert "+    budget: {cpu_ms: 55, mem_mb: 13}" in said.json["diff"].splitlines()
    assert file.read_text(encoding="utf-8") == before.replace(
        "  fe_garch:\n    enabled: true\n",
        "  fe_garch:\n    enabled: true\n    budget: {cpu_ms: 55, mem_mb: 13}\n",
    )
    assert file.stat().st_mode & 0o777 == 0o640
    job = optifire("--home", home, "plugins", "info", "fe_garch", "--json").json["job"]
    assert job["budget"] == {"cpu_ms": 55.0, "mem_mb": 13.0}


def test_applying_twice_changes_nothing(optifire: Program, ran: Ran) -> None:
    home = ran("fe_garch", [(40.0, 10.0)] * 30)
    optifire("--home", home, "budgets", "apply", "--yes")
    written, inode = features_of(home).read_bytes(), features_of(home).stat().st_ino
    again = optifire("--home", home, "budgets", "apply", "--yes")
    assert (again.code, again.out) == (0, "nothing to change\n")
    assert features_of(home).read_bytes() == written
    assert features_of(home).stat().st_ino == inode, "the file was not even touched"


def test_a_budget_with_comments_keeps_them(optifire: Program, ran: Ran) -> None:
    home = ran("fe_garch", [(40.0, 10.0)] * 30)
    file = features_of(home)
    text = file.read_text(encoding="utf-8")
    mine = "    budget:  # mine\n      mem_mb: 40  # was 30\n      cpu_ms: 55\n"
    text = text.replace("  fe_garch:\n", f"  FE-Garch:\n{mine}")
    file.write_text(text, encoding="utf-8")
    said = optifire("--home", home, "budgets", "apply", "fe_garch", "--yes", "--json")
    assert said.json["budgets"][0]["after"] == {"mem_mb": 13}
    assert file.read_text(encoding="utf-8") == text.replace("mem_mb: 40", "mem_mb: 13")


def test_a_dry_run_shows_the_difference_and_writes_nothing(optifire: Program, ran: Ran) -> None:
    home = ran("fe_garch", [(40.0, 10.0)] * 30)
    before = features_of(home).read_bytes()
    text = optifire("--home", home, "budgets", "apply", "--dry-run")
    assert text.code == 0
    assert "+    budget: {cpu_ms: 55, mem_mb: 13}" in text.out
    said = optifire("--home", home, "budgets", "apply", "--dry-run", "--json").json
    assert (said["changed"], len(said["budgets"])) == ([], 1)
    assert features_of(home).read_bytes() == before


def test_only_the_named_plugins_change(optifire: Program, ran: Ran) -> None:
    home = ran("fe_garch", [(40.0, 10.0)] * 30)
    ran("fe_kalman", [(20.0, 10.0)] * 30)
    said = optifire("--home", home, "budgets", "apply", "fe_kalman", "--yes", "--json")
    assert said.json["changed"] == ["fe_kalman"]


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_without_a_terminal_it_wants_to_be_told(
    optifire: Program, ran: Ran, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = ran("fe_garch", [(40.0, 10.0)] * 30)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    before = features_of(home).read_bytes()
    said = optifire("--home", home, "budgets", "apply", *words)
    assert said.code == 2
    assert "--yes" in said.err
    assert features_of(home).read_bytes() == before


class Person(io.StringIO):
    """Somebody at a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "written"), [("y\n", True), ("\n", False), ("", False)])
def test_a_person_is_asked(
    optifire: Program,
    ran: Ran,
    answer: str,
    written: bool,  # noqa: FBT001 - a column of the table
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = ran("fe_garch", [(40.0, 10.0)] * 30)
    monkeypatch.setattr("sys.stdin", Person(answer))
    said = optifire("--home", home, "budgets", "apply")
    assert said.code == 0
    assert ("nothing was written" in said.out) is not written
    assert ("cpu_ms: 55" in features_of(home).read_text(encoding="utf-8")) is written


def test_an_edit_that_somebody_made_meanwhile_is_not_lost(
    optifire: Program, ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = ran("fe_garch", [(40.0, 10.0)] * 30)
    file = features_of(home)

    class Slow(Person):
        def isatty(self) -> bool:
            file.write_text("plugins: {}\n", encoding="utf-8")
            return super().isatty()

    monkeypatch.setattr("sys.stdin", Slow("y\n"))
    said = optifire("--home", home, "budgets", "apply")
    assert said.code == 1
    assert "changed meanwhile" in said.err
    assert file.read_text(encoding="utf-8") == "plugins: {}\n"


def test_what_a_higher_layer_says_is_named_and_left_alone(
    optifire: Program, ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = ran("fe_garch", [(40.0, 10.0)] * 30)
    ran("fe_kalman", [(20.0, 10.0)] * 30)
    ran("fe_entropy", [(20.0, 10.0)] * 30)
    special = home / "configs" / "features.demo.yaml"
    special.write_text("plugins:\n  fe_garch:\n    budget: {cpu_ms: 300}\n", encoding="utf-8")
    monkeypatch.setenv("OPTIFIRE_FE_KALMAN__BUDGET__MEM_MB", "99")
    said = optifire("--home", home, "budgets", "apply", "--yes", "--json")
    assert said.json["changed"] == ["fe_entropy"]
    assert "fe_garch keeps its budget" in said.err
    assert "features.demo.yaml:3" in said.err
    assert "OPTIFIRE_FE_KALMAN__BUDGET__MEM_MB" in said.err


def test_a_plugin_that_is_off_is_told_of(optifire: Program, ran: Ran) -> None:
    home = ran("fe_entropy", [(40.0, 10.0)] * 30)
    optifire("--home", home, "plugins", "disable", "fe_entropy")
    said = optifire("--home", home, "budgets", "apply", "fe_entropy", "--yes", "--json")
    assert (said.code, said.json["changed"]) == (0, [])
    assert "fe_entropy is off" in said.err


def test_a_file_that_is_not_yaml_is_to_be_changed_by_hand(optifire: Program, ran: Ran) -> None:
    home = ran("fe_garch", [(40.0, 10.0)] * 30)
    features_of(home).unlink()
    toml = home / "configs" / "features.toml"
    toml.write_text('environment = "demo"\n[plugins.fe_garch]\nenabled = true\n', encoding="utf-8")
    said = optifire("--home", home, "budgets", "apply", "--yes", "--json")
    assert said.code == 1
    assert "by hand" in said.error["remedy"]
    assert "budget" not in toml.read_text(encoding="utf-8")


ENTRY = st.sampled_from(
    [
        "{enabled: true}  # flow",
        "\n    enabled: true",
        "\n    # nothing\n    enabled: true\n    budget: {mem_mb: 3}  # little",
        "\n    budget:\n      cpu_ms: 5  # tight\n      mem_mb: 7.5\n    enabled: true",
        "\n    enabled: true\n    config: {a: 1}\n\n  # between",
    ]
)


@given(entries=st.lists(ENTRY, min_size=1, max_size=6), cpu=st.integers(10, 10**6))
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_budgets_are_edits_of_their_own_lines_alone(
    tmp_path: Path, entries: list[str], cpu: int
) -> None:
    file = tmp_path / f"features-{os.getpid()}.yaml"
    body = "\n".join(f"  p_{number}: {entry}" for number, entry in enumerate(entries))
    file.write_text(f"environment: demo  # head\nplugins:\n{body}\n# tail\n", encoding="utf-8")
    wanted = [(f"p_{number}", ("budget", "cpu_ms"), cpu) for number in range(len(entries))]
    before, after = preview(file, wanted)
    write_atomically(file, after)
    assert preview(file, wanted) == (after, after)
    assert re.findall("#.*", after) == re.findall("#.*", before)
    changed = list(difflib.ndiff(before.splitlines(), after.splitlines()))
    assert all("cpu_ms" in line or "{" in line for line in changed if line.startswith("-"))
    assert all(re.search("cpu_ms|budget:", line) for line in changed if line.startswith("+"))
