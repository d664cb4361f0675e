"""Triggers of APScheduler: described in the worker, rebuilt in the service, asked purely.

A trigger object never travels (it would have to be pickled): `describe` gives its class and plain
fields, `rebuild` makes a trigger from them. Interval and date triggers become our own values;
cron and calendar-interval triggers keep APScheduler's arithmetic, and And/Or are built from the
answers of their parts, because APScheduler's own forget the instant they were asked for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from apscheduler.triggers.combining import AndTrigger, OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from optifire.core import phrases
from optifire.core.calendar import AlwaysOpen
from optifire.core.combine import AllOf, AnyOf, Wrapped
from optifire.core.errors import ConfigError
from optifire.core.reading import Rebuilt
from optifire.core.trigger import EPOCH, TICK, Every, Once, Trigger

#: Longer than any gap or repeated stretch of a clock (Samoa skipped one whole day).
LONGEST_SHIFT = timedelta(hours=25)
SECOND = timedelta(seconds=1)
OWN_RULE = (
    "an APScheduler CronTrigger keeps its own daylight-saving rule: it fires the repeated hour "
    "twice; a cron line does not"
)


def describe(trigger: object, where: str = "") -> dict[str, Any]:
    """Give class and plain fields of an APScheduler trigger.

    An interval whose start has a fraction of a second was not given one: APScheduler then takes
    the clock's, and the grid of ``interval_*`` replaces it.

    Raises
    ------
    ConfigError
        The class cannot travel, or the trigger asks for jitter.
    """
    fields = _FIELDS.get(type(trigger))
    if fields is None:
        raise ConfigError(
            f"a trigger of class {type(trigger).__name__} cannot leave the worker",
            where=where,
            remedy="Use Cron, Interval, CalendarInterval, Date, And or Or, a schedule word, or "
            "place the plugin inline",
        )
    if getattr(trigger, "jitter", None) is not None:
        raise ConfigError(
            f"{type(trigger).__name__} asks for jitter, which would make its instants random",
            where=where,
            remedy="Remove jitter from the trigger; `jitter` in the plan spreads starts",
        )
    return {"class": type(trigger).__name__, "fields": fields(trigger, where)}


def rebuild(mapping: Mapping[str, object], where: str = "") -> Rebuilt:
    """Give the trigger that `describe` described.

    Raises
    ------
    ConfigError
        The mapping is no description, its fields do not fit, or the trigger never fires.
    """
    name, fields = mapping.get("class"), mapping.get("fields")
    builder = _BUILDERS.get(name) if isinstance(name, str) else None
    if builder is None or not isinstance(fields, Mapping) or set(mapping) != {"class", "fields"}:
        raise ConfigError(
            f"{dict(mapping)!r} does not describe a trigger",
            where=where,
            remedy=f"Give class (one of {', '.join(_BUILDERS)}) and fields",
        )
    try:
        built = builder(fields, where)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"the fields of {name} do not fit: {error}",
            where=where,
            remedy="Give them as APScheduler's own class takes them",
        ) from error
    if built.trigger.next_after(EPOCH, AlwaysOpen()) is None:
        raise ConfigError(f"{built.word} never fires", where=where, remedy="Change its fields")
    return built


@dataclass(frozen=True, slots=True)
class CronAnswers:
    """A CronTrigger's firings as a fixed set of instants, whatever the starting instant.

    Asked from before a gap, APScheduler names a local time that does not exist, which stands for
    an instant after the gap; asked from inside that stretch it no longer does. So the last answer
    from before a recent gap is kept in mind.
    """

    trigger: CronTrigger

    def __call__(self, instant: datetime) -> datetime | None:
        """Give the first firing strictly after the instant."""
        direct = self._after(instant)
        zone = self.trigger.timezone
        before, soon = instant - LONGEST_SHIFT, instant + SECOND
        if _offset(before, zone) >= _offset(soon, zone):
            return direct
        # APScheduler rounds up to a whole second first, which must still lie before the gap.
        across = self._after(_change(before, soon, zone) - 2 * SECOND)
        if across is None or across <= instant or (direct is not None and direct < across):
            return direct
        return across

    def _after(self, instant: datetime) -> datetime | None:
        asked = instant + TICK
        found = self.trigger.get_next_fire_time(None, asked)
        while found is not None and found.astimezone(UTC) <= instant:
            asked += SECOND
            found = self.trigger.get_next_fire_time(None, asked)
        return None if found is None else found.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class CalendarSteps:
    """A CalendarIntervalTrigger's firings, counted from its start date."""

    trigger: CalendarIntervalTrigger

    def __call__(self, instant: datetime) -> datetime | None:
        """Give the first firing strictly after the instant."""
        found = self.trigger.get_next_fire_time(self._shortly_before(instant), instant)
        while found is not None and found.astimezone(UTC) <= instant:
            found = self.trigger.get_next_fire_time(found, instant)
        return None if found is None else found.astimezone(UTC)

    def _shortly_before(self, instant: datetime) -> datetime | None:
        """Give an earlier step to go on from; None to start with the first.

        Steps of days and weeks can be jumped; months and years depend on every step before.
        """
        step = self.trigger
        days = step.days + 7 * step.weeks
        elapsed = (instant.astimezone(step.timezone).date() - step.start_date).days
        jumped = elapsed // days - 2 if days and not (step.months or step.years) else 0
        if jumped < 1:
            return None
        reached = step.start_date + timedelta(days=days * jumped)
        return datetime(reached.year, reached.month, reached.day, tzinfo=step.timezone)


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()


