"""What the built-in data set is made of: sources, files and series, as tables.

`scripts/build_dataset.py` follows them. Numbers are copied as text, digit for digit, so that a
rebuild cannot differ in a rounding; only the bond proxy is computed. A series says when its
values are known (``known``), because replay shows nothing earlier.
"""

from dataclasses import dataclass, field


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


@dataclass(frozen=True, slots=True)
class Series:
    """One series of the manifest: its key, where it stands and how to read it."""

    key: str
    kind: str
    file: str
    columns: dict[str, str]
    frequency: str
    known: dict[str, str | int]
    unit: str
    note: str
    adjusted: bool = False
    derived: bool = False


@dataclass(frozen=True, slots=True)
class Build:
    """One file of the data set: how it is made (`maker`) and from which source files."""

    file: str
    maker: str
    package: str
    inputs: dict[str, str]
    options: dict[str, str] = field(default_factory=dict)
    also: str = ""


OHLCV = {name: name for name in ("open", "high", "low", "close", "volume")}
# fmt: off
STOCKS = (
    "AAPL", "AMD", "BAC", "BBY", "CVX", "GE", "HD", "JNJ", "JPM", "KO",
    "LLY", "MRK", "MSFT", "PEP", "PFE", "PG", "RRC", "UNH", "WMT", "XOM",
)
# fmt: on
FACTORS = {
    "MTUM": "momentum",
    "QUAL": "quality",
    "SIZE": "size",
    "USMV": "minimum volatility",
    "VLUE": "value",
}
WIKI = ("AAPL", "GOOG", "IBM", "MSFT", "FB")

BUILDS = (
    Build(
        "SPX.csv.gz",
        "index_bars",
        "arch",
        {"arch.data.sp500": "arch/data/sp500/sp500.csv.gz"},
        also="skfolio/datasets/data/sp500_index.csv.gz",
    ),
    Build(
        "COMP.csv.gz",
        "index_bars",
        "arch",
        {"arch.data.nasdaq": "arch/data/nasdaq/nasdaq.csv.gz"},
    ),
    Build(
        "VIX.csv.gz",
        "columns",
        "arch",
        {"arch.data.vix": "arch/data/vix/vix.csv.gz"},
        {"vix": "close"},
    ),
    Build(
        "WTI.csv.gz",
        "columns",
        "arch",
        {"arch.data.wti": "arch/data/wti/wti.csv.gz"},
        {"DCOILWTICO": "value"},
    ),
    Build(
        "crude_monthly.csv.gz",
        "monthly",
        "arch",
        {"arch.data.crude": "arch/data/crude/crude.csv.gz"},
        {"Brent": "brent", "WTI": "wti"},
    ),
    Build(
        "yields_monthly.csv.gz",
        "yields",
        "arch",
        {"arch.data.default": "arch/data/default/default.csv.gz"},
        {"AAA": "aaa", "BAA": "baa"},
    ),
    Build(
        "core_cpi_monthly.csv.gz",
        "monthly",
        "arch",
        {"arch.data.core_cpi": "arch/data/core_cpi/core-cpi.csv.gz"},
        {"CPILFESL": "value"},
    ),
    Build(
        "french_monthly.csv.gz",
        "monthly",
        "arch",
        {"arch.data.frenchdata": "arch/data/frenchdata/frenchdata.csv.gz"},
        {"Mkt-RF": "mkt_rf", "SMB": "smb", "HML": "hml", "RF": "rf"},
    ),
    Build(
        "stocks.csv.gz",
        "columns",
        "skfolio",
        {"skfolio.datasets.load_sp500_dataset": "skfolio/datasets/data/sp500_dataset.csv.gz"},
        {symbol: symbol for symbol in STOCKS},
    ),
    Build(
        "factors.csv.gz",
        "columns",
        "skfolio",
        {"skfolio.datasets.load_factors_dataset": "skfolio/datasets/data/factors_dataset.csv.gz"},
        {symbol: symbol for symbol in FACTORS},
    ),
    *(
        Build(
            f"{symbol}.csv.gz",
            "wiki_bars",
            "bokeh_sampledata",
            {f"bokeh_sampledata.stocks.{symbol}": "bokeh_sampledata/_data/stocks.csv.gz"},
            {"ticker": symbol},
        )
        for symbol in WIKI
    ),
)

