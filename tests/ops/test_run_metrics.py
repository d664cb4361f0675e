"""What is counted of runs, from the batches that were committed."""

from datetime import UTC, datetime, timedelta

from optifire.core.budget import Measured, Usage
from optifire.core.ledger import AttemptRow, Batch, RunRow, new_run
from optifire.core.run import RunKey, RunKind, RunStatus
from optifire.core.types import PluginId
from optifire.ops.exposition import rendered
from optifire.ops.run_metrics import OTHERS, RunMetrics
from trial_metrics import Metric, parse

T = datetime(2018, 11, 23, 18, tzinfo=UTC)


def row(name: str, status: RunStatus, *, at: int = 0, kind: RunKind = RunKind.SCHEDULED) -> RunRow:
    return new_run(RunKey(PluginId(name), T + timedelta(seconds=at), 0, kind), status)


def attempt(run: RunRow, status: RunStatus, number: int = 1, late: float = 0.0) -> AttemptRow:
    began = run.key.due + timedelta(seconds=late)
    return AttemptRow(run.run_id, number, status, began)


def counted(metrics: RunMetrics) -> dict[str, Metric]:
    return parse(rendered(metrics.families()))


def test_each_end_is_counted_once_by_plugin_and_status() -> None:
    metrics = RunMetrics()
    span = row("a", RunStatus.COALESCED, at=1)
    span.count = 5
    open_row = row("a", RunStatus.RUNNING, at=2)
    metrics.listen(Batch(runs=[row("a", RunStatus.SUCCEEDED), span, open_row]))
    metrics.listen(Batch(runs=[row("b", RunStatus.FAILED), row("a", RunStatus.SUCCEEDED, at=3)]))
    found = counted(metrics)["optifire_runs_total"]
    assert found.type == "counter"
    assert {tuple(sorted(labels)): value for (_, labels), value in found.values.items()} == {
        (("plugin", "a"), ("status", "coalesced")): 5,
        (("plugin", "a"), ("status", "succeeded")): 2,
        (("plugin", "b"), ("status", "failed")): 1,
    }


def test_what_attempts_used_is_summed_and_the_largest_peak_kept() -> None:
    metrics, run = RunMetrics(), row("a", RunStatus.FAILED)
    first, second = attempt(run, RunStatus.FAILED), attempt(run, RunStatus.FAILED, 2)
    first.usage = Usage(250.0, 20.0, 400.0, Measured.METERED)
    second.usage = Usage(500.0, 10.0, 20.0, Measured.METERED)
    run.breaches = ("cpu",)
    metrics.listen(Batch(runs=[run], attempts=[first]))
    metrics.listen(Batch(attempts=[second, attempt(run, RunStatus.CRASHED, 3)]))
    found = counted(metrics)
    one = {"plugin": "a"}
    assert found["optifire_attempts_total"].value("optifire_attempts_total", **one) == 3
    cpu = "optifire_run_cpu_seconds_total"
    assert found[cpu].value(cpu, **one) == 0.75
    peak = "optifire_run_memory_peak_bytes"
    assert found[peak].value(peak, **one) == 20 * 2**20
    took = found["optifire_run_duration_seconds"]
    assert took.value("optifire_run_duration_seconds_count", **one) == 2
    assert took.value("optifire_run_duration_seconds_bucket", le="0.025", **one) == 1
    breaches = "optifire_budget_breaches_total"
    assert found[breaches].value(breaches, resource="cpu", **one) == 1


def test_lateness_is_that_of_the_first_start_of_scheduled_runs() -> None:
    metrics = RunMetrics()
    run, by_hand = row("a", RunStatus.RUNNING), row("b", RunStatus.RUNNING, kind=RunKind.MANUAL)
    going = RunStatus.RUNNING
    metrics.listen(
        Batch(runs=[run, by_hand], attempts=[attempt(run, going, 1, 0.02), attempt(by_hand, going)])
    )
    metrics.listen(Batch(runs=[run], attempts=[attempt(run, going, 2, 30.0)]))
    metrics.listen(Batch(runs=[row("a", RunStatus.SUCCEEDED)]))
    late = counted(metrics)["optifire_run_lateness_seconds"]
    assert late.value("optifire_run_lateness_seconds_sum", plugin="a") == 0.02
    assert late.value("optifire_run_lateness_seconds_count", plugin="a") == 1
    assert late.value("optifire_run_lateness_seconds_bucket", plugin="a", le="0.01") == 0
    assert ("optifire_run_lateness_seconds_count", frozenset({("plugin", "b")})) not in late.values


def test_plugins_beyond_the_most_share_one_label() -> None:
    metrics = RunMetrics(most=2)
    metrics.listen(Batch(runs=[row(f"p{n}", RunStatus.SUCCEEDED) for n in range(10)]))
    found = counted(metrics)["optifire_runs_total"]
    assert len(found.values) == 3
    assert found.value("optifire_runs_total", plugin=OTHERS, status="succeeded") == 8
