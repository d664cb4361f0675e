"""The pinned packages that the built-in data comes from, and when each kind of value is known."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Package:
    """One pinned package whose files are read, never imported."""

    name: str
    version: str
    licence: str
    origin: str


PACKAGES = {
    package.name: package
    for package in (
        Package("arch", "8.0.0", "NCSA", "Yahoo Finance, FRED and the Kenneth R. French library"),
        Package("skfolio", "1.12.2", "BSD-3-Clause", "Yahoo Finance"),
        Package(
            "bokeh_sampledata",
            "2026.1",
            "Public domain",
            "Quandl WIKI Prices; the package's licence record says the publisher declared them "
            "public domain, commercial redistribution included",
        ),
    )
}

#: When a value is known; ``days`` after the end of the month, then the next session's open.
CLOSE: dict[str, str | int] = {
    "rule": "session_close",
    "source": "the whole bar at the session's close, nothing of it before",
}
VIX_CLOSE: dict[str, str | int] = {
    "rule": "session_close",
    "source": "the session's close; the official close of the index is 15 minutes later",
}
NEXT_OPEN: dict[str, str | int] = {
    "rule": "next_session_open",
    "source": "spot of the day, public by the next session; FRED itself is refreshed weekly",
}
CPI: dict[str, str | int] = {
    "rule": "month_lag",
    "days": 20,
    "source": "released by the BLS between the 10th and the 20th of the next month; later only in "
    "a shutdown",
}
YIELDS: dict[str, str | int] = {
    "rule": "month_lag",
    "days": 7,
    "source": "the monthly mean of Moody's daily yields, published in the next month's first week",
}
FRENCH: dict[str, str | int] = {
    "rule": "month_lag",
    "days": 45,
    "source": "the library is updated three to six weeks after the month; the longer is taken",
}
SPOT_MONTH: dict[str, str | int] = {
    "rule": "month_lag",
    "days": 10,
    "source": "the monthly mean, published by the EIA with the weekly update after the month",
}