_ADJUSTED = (
    "close only, adjusted for splits and dividends as of 2022-12-28 and rounded to 0.001: returns "
    "are right, levels are not those of the day"
)


def _macro(key: str, file: str, column: str, known: dict[str, str | int], *text: str) -> Series:
    unit, note = text
    derived = column == "bond_proxy"
    columns = {"value": column}
    return Series(key, "macro", file, columns, "1mo", known, unit, note, derived=derived)


SERIES = (
    Series(
        "SPX",
        "bars",
        "SPX.csv.gz",
        OHLCV,
        "1d",
        CLOSE,
        "index points",
        "index proxy, price return; close only before 1999-01-04 and after 2018-12-31",
    ),
    Series(
        "COMP",
        "bars",
        "COMP.csv.gz",
        OHLCV,
        "1d",
        CLOSE,
        "index points",
        "Nasdaq Composite, index proxy, price return",
    ),
    Series(
        "VIX",
        "bars",
        "VIX.csv.gz",
        {"close": "close"},
        "1d",
        VIX_CLOSE,
        "percent, annualised",
        "close only",
    ),
    *(
        Series(
            symbol,
            "bars",
            f"{symbol}.csv.gz",
            {**OHLCV, "adj_close": "adj_close"},
            "1d",
            CLOSE,
            "USD a share",
            "as traded, with the adjusted close of the archive beside it",
        )
        for symbol in WIKI
    ),
    *(
        Series(
            symbol,
            "bars",
            "stocks.csv.gz",
            {"close": symbol},
            "1d",
            CLOSE,
            "USD a share",
            _ADJUSTED,
            adjusted=True,
        )
        for symbol in STOCKS
    ),
    *(
        Series(
            symbol,
            "bars",
            "factors.csv.gz",
            {"close": symbol},
            "1d",
            CLOSE,
            "USD a share",
            f"{style} factor fund, {_ADJUSTED}",
            adjusted=True,
        )
        for symbol, style in FACTORS.items()
    ),
    Series(
        "WTI",
        "macro",
        "WTI.csv.gz",
        {"value": "value"},
        "1d",
        NEXT_OPEN,
        "USD a barrel",
        "spot at Cushing, FRED DCOILWTICO",
    ),
    _macro(
        "BRENT_MONTHLY",
        "crude_monthly.csv.gz",
        "brent",
        SPOT_MONTH,
        "USD a barrel",
        "monthly mean of the Brent spot",
    ),
    _macro(
        "WTI_MONTHLY",
        "crude_monthly.csv.gz",
        "wti",
        SPOT_MONTH,
        "USD a barrel",
        "monthly mean of the WTI spot",
    ),
    _macro(
        "AAA",
        "yields_monthly.csv.gz",
        "aaa",
        YIELDS,
        "percent a year",
        "Moody's Aaa corporate yield, monthly mean",
    ),
    _macro(
        "BAA",
        "yields_monthly.csv.gz",
        "baa",
        YIELDS,
        "percent a year",
        "Moody's Baa corporate yield, monthly mean",
    ),
    _macro(
        "BOND_PROXY",
        "yields_monthly.csv.gz",
        "bond_proxy",
        YIELDS,
        "fraction a month",
        "total return of a 20-year par bond at the Aaa yield, computed from two monthly means",
    ),
    _macro(
        "CORE_CPI",
        "core_cpi_monthly.csv.gz",
        "value",
        CPI,
        "index, 1982-84 = 100",
        "CPI less food and energy, seasonally adjusted, FRED CPILFESL; the vintage of 2018-12, "
        "not the first prints",
    ),
    *(
        _macro(key, "french_monthly.csv.gz", column, FRENCH, "percent a month", note)
        for key, column, note in (
            ("MKT_RF", "mkt_rf", "Fama-French market less risk-free, the vintage of 2018-12"),
            ("SMB", "smb", "Fama-French small minus big, the vintage of 2018-12"),
            ("HML", "hml", "Fama-French high minus low, the vintage of 2018-12"),
            ("RF", "rf", "one-month Treasury bill rate"),
        )
    ),
)
