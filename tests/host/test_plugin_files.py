"""What a plugin's files say about the worker it needs, without being imported."""

from pathlib import Path

import pytest

from optifire.host.plugin_files import facts_of


@pytest.mark.parametrize(
    ("source", "modules"),
    [
        ("import json\n", ()),
        ("import pandas as pd\n", ("pandas",)),
        ("from optifire.data.feeds import DataFeed\n", ("numpy", "pandas")),
        ("async def run(self, context):\n    return context.data['market_data']\n",
         ("numpy", "pandas")),
        ("async def run(self, context):\n    return await context.feed.get_bars('SPY')\n",
         ("numpy", "pandas")),
        ("async def run(self, context):\n    return context.data['regime']\n", ()),
        ("def broken(:\n", ()),
    ],
)  # fmt: skip
def test_a_plugin_that_is_given_frames_runs_where_pandas_is_at_hand(
    tmp_path: Path, source: str, modules: tuple[str, ...]
) -> None:
    (tmp_path / "impl.py").write_text(source, encoding="utf-8")
    assert facts_of(tmp_path).modules == modules
