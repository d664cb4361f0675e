"""One row for each market holiday that passes, so that nothing having run has a reason."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from optifire.core.ledger import NoteRow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from optifire.core.calendar import Calendar
    from optifire.core.ports import Tick

HOLIDAY = "holiday"


def holiday_row(calendar: Calendar, day: date, name: str) -> NoteRow:
    """Give the row of one holiday, dated by the market's midnight."""
    midnight = datetime.combine(day, time(), ZoneInfo(calendar.tz)).astimezone(UTC)
    return NoteRow(midnight, HOLIDAY, f"{calendar.name} {day}", name)


class Holidays:
    """Gives the rows of the holidays that a tick passes, each once.

    Parameters
    ----------
    calendars
        Gives the calendars in use, by code.
    noted
        The last day whose holidays are in the ledger.
    """

    def __init__(self, calendars: Callable[[], Mapping[str, Calendar]], noted: date) -> None:
        self._calendars = calendars
        self._noted = noted

    def __call__(self, tick: Tick) -> list[NoteRow]:
        """Give the rows of all holidays that have begun since the last tick."""
        today = tick.now.date()
        if today <= self._noted:
            return []
        first, self._noted = self._noted + timedelta(days=1), today
        return [
            holiday_row(calendar, day, name)
            for _, calendar in sorted(self._calendars().items())
            for day, name in calendar.holidays(max(first, calendar.first), today)
        ]
