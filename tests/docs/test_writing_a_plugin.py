"""The guide: followed from an empty folder, and complete."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from optifire.core.settings import PLAN_FIELDS
from optifire.sdk import PluginContext, PluginMetadata

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.docs.conftest import Block, Reader

GUIDE = Path(__file__).parents[2] / "docs" / "writing-a-plugin.md"
TEXT = GUIDE.read_text(encoding="utf-8")
#: Set by the host, not by the author.
HOSTS = {"kinds", "origin", "checksum", "signature"}
MONTH = "replay --from 2018-11-01 --to 2018-11-30"

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def blocks(blocks_of: Callable[[Path], list[Block]]) -> list[Block]:
    return blocks_of(GUIDE)


@pytest.fixture(scope="module")
def reader(blocks: list[Block], new_reader: Callable[[], Reader]) -> Reader:
    """Give a reader who has followed the guide to its end."""
    reader = new_reader()
    reader.follow(blocks)
    return reader


def test_every_block_is_a_file_or_commands(blocks: list[Block]) -> None:
    assert [block.line for block in blocks if block.path is None and not block.commands] == []
    assert {block.language for block in blocks} == {"python", "yaml", "console"}


@pytest.mark.row("O001")
def test_the_guide_can_be_followed_to_its_end(reader: Reader) -> None:
    runs = reader.ask("optifire runs --db brake.db --limit 1000")
    ended = {(run["plugin_id"], run["status"]) for run in runs}
    assert ended == {
        (plugin, "succeeded")
        for plugin in ("alpha_momentum", "fe_weather", "risk_brake", "ux_notebook")
    }


def test_the_first_plugin_answers_what_the_guide_says(reader: Reader) -> None:
    record = reader.ask("optifire run alpha_momentum --at 2018-11-23T18:00:00Z")
    momentum, side = record["outputs"]["momentum"], record["outputs"]["side"]
    assert f"`momentum` is {momentum:.4f} and `side` is `{side}`" in " ".join(TEXT.split())


def test_the_month_has_as_many_runs_as_the_guide_says(reader: Reader) -> None:
    runs = reader.ask("optifire runs --db november.db --limit 1000")
    assert f"That made {len(runs)} runs" in TEXT


@pytest.mark.row("O028")
def test_what_a_plugin_writes_and_publishes_reaches_its_table_and_its_listener(
    reader: Reader,
) -> None:
    with closing(sqlite3.connect(reader.folder / "brake.db")) as ledger:
        lines = ledger.execute("SELECT line FROM p_ux_notebook_lines").fetchall()
        signals = ledger.execute(
            "SELECT substr(at, 1, 10) || ' ' || plugin_id || ': ' || printf('%.2f', strength) "
            "FROM signals ORDER BY at_us"
        ).fetchall()
    assert lines == signals
    assert len(lines) > 1


def test_two_replays_of_the_guides_plugins_agree(reader: Reader) -> None:
    first, second = (reader.ask(f"optifire {MONTH}")["digest"] for _ in range(2))
    assert first == second


# --- completeness -----------------------------------------------------------------------------


def rows_of(heading: str) -> set[str]:
    """Give the names in the first column of the tables of a section."""
    section = TEXT.split(f"\n## {heading}", 1)[1].split("\n## ", 1)[0]
    cells = re.findall(r"^\| (.+?) \|", section, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def test_every_field_of_a_context_is_explained() -> None:
    assert rows_of("What it is given") == {field.name for field in fields(PluginContext)}


def test_every_field_of_metadata_is_named() -> None:
    section = TEXT.split("\n## What it is:", 1)[1].split("\n## ", 1)[0]
    named = set(re.findall(r"`([a-z_]+)`", section))
    assert {field.name for field in fields(PluginMetadata)} - HOSTS <= named


def test_every_key_of_a_plan_is_explained() -> None:
    keys = {setting.key for setting in PLAN_FIELDS}
    assert keys - {"schedule"} <= rows_of("When it runs")
