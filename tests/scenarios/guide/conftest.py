"""A fresh home with the guide's plugins in a folder of their own, switched on in features.yaml."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from optifire.backtest.playing import replay
from optifire.backtest.replay import ReplayOptions, ReplayResult
from optifire.host.home import Home, init_home

#: The plugins as an author who follows the guide writes them; text, so that no tool touches them.
WRITTEN = Path(__file__).parent / "plugins"
IDS = ("feature_engineering", "mean_reversion", "my_plugin", "volatility_scaling")
BUILTIN = Path(__file__).parents[3] / "optifire" / "data" / "builtin"

FEATURES = """\
environment: demo
plugin_paths: [my_plugins]
plugins:
  feature_engineering: {enabled: true}
  mean_reversion: {enabled: true}
  my_plugin: {enabled: true, config: {threshold: 0.25}}
  volatility_scaling: {enabled: true}
"""

Play = Callable[..., Awaitable[ReplayResult]]


def make_home(root: Path) -> Home:
    """Make a home in which somebody has followed the guide."""
    init_home(root)
    for plugin_id in IDS:
        folder = root / "my_plugins" / plugin_id
        folder.mkdir(parents=True)
        shutil.copy(WRITTEN / plugin_id / "impl.py.txt", folder / "impl.py")
    (root / "configs" / "features.yaml").write_text(FEATURES, encoding="utf-8")
    return Home(root)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Give a home in which somebody has followed the guide."""
    return make_home(tmp_path / "home")


@pytest.fixture
def play(home: Home, tmp_path: Path) -> Play:
    """Give the replay of some days into a new ledger, each run in a process forked for it."""

    async def run(first: str, last: str, *, isolated: bool = True) -> ReplayResult:
        days = date.fromisoformat(first), date.fromisoformat(last)
        db = tmp_path / f"{first}.{isolated}.db"
        return await replay(home, ReplayOptions(*days, db=db, workers=1, isolated=isolated))

    return run


@pytest.fixture(scope="session")
def thanksgiving(tmp_path_factory: pytest.TempPathFactory) -> ReplayResult:
    """Give the replay of three sessions around Thanksgiving 2018, made once for all tests.

    Wednesday, the half day on Friday (it closes at 13:00 New York), and Monday.
    """
    root = tmp_path_factory.mktemp("guide")
    days = date(2018, 11, 21), date(2018, 11, 26)
    options = ReplayOptions(*days, db=root / "guide.db", workers=1, isolated=True)
    return asyncio.run(replay(make_home(root / "home"), options))


@pytest.fixture(scope="session")
def db(thanksgiving: ReplayResult) -> Path:
    """Give the ledger of that replay."""
    assert thanksgiving.db is not None
    return thanksgiving.db


@pytest.fixture(scope="session")
def spx() -> pd.DataFrame:
    """Give the recorded bars of the index, read by pandas straight from the shipped file."""
    return pd.read_csv(BUILTIN / "SPX.csv.gz", index_col="date", parse_dates=True)
