"""Which session jobs were missed, and which values have gone stale: what is not as it should be."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from optifire.core.calendar import CalendarRangeError
from optifire.core.job import NeedMode
from optifire.core.run import RunKind, RunStatus
from optifire.core.types import PluginId
from optifire.ops.health import Level
from optifire.ops.signs import Sign
from optifire.runtime.needs import Moment, is_fresh, name_of
from optifire.store.codec import iso

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from optifire.core.graph import Edge, Graph
    from optifire.core.job import Job
    from optifire.core.ledger import Batch, ContextValue, RunRow

#: Words and events of the host that mean sessions; ``@weekly`` and the like are civil days.
SESSION_WORDS: Final = (
    "@open", "@close", "@premarket", "@postmarket", "@weekopen", "@weekclose", "@monthopen",
    "@monthclose", "premarket", "market_open", "market_close", "half_day",
)  # fmt: skip
#: Missed runs of one plugin that are remembered: a session has fewer for each of its words.
MOST_MISSED: Final = 64
#: What a producer has beyond its timeout to leave its value, before that counts as stale.
SETTLING: Final = timedelta(seconds=60)


@dataclass(slots=True)
class Missed:
    """The latest missed runs of session words, by plugin."""

    _rows: dict[PluginId, deque[tuple[datetime, int]]] = field(default_factory=dict, init=False)

    def listen(self, batch: Batch) -> None:
        """Take in a committed batch."""
        self.see(batch.runs)

    def see(self, rows: Iterable[RunRow]) -> None:
        """Take in rows, the oldest first; others than missed ones are let go."""
        for row in rows:
            scheduled = row.key.kind is RunKind.SCHEDULED
            if row.status is not RunStatus.MISSED or not scheduled or not is_session(row.trigger):
                continue
            held = self._rows.setdefault(row.key.plugin_id, deque(maxlen=MOST_MISSED))
            held.append((row.key.due, row.count))

    def signs(self, jobs: Mapping[PluginId, Job], now: datetime) -> Iterator[Sign]:
        """Name the jobs that missed something in the last session of their calendar."""
        for plugin_id in sorted(self._rows.keys() & jobs.keys()):
            since = _day_of_session(jobs[plugin_id], now)
            dues = [each for each in self._rows[plugin_id] if since is None or each[0] >= since]
            if dues:
                count = sum(number for _, number in dues)
                times = "once" if count == 1 else f"{count} times"
                said = f"{plugin_id} was missed {times} in the last session"
                last = max(due for due, _ in dues)
                yield Sign("missed", Level.AMBER, f"{said}, due {iso(last)}")


def is_session(trigger: str) -> bool:
    """Tell whether a trigger is a word or an event that means sessions."""
    return trigger.partition("+")[0].partition("-")[0] in SESSION_WORDS


def _day_of_session(job: Job, now: datetime) -> datetime | None:
    """Give the beginning of the day of the last session; None where the table does not say."""
    calendar = job.schedule.calendar
    try:
        session = calendar.last_session(now)
    except CalendarRangeError:
        return None
    zone = ZoneInfo(calendar.tz)
    return datetime.combine(session.date, time(), zone).astimezone(UTC)


def stale_signs(
    graph: Graph,
    jobs: Mapping[PluginId, Job],
    values: Mapping[str, ContextValue],
    now: datetime,
    busy: Collection[PluginId] = (),
) -> Iterator[Sign]:
    """Name the producers whose value somebody needs, and whose last occurrence brought no new one.

    Parameters
    ----------
    busy
        Plugins with a run that is due or goes on, of whom nothing can be said yet.
    """
    stale: dict[PluginId, tuple[ContextValue, set[PluginId]]] = {}
    for edges in graph.edges.values():
        for edge in edges:
            value = _stale(edge, jobs, values, now)
            if value is not None and value.producer not in busy:
                stale.setdefault(value.producer, (value, set()))[1].add(edge.consumer)
    for producer in sorted(stale):
        value, consumers = stale[producer]
        who = ", ".join(sorted(consumers))
        said = f"what {producer} left is of {iso(value.as_of)}, and it was due again since"
        yield Sign("stale", Level.AMBER, f"{said}; needed by {who}")


def _stale(
    edge: Edge,
    jobs: Mapping[PluginId, Job],
    values: Mapping[str, ContextValue],
    now: datetime,
) -> ContextValue | None:
    """Give the value that a need would be answered with, if it is too old for that."""
    producer = None if edge.producer is None else jobs.get(edge.producer)
    consumer, held = jobs.get(edge.consumer), values.get(name_of(edge))
    ordered = edge.need.mode is NeedMode.AFTER or edge.off
    if ordered or producer is None or consumer is None or held is None:
        return None
    settled = now - timedelta(seconds=producer.timeout) - SETTLING
    following = producer.schedule.next_known(held.as_of)
    if following is None or following.instant > settled:
        return None
    moment = Moment(settled, consumer.schedule.calendar, lambda _: producer.schedule)
    return None if is_fresh(edge.need, held, producer.plugin_id, moment) else held
