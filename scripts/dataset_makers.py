"""How each file of the built-in data set is made from the text of its sources.

A maker takes the sources as CSV text and its `Build`, and gives CSV text: first column ``date``
(ISO), rows oldest first, numbers as the source writes them, an empty field where there is none.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from functools import cache

from dataset_recipe import Build

Rows = list[dict[str, str]]


#: How the sources write that there is no value; FRED writes a dot.
ABSENT = frozenset({"", "."})


@cache  # several series stand in one file
def _parsed(text: str) -> Rows:
    rows = csv.DictReader(io.StringIO(text))
    return [{name: "" if cell in ABSENT else cell for name, cell in row.items()} for row in rows]


def _written(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [",".join(header), *(",".join(row) for row in rows)]
    return "\n".join(lines) + "\n"


def iso_date(text: str) -> str:
    """Give an ISO date from ``2018-12-31``, ``12/31/2018`` or ``201812`` (the month's first).

    The French file of arch 8.0.0 stores months as bare integers, which its own loader takes for
    nanoseconds after 1970; read as text they are what they say.
    """
    if "/" in text:
        month, day, year = text.split("/")
        return f"{year}-{int(month):02}-{int(day):02}"
    if text.isdigit():
        return f"{text[:4]}-{text[4:]}-01"
    return text


def _whole(text: str) -> str:
    return text.removesuffix(".0")


def index_bars(sources: list[str], _build: Build) -> str:
    """Make daily bars; a second source fills in closes on days that the first does not have."""
    rows = {
        iso_date(row["Date"]): [
            *(row[name] for name in ("Open", "High", "Low", "Close")),
            _whole(row["Volume"]),
        ]
        for row in _parsed(sources[0])
    }
    for source in sources[1:]:
        for row in _parsed(source):
            rows.setdefault(iso_date(row["Date"]), ["", "", "", row["SP500"], ""])
    header = ("date", "open", "high", "low", "close", "volume")
    return _written(header, ([date, *rows[date]] for date in sorted(rows)))


def wiki_bars(sources: list[str], build: Build) -> str:
    """Make daily bars as traded, with the adjusted close, of one ticker."""
    names = ("Open", "High", "Low", "Close", "Volume", "Adj Close")
    rows = sorted(
        [iso_date(row["Date"]), *(row[name] for name in names)]
        for row in _parsed(sources[0])
        if row["Ticker"] == build.options["ticker"]
    )
    return _written(("date", "open", "high", "low", "close", "volume", "adj_close"), rows)


def columns(sources: list[str], build: Build) -> str:
    """Make a file of the named columns, without the days on which all of them are empty."""
    rows = [
        [iso_date(row["Date"]), *(row[name] for name in build.options)]
        for row in _parsed(sources[0])
        if any(row[name] for name in build.options)
    ]
    return _written(("date", *build.options.values()), rows)


def _month(text: str) -> str:
    return f"{iso_date(text)[:7]}-01"


def monthly(sources: list[str], build: Build) -> str:
    """Make a file of the named columns labelled with the month's first day."""
    rows = [
        [_month(row["Date"]), *(row[name] for name in build.options)] for row in _parsed(sources[0])
    ]
    return _written(("date", *build.options.values()), rows)


def par_bond_return(before: float, after: float) -> float:
    """Give the total return of one month of a 20-year par bond, as a fraction.

    It is bought at par with coupon and yield `before` and priced at yield `after` (both in percent
    a year, semi-annual compounding), its maturity left at 20 years; a month's coupon is added.
    """
    coupon, rate, periods = before / 200, after / 200, 40
    discount = (1 + rate) ** -periods
    price = coupon * periods if rate == 0 else coupon * (1 - discount) / rate
    return price + discount - 1 + before / 1200


def yields(sources: list[str], build: Build) -> str:
    """Make the two yields with the bond proxy, whose first month has none."""
    rows: list[list[str]] = []
    for row in _parsed(sources[0]):
        proxy = ""
        if rows:
            proxy = f"{par_bond_return(float(rows[-1][1]), float(row['AAA'])):.10f}"
        rows.append([_month(row["Date"]), *(row[name] for name in build.options), proxy])
    return _written(("date", *build.options.values(), "bond_proxy"), rows)


def dates_of(text: str, column: str) -> list[str]:
    """Give the dates on which `column` of a made file has a value."""
    return [row["date"] for row in _parsed(text) if row[column]]
