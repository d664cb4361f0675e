"""The watch: every change is told, within a second, whichever way it is looked for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from optifire.host.watch import changes, is_relevant

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("poll", [False, True], ids=["kernel", "polling"])
async def test_a_change_is_told_and_new_folders_are_watched_too(
    tmp_path: Path, *, poll: bool
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    roots = [one, tmp_path / "gone"]
    told = changes(lambda: roots, poll=poll)
    async with asyncio.timeout(30):
        assert await anext(told) == frozenset()
        (one / "a.yaml").write_text("1")
        assert one / "a.yaml" in await anext(told)
        roots.append(two)
        assert await anext(told) == frozenset()
        replacement = two / "b.part"
        replacement.write_text("1")
        replacement.rename(two / "b.yaml")
        assert two / "b.yaml" in await anext(told)
    await told.aclose()


@pytest.mark.parametrize(
    ("name", "matters"),
    [
        ("features.yaml", True),
        ("plugins/a/impl.py", True),
        (".features.yaml.swp", False),
        ("features.yaml~", False),
        ("a/__pycache__/impl.cpython-311.pyc", False),
        ("#features.yaml#", False),
    ],
)
def test_what_editors_and_compilers_leave_does_not_matter(
    tmp_path: Path, name: str, *, matters: bool
) -> None:
    hidden_above = tmp_path / ".home"
    assert is_relevant(str(hidden_above / name), [hidden_above]) is matters