def _change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Give the first second at which the zone's offset is the later one."""
    low, high = before, after
    while high - low > SECOND:
        middle = low + (high - low) // 2
        if _offset(middle, zone) == _offset(after, zone):
            high = middle
        else:
            low = middle
    return high.replace(microsecond=0)


def _zone(trigger: Any, where: str) -> str:  # noqa: ANN401 - APScheduler is untyped
    key = getattr(trigger.timezone, "key", None) or str(trigger.timezone)
    try:
        ZoneInfo(key)
    except (ValueError, OSError, KeyError) as error:
        raise ConfigError(
            f"the time zone {trigger.timezone!r} of {type(trigger).__name__} has no IANA name",
            where=where,
            remedy='Give a name such as "America/New_York"',
        ) from error
    return str(key)


def _iso(value: date | None) -> str | None:
    return None if value is None else value.isoformat()


def _instant(text: object) -> datetime | None:
    return None if text is None else datetime.fromisoformat(str(text)).astimezone(UTC)


def _cron_fields(trigger: CronTrigger, where: str) -> dict[str, Any]:
    given = {each.name: str(each) for each in trigger.fields if not each.is_default}
    span = {"start_date": _iso(trigger.start_date), "end_date": _iso(trigger.end_date)}
    return {**given, **span, "timezone": _zone(trigger, where)}


def _interval_fields(trigger: IntervalTrigger, where: str) -> dict[str, Any]:  # noqa: ARG001
    given = not trigger.start_date.microsecond
    return {
        "seconds": trigger.interval.total_seconds(),
        "start_date": _iso(trigger.start_date) if given else None,
        "end_date": _iso(trigger.end_date),
    }


def _calendar_fields(trigger: CalendarIntervalTrigger, where: str) -> dict[str, Any]:
    names = ("years", "months", "weeks", "days")
    at = trigger._time  # noqa: SLF001 - its only record of the time of day
    return {
        **{name: getattr(trigger, name) for name in names},
        "hour": at.hour,
        "minute": at.minute,
        "second": at.second,
        "start_date": _iso(trigger.start_date),
        "end_date": _iso(trigger.end_date),
        "timezone": _zone(trigger, where),
    }


def _date_fields(trigger: DateTrigger, where: str) -> dict[str, Any]:  # noqa: ARG001
    return {"run_date": _iso(trigger.run_date)}


