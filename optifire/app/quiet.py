"""When a service has time for itself: the market is closed, and will be for a while."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from optifire.core.calendar import CalendarRangeError

if TYPE_CHECKING:
    from datetime import datetime

    from optifire.core.calendar import Calendar

#: How long before an open nothing is begun that can wait.
BEFORE_OPEN: Final = timedelta(minutes=10)


def is_quiet(market: Calendar, now: datetime) -> bool:
    """Tell whether the market is closed and does not open soon; one that never closes is not."""
    if market.always_open:
        return False
    try:
        opening = market.next_open(now)
        return not market.is_open(now) and (opening is None or opening - now > BEFORE_OPEN)
    except CalendarRangeError:  # beyond the table nobody knows of a session
        return True
