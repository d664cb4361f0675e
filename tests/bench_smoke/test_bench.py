"""The bench runs and says what it measured; no time is asserted anywhere."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import forks, layers, report, sandboxes, soaks
from benchmarks.__main__ import main
from benchmarks.bursts import dag
from benchmarks.floor import layers_of
from benchmarks.measure import Figure, Settings, Target, in_turns, require
from optifire.workers.landlock import version

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> tuple[str, dict[str, Any]]:
    """Give the table and the JSON of a small W1."""
    file = tmp_path / "figures.json"
    assert main(["W1", "--runs", "50", "--rounds", "1", "--json", str(file)]) == 0
    figures = json.loads(file.read_text(encoding="utf-8"))["figures"]
    assert len(figures) == 1
    return capfd.readouterr().out, figures[0]


def test_a_burst_is_measured_beside_floor_and_peer(said: tuple[str, dict[str, Any]]) -> None:
    table, figure = said
    assert "50 inline runs" in table
    for who in ("floor", "peer", "ours"):
        (value,) = figure[who]
        assert math.isfinite(value)
        assert value > 0
    assert set(figure["targets"]) == {"3.5 x floor", "3.5 x ahead"}


def test_an_unknown_workload_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["W99"])
    assert "W99" in capsys.readouterr().err


def test_a_trial_that_did_not_do_its_work_gives_no_figure() -> None:
    with pytest.raises(RuntimeError, match="our runs: 49 instead of 50"):
        require(49, 50, "our runs")


def test_the_first_round_warms_up_and_does_not_count() -> None:
    given = iter([9.0, 1.0, 2.0])
    assert in_turns(2, lambda: next(given)).ours == [1.0, 2.0]


def test_a_ratio_is_made_of_one_round() -> None:
    figure = Figure("W", "one", "s", ours=[2.0, 20.0, 9.0], floor=[1.0, 10.0, 3.0])
    assert figure.over_floor == 2.0
    assert figure.meets(Target("floor", 2.0))
    assert not figure.meets(Target("floor", 1.9))
    assert not figure.meets(Target("peer", 0.1)), "there is no peer to be ahead of"


def test_the_graph_has_75_nodes_in_layers_of_20_30_20_and_5() -> None:
    needs = dag()
    assert [len(layer) for layer in layers_of(needs)] == [20, 30, 20, 5]
    assert {len(producers) for node, producers in needs.items() if node >= 20} == {2}


def test_meters_and_limits_are_measured_beside_bare_forks(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    assert main(["meter", "stop", "--rounds", "1", "--json", str(file)]) == 0
    figures = json.loads(file.read_text(encoding="utf-8"))["figures"]
    assert [each["workload"] for each in figures] == ["meter"] * 9 + ["stop"] * 5
    for figure in figures:
        assert len(figure["ours"]) == 1
        assert all(math.isfinite(value) for value in (*figure["ours"], *figure["floor"]))
        assert figure["targets"] or "median" in figure["name"]
    assert {each["name"] for each in figures if each["floor"]} >= {
        "isolated 7 ms: error, worst of 20", "memory bomb: gone"
    }  # fmt: skip


def test_the_sandbox_is_measured_as_a_difference_within_the_same_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandboxes, "RUNS", 2)
    monkeypatch.setattr(sandboxes, "WARM", 1)
    file = tmp_path / "figures.json"
    assert main(["sandbox", "--json", str(file)]) == 0
    figures = json.loads(file.read_text(encoding="utf-8"))["figures"]
    assert [each["name"].split(", ")[1] for each in figures] == ["light", "pandas"]
    for figure in figures:
        assert math.isfinite(figure["ours"][0])
        assert figure["floor"][0] > 0
        assert list(figure["targets"]) == ["<= 0.3"]


@pytest.mark.skipif(not version(), reason="this kernel has no Landlock")
def test_the_layers_of_the_sandbox_are_measured_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layers, "FORKS", 2)
    *steps, whole = layers.layers(Settings(tmp_path))
    assert [each.name for each in steps] == list(layers.STEPS)
    assert all(each.ours[0] > 0 for each in steps)
    assert whole.ours[0] > max(each.ours[0] for each in steps)


@pytest.mark.long  # two services, for some seconds each
@pytest.mark.timeout(120)
def test_good_plugins_are_measured_without_and_beside_bad_ones(tmp_path: Path) -> None:
    (figure,) = soaks.soak(Settings(tmp_path, rounds=1, seconds=5))
    assert figure.over_floor is not None
    assert figure.over_floor > 0
    assert "runs gone wrong" in figure.note


def test_a_bare_fork_has_used_about_what_it_was_told_to() -> None:
    (burnt,) = forks.measured("burn", 1, ms=50)
    (held,) = forks.measured("hold", 1, mb=30)
    (killed,) = forks.measured("kill", 1, mb=10)
    assert burnt.cpu_ms > 25
    assert 25 < held.mem_mb < 40
    assert killed.kill_ms > 0


def test_a_figure_that_misses_its_target_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    figure = Figure("W", "one", "s", ours=[2.0], targets=(Target("most", 1.0), Target("most", 3.0)))
    report.show([figure])
    said = capfd.readouterr().out
    assert "MISSED" in said
    assert said.count("met") == 1
