"""Five-field cron lines in a time zone, by the daylight-saving rule of Debian's cron.

`cronsim` reads the line and matches days. The instants of a day are laid out here, all at once,
because that makes the answer a pure function of the question: an iterator that is started inside
a repeated hour, or steps hours across a gap of thirty minutes, answers differently.
"""

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from optifire.core.calendar import Calendar

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: How far a next firing is looked for: the rarest lines (29 February on a Sunday) need 40 years.
HORIZON_YEARS = 50
#: Days whose instants a trigger keeps: a question asks about three, the next one mostly the same.
#: What is kept never changes an answer.
KEPT_DAYS = 6


@dataclass(frozen=True, slots=True)
class OnCron:
    """A cron line: ``fixed`` local times, or a pattern that goes on through time.

    With fixed minutes and hours, a time inside a gap fires once, at the first minute after it, and
    a time in a repeated hour once, at its first occurrence. If minute or hour starts with ``*``,
    every minute whose local reading matches fires, in both turns of a repeated hour.

    Raises
    ------
    cronsim.CronSimError
        The line is malformed (on construction).
    """

    line: str
    tz: str
    fixed: bool = field(init=False, compare=False)
    _sim: CronSim = field(init=False, compare=False, repr=False)
    _zone: ZoneInfo = field(init=False, compare=False, repr=False)
    _minutes: tuple[timedelta, ...] = field(init=False, compare=False, repr=False)
    _kept: dict[dt.date, list[datetime]] = field(init=False, compare=False, repr=False)
    _merged: dict[dt.date, list[datetime]] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        sim = CronSim(self.line, datetime(2000, 1, 1, tzinfo=UTC))
        minute, hour, *_ = self.line.split()
        times = [timedelta(hours=h, minutes=m) for h in sim.hours for m in sim.minutes]
        object.__setattr__(self, "fixed", not minute.startswith("*") and not hour.startswith("*"))
        object.__setattr__(self, "_sim", sim)
        object.__setattr__(self, "_zone", ZoneInfo(self.tz))
        object.__setattr__(self, "_minutes", tuple(sorted(times)))
        object.__setattr__(self, "_kept", {})
        object.__setattr__(self, "_merged", {})

    def next_after(self, instant: datetime, calendar: Calendar) -> datetime | None:  # noqa: ARG002
        """Give the first firing strictly after the instant, None if fifty years hold none."""
        today = instant.astimezone(self._zone).date()
        for date in self._dates_from(today):
            near = self._near(date)
            index = bisect_right(near, instant)
            if index < len(near):
                return near[index]
        return None

    @property
    def local_times(self) -> list[dt.time]:
        """Give the local times at which the line fires on a day that it matches."""
        return [(EPOCH + each).time() for each in self._minutes]

    def _dates_from(self, today: dt.date) -> Iterator[dt.date]:
        """Give today, then every later day that the line matches."""
        yield today
        date = today + DAY
        last = min(today.year + HORIZON_YEARS, dt.MAXYEAR - 1)
        while date.year <= last:
            if date.month not in self._sim.months:
                date = (date.replace(day=1) + timedelta(days=32)).replace(day=1)
            elif self._sim.match_day(date):
                yield date
                date += DAY
            else:
                date += DAY

    def _near(self, date: dt.date) -> list[datetime]:
        """Give the instants of a local day and of its neighbours, sorted, each once.

        Neighbours, because where clocks go back over midnight two local days are interwoven.
        """
        near = self._merged.get(date)
        if near is None:
            near = sorted({*self._on(date - DAY), *self._on(date), *self._on(date + DAY)})
            self._merged.clear()
            self._merged[date] = near
        return near

    def _on(self, date: dt.date) -> list[datetime]:
        """Give the instants that the local times of one day stand for."""
        kept = self._kept.get(date)
        if kept is None:
            if len(self._kept) >= KEPT_DAYS:
                self._kept.clear()
            kept = self._kept[date] = self._laid_out(date)
        return kept

    def _laid_out(self, date: dt.date) -> list[datetime]:
        if date.month not in self._sim.months or not self._sim.match_day(date):
            return []
        midnight = datetime(date.year, date.month, date.day)  # noqa: DTZ001 - a clock's reading
        shift = self._steady_offset(midnight)
        if shift is None:
            return [hit for each in self._minutes for hit in self._instants(midnight + each)]
        start = midnight.replace(tzinfo=UTC) - shift
        return [start + each for each in self._minutes]

    def _steady_offset(self, midnight: datetime) -> timedelta | None:
        """Give the day's offset from UTC, None if the clocks change on it."""
        ends = (midnight, midnight + DAY)
        offsets = {self._offset(end.replace(fold=fold)) for end in ends for fold in (0, 1)}
        return offsets.pop() if len(offsets) == 1 else None

    def _offset(self, local: datetime) -> timedelta:
        return self._zone.utcoffset(local) or timedelta()

    def _instants(self, local: datetime) -> Iterator[datetime]:
        """Give the instants for one reading of the clock: none, one or two."""
        readings = [self._instant(local, fold) for fold in (0, 1)]
        real = sorted({each for each in readings if self._reads(each, local)})
        if not self.fixed:
            yield from real
        elif real:
            yield real[0]
        else:
            yield self._after_gap(local)

    def _instant(self, local: datetime, fold: int) -> datetime:
        return local.replace(tzinfo=UTC) - self._offset(local.replace(fold=fold))

    def _reads(self, instant: datetime, local: datetime) -> bool:
        """Tell whether the zone's clock shows that reading at the instant."""
        return instant.astimezone(self._zone).replace(tzinfo=None) == local

    def _after_gap(self, local: datetime) -> datetime:
        """Give the first whole minute that exists after a reading that does not."""
        while not self._reads(self._instant(local, 0), local):
            local += MINUTE
        return self._instant(local, 0)
