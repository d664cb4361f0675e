"""What is counted of runs since the service began, kept up by commits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from optifire.core.limits import MIB
from optifire.core.run import TERMINAL, RunKind, RunStatus
from optifire.ops.exposition import Histogram, Labels, Tally, counter, gauge, histogram

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from optifire.core.ledger import AttemptRow, Batch, RunRow
    from optifire.ops.exposition import Family

#: Upper bounds in seconds: a start is on time within milliseconds, or somebody should know.
LATENESS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0)
#: Upper bounds in seconds, up to the longest timeout that a category has by itself.
DURATION_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 10.0, 60.0, 600.0)
#: Plugins with figures of their own: each has some forty lines, for as long as the service runs.
MOST_PLUGINS: Final = 500
#: The label of all plugins beyond those; no plugin can be called so.
OTHERS: Final = "(others)"
_MS: Final = 1000.0


class RunMetrics:
    """Counts runs and attempts by plugin."""

    def __init__(self, most: int = MOST_PLUGINS) -> None:
        self._most = most
        self._labels: dict[str, Labels] = {}
        self._runs, self._breaches, self._cpu, self._peak = Tally(), Tally(), Tally(), Tally()
        self._attempts = Tally()
        self._late: dict[Labels, Histogram] = {}
        self._took: dict[Labels, Histogram] = {}

    def listen(self, batch: Batch) -> None:
        """Take in a committed batch."""
        for row in batch.runs:
            if row.status in TERMINAL:
                self._ended(row)
        begun = [one for one in batch.attempts if one.status is RunStatus.RUNNING]
        if begun:
            self._begun(begun, batch)
        for attempt in batch.attempts:
            if attempt.status is not RunStatus.RUNNING:
                self._tried(attempt)

    def _ended(self, row: RunRow) -> None:
        labels = self._of(row.key.plugin_id)
        self._runs.add((*labels, ("status", row.status.value)), row.count)
        for resource in row.breaches:
            self._breaches.add((*labels, ("resource", resource)))

    def _begun(self, attempts: Sequence[AttemptRow], batch: Batch) -> None:
        """Take in how late scheduled runs began; a retry is later on purpose."""
        rows = {row.run_id: row for row in batch.runs}
        for attempt in attempts:
            row = rows.get(attempt.run_id)
            if row is None or attempt.number > 1 or row.key.kind is not RunKind.SCHEDULED:
                continue
            late = (attempt.started_at - row.key.due).total_seconds()
            labels = self._of(row.key.plugin_id)
            self._late.setdefault(labels, Histogram(LATENESS_S)).observe(max(0.0, late))

    def _tried(self, attempt: AttemptRow) -> None:
        labels, usage = self._of(attempt.run_id.partition("@")[0]), attempt.usage
        self._attempts.add(labels)
        if usage.cpu_ms is not None:
            self._cpu.add(labels, usage.cpu_ms / _MS)
        if usage.mem_mb is not None:
            self._peak.raise_to(labels, usage.mem_mb * MIB)
        if usage.wall_ms is not None:
            took = self._took.setdefault(labels, Histogram(DURATION_S))
            took.observe(usage.wall_ms / _MS)

    def _of(self, plugin_id: str) -> Labels:
        """Give the labels of a plugin; those beyond the most share theirs."""
        known = self._labels.get(plugin_id)
        if known is None:
            if len(self._labels) >= self._most:
                return (("plugin", OTHERS),)
            known = self._labels[plugin_id] = (("plugin", plugin_id),)
        return known

    def families(self) -> Iterator[Family]:
        """Give everything that was counted."""
        yield counter(
            "optifire_runs_total",
            "Occurrences that have ended, by plugin and status.",
            self._runs.samples(),
        )
        yield counter(
            "optifire_attempts_total",
            "Attempts that have ended; a retry is one more of the same run.",
            self._attempts.samples(),
        )
        yield histogram(
            "optifire_run_lateness_seconds",
            "From the due instant of a scheduled run to its first start, with what it waited for.",
            self._late,
        )
        yield histogram("optifire_run_duration_seconds", "How long an attempt took.", self._took)
        yield counter(
            "optifire_run_cpu_seconds_total", "Processor time of attempts.", self._cpu.samples()
        )
        yield gauge(
            "optifire_run_memory_peak_bytes",
            "The largest peak memory of an attempt since the service began.",
            self._peak.samples(),
        )
        yield counter(
            "optifire_budget_breaches_total",
            "Runs over their budget, by resource.",
            self._breaches.samples(),
        )
