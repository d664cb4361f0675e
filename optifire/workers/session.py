"""The market as of an instant, as a run is told it."""

from datetime import datetime
from functools import lru_cache

from optifire.core.calendar import Calendar
from optifire.core.session import phase_at
from optifire.sdk.context import SessionView


def session_view(calendar: Calendar, now: datetime) -> SessionView:
    """Give phase and session as of `now`; all runs of a cycle share one answer.

    Raises `CalendarRangeError` when `now` lies outside the calendar's table.
    """
    return _view(calendar, now)  # type: ignore[arg-type] # calendars are values, or compare by id


@lru_cache(maxsize=32)
def _view(calendar: Calendar, now: datetime) -> SessionView:
    latest = calendar.last_session(now)
    return SessionView(
        calendar=calendar.name,
        phase=phase_at(now, calendar).value,
        date=latest.date,
        open=latest.open,
        close=latest.close,
        half_day=latest.half_day,
    )