def _combined_fields(trigger: AndTrigger | OrTrigger, where: str) -> dict[str, Any]:
    return {"triggers": [describe(each, where) for each in trigger.triggers]}


def _cron(fields: Mapping[str, Any], where: str) -> Rebuilt:  # noqa: ARG001
    trigger = CronTrigger(**fields)
    word = str(trigger)
    meaning = f"when {word.removeprefix('cron')} of APScheduler matches, {fields['timezone']} time"
    wrapped = Wrapped(f"{word} {sorted(fields.items())}", CronAnswers(trigger))
    return Rebuilt(word, wrapped, meaning, None, (OWN_RULE,))


def _interval(fields: Mapping[str, Any], where: str) -> Rebuilt:
    interval = timedelta(seconds=fields["seconds"])
    if interval <= timedelta():
        raise ConfigError("an interval of no time at all", where=where, remedy="Make it longer")
    start, end = _instant(fields["start_date"]), _instant(fields["end_date"])
    grid = Every(interval, start or EPOCH, since=start is not None, last=end)
    counted = "1970-01-01 00:00 UTC" if start is None else f"{start:%Y-%m-%d %H:%M:%S} UTC"
    until = "" if end is None else f", until {end:%Y-%m-%d %H:%M:%S} UTC"
    meaning = f"{phrases.every(interval)}, counted from {counted}{until}"
    return Rebuilt(f"interval[{interval}]", grid, meaning, interval)


def _calendar_interval(fields: Mapping[str, Any], where: str) -> Rebuilt:  # noqa: ARG001
    trigger = CalendarIntervalTrigger(**fields)
    word = repr(trigger)
    meaning = f"by {word} of APScheduler"
    daily = trigger.days == 1 and not (trigger.weeks or trigger.months or trigger.years)
    told = (
        f"{word} counts from {trigger.start_date}; where the plugin gives no start_date that is "
        "the day on which it was loaded, and changes with it"
    )
    wrapped = Wrapped(f"{word} {sorted(fields.items())}", CalendarSteps(trigger))
    return Rebuilt(word, wrapped, meaning, None, () if daily else (told,))


def _date(fields: Mapping[str, Any], where: str) -> Rebuilt:  # noqa: ARG001
    at = datetime.fromisoformat(fields["run_date"]).astimezone(UTC)
    return Rebuilt(
        f"date[{at:%Y-%m-%d %H:%M:%S} UTC]", Once(at), f"once, at {at:%Y-%m-%d %H:%M:%S} UTC"
    )


def _combination(kind: str) -> Callable[[Mapping[str, Any], str], Rebuilt]:
    def build(fields: Mapping[str, Any], where: str) -> Rebuilt:
        parts = [rebuild(each, where) for each in fields["triggers"]]
        triggers = tuple(each.trigger for each in parts)
        combined: Trigger = AllOf(triggers) if kind == "and" else AnyOf(triggers)
        word = f"{kind}[{', '.join(each.word for each in parts)}]"
        meaning = f" {kind} ".join(f"({each.meaning})" for each in parts)
        warnings = tuple(dict.fromkeys(told for each in parts for told in each.warnings))
        return Rebuilt(word, combined, meaning, None, warnings)

    return build


_FIELDS: Mapping[type, Callable[[Any, str], dict[str, Any]]] = {
    CronTrigger: _cron_fields,
    IntervalTrigger: _interval_fields,
    CalendarIntervalTrigger: _calendar_fields,
    DateTrigger: _date_fields,
    AndTrigger: _combined_fields,
    OrTrigger: _combined_fields,
}
_BUILDERS: Mapping[str, Callable[[Mapping[str, Any], str], Rebuilt]] = {
    "CronTrigger": _cron,
    "IntervalTrigger": _interval,
    "CalendarIntervalTrigger": _calendar_interval,
    "DateTrigger": _date,
    "AndTrigger": _combination("and"),
    "OrTrigger": _combination("or"),
}
