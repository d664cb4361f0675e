"""Every bundled plugin holds to the rules for all plugins."""

from pathlib import Path

import pytest

import optifire.plugins
from optifire.testing.conformance import check

FOLDERS = sorted(path.parent for path in Path(optifire.plugins.__file__).parent.glob("*/impl.py"))


@pytest.mark.row("O009")
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
async def test_a_bundled_plugin_breaks_no_rule(folder: Path) -> None:
    assert [f"{one.rule}: {one}" for one in await check(folder)] == []
