"""Weekly and monthly bars made of daily ones, each known when its period has closed."""

from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from optifire.core.errors import ContractError
from optifire.data.known import (
    DAY_US,
    Days,
    KnownRule,
    Sessions,
    month_shifted,
    overdue_by_rule,
    period_shifted,
)
from optifire.data.recorded import Recorded, days_of

#: What can be asked for, slowest last.
FREQUENCIES: Final = ("1d", "1w", "1mo")
_HOW: Final = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
_MONDAY: Final = 3  # 1970-01-01 was a Thursday, the fourth day of its week


def _labels(days: Days, frequency: str) -> Days:
    if frequency == "1mo":
        return month_shifted(days, 0)
    return days - (days + _MONDAY) % 7


def _last_rows(labels: Days) -> NDArray[np.intp]:
    return np.flatnonzero(np.append(labels[1:] != labels[:-1], [True]))


def _lengths(labels: Days) -> NDArray[np.intp]:
    return np.diff(_last_rows(labels), prepend=-1)


def resampled(daily: Recorded, frequency: str, sessions: Sessions) -> Recorded:
    """Give the weekly (label: Monday) or monthly (label: the first) bars of a daily series.

    A period is there only if its last session has a row, so an unfinished one never shows; a
    value that is unknown on any day of a period is unknown for the period. With a split inside a
    period, its prices are in the units of the period's last day.

    Raises
    ------
    ContractError
        For a series that is not daily.
    """
    if daily.info.frequency != "1d":
        raise ContractError(
            f"{daily.info.key} is {daily.info.frequency} and cannot be made {frequency}",
            where=f"{daily.info.kind} {daily.info.key}",
            remedy="Ask for the frequency that the series has",
        )
    days = days_of(daily.frame.index)
    labels = _labels(days, frequency)
    frame = daily.frame
    if daily.factor is not None:
        # Into the units of each period's own last day.
        scale = daily.factor / daily.factor[_last_rows(labels)].repeat(_lengths(labels))
        prices = [name for name in frame.columns if name != "volume"]
        frame = frame.assign(**{name: frame[name] * scale for name in prices})
    groups = frame.groupby(labels)
    made = groups.agg({name: _HOW.get(str(name), "last") for name in frame.columns})
    made = made.where(groups.count().eq(groups.size(), axis=0))
    return _as_recorded(daily, made, days, labels, frequency, sessions)


def _as_recorded(
    daily: Recorded,
    made: pd.DataFrame,
    days: Days,
    labels: Days,
    frequency: str,
    sessions: Sessions,
) -> Recorded:
    periods = made.index.to_numpy(dtype=np.int64, copy=True)
    last_row = _last_rows(labels)
    ends = sessions.last_before(period_shifted(periods, frequency, 1))
    whole = (ends >= 0) & (sessions.days[np.maximum(ends, 0)] == days[last_row])
    made, periods, last_row = made[whole], periods[whole], last_row[whole]
    made.index = pd.to_datetime(periods * DAY_US, unit="us", utc=True).as_unit("us")
    made.index.name = "ts"
    rule = KnownRule("period_close")
    known = np.maximum(rule.known(periods, sessions, frequency), daily.known[last_row])
    return Recorded(
        replace(daily.info, frequency=frequency, derived=True),
        made,
        np.maximum.accumulate(known),
        overdue_by_rule(rule, periods, sessions, frequency),
        factor=None if daily.factor is None else daily.factor[last_row],
    )
