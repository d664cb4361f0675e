"""Descriptions: asked once for each state of a folder, a few at once, and kept."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from optifire.core.errors import OptifireError, PluginFault
from optifire.core.ports import Description
from optifire.host.descriptions import AT_ONCE, Descriptions, describe_all
from optifire.host.discovery import Candidate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Counting:
    """Counts who is asked, and how many at once."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.now = self.most = 0
        self.broken: set[str] = set()
        self.warmed: list[tuple[str, ...]] = []
        self.cold = False

    async def warm(self, modules: Sequence[str]) -> None:
        self.warmed.append(tuple(modules))
        if self.cold:
            raise OptifireError("a package broke the process")

    async def accept(self, folder: str, config: Mapping[str, Any]) -> None:
        self.asked.append(Path(folder).name)
        if config.get("refuse"):
            raise PluginFault("refused", where=folder)

    async def describe(self, folder: str) -> Description:
        name = Path(folder).name
        self.asked.append(name)
        self.now += 1
        self.most = max(self.most, self.now)
        for _ in range(3):
            await asyncio.get_running_loop().run_in_executor(None, str)
        self.now -= 1
        if name in self.broken:
            raise PluginFault("broken", where=folder)
        return Description(name, "Some", {"plugin_id": name, "outputs": ("x",)}, {})


def candidates(*names: str, checksum: str = "1") -> dict[str, Candidate]:
    return {name: Candidate(name, Path("/nowhere") / name, "builtin", checksum) for name in names}


async def test_few_are_asked_at_once_and_a_fault_is_the_answer_of_one(tmp_path: Path) -> None:
    describer = Counting()
    describer.broken = {"p3"}
    said = await describe_all(
        Descriptions(describer, tmp_path / "kept"), candidates(*(f"p{n}" for n in range(8)))
    )
    assert describer.most == AT_ONCE
    assert isinstance(said["p3"], PluginFault)
    assert [key for key, each in said.items() if isinstance(each, Description)] == [
        f"p{n}" for n in range(8) if n != 3
    ]


async def test_what_was_said_is_kept_for_the_next_start_and_a_fault_is_not(
    tmp_path: Path,
) -> None:
    describer = Counting()
    describer.broken = {"b"}
    first = await describe_all(Descriptions(describer, tmp_path / "kept"), candidates("a", "b"))
    describer.broken = set()
    again = await describe_all(Descriptions(describer, tmp_path / "kept"), candidates("a", "b"))
    assert describer.asked == ["a", "b", "b"]
    a, b = first["a"], again["a"]
    assert isinstance(a, Description)
    assert isinstance(b, Description)
    assert (b.plugin_id, b.class_name, dict(b.plan)) == (a.plugin_id, a.class_name, dict(a.plan))


@pytest.mark.parametrize("kept", [b"", b"\x93not", b"\x82\xa7made_by\xa1\xff\xa4kept\x80"])
async def test_a_damaged_cache_holds_nothing_and_is_made_again(tmp_path: Path, kept: bytes) -> None:
    (tmp_path / "kept").write_bytes(kept)
    describer = Counting()
    for _ in range(2):
        said = await describe_all(Descriptions(describer, tmp_path / "kept"), candidates("a"))
        assert isinstance(said["a"], Description)
    assert describer.asked == ["a"]


async def test_another_state_of_the_folder_is_asked_again(tmp_path: Path) -> None:
    describer = Counting()
    descriptions = Descriptions(describer, tmp_path / "kept")
    await describe_all(descriptions, candidates("a"))
    await describe_all(descriptions, candidates("a", checksum="2"))
    await describe_all(descriptions, candidates("a"))
    assert describer.asked == ["a", "a"]


async def test_a_cache_that_cannot_be_written_costs_time_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    describer = Counting()
    descriptions = Descriptions(describer, tmp_path / "file" / "kept")
    said = await describe_all(descriptions, candidates("a"))
    assert isinstance(said["a"], Description)


def importing(modules: dict[str, tuple[str, ...]]) -> dict[str, Candidate]:
    """Give candidates whose files import these modules at the top."""
    plain = candidates(*modules)
    return {name: replace(plain[name], modules=modules[name]) for name in modules}


async def test_what_they_import_is_made_ready_once_for_all_that_must_be_asked() -> None:
    describer = Counting()
    descriptions = Descriptions(describer)
    some = importing({"a": ("numpy", "pandas"), "b": ("pandas", "scipy"), "c": ()})
    await describe_all(descriptions, some)
    assert describer.warmed == [("numpy", "pandas", "scipy")]
    await describe_all(descriptions, some)
    await describe_all(descriptions, candidates("d"))
    assert len(describer.warmed) == 1


async def test_what_cannot_be_made_ready_is_no_fault_of_those_that_are_asked() -> None:
    describer = Counting()
    describer.cold = True
    said = await describe_all(Descriptions(describer), importing({"a": ("broken",)}))
    assert isinstance(said["a"], Description)
