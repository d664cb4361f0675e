"""What the built-in data set is made of: sources, files and series, as tables.

`scripts/build_dataset.py` follows them. Numbers are copied as text, digit for digit, so that a
rebuild cannot differ in a rounding; only the bond proxy is computed. A series says when its
values are known (``known``), because replay shows nothing earlier.
"""

from dataclasses import dataclass, field

from dataset_sources import CLOSE, CPI, FRENCH, NEXT_OPEN, SPOT_MONTH, VIX_CLOSE, YIELDS


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

    @property
    def main(self) -> str:
        """Give the one column without which a row is not there."""
        return "close" if self.kind == "bars" else "value"


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
