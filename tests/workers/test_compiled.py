"""Compiled code that zygotes keep: the right state of each file, and nothing run or written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from optifire.core.run import RunStatus
from optifire.workers import compiled
from optifire.workers.compiled import CompiledFiles

if TYPE_CHECKING:
    from optifire.core.ports import Outcome
    from optifire.workers.isolated import IsolatedWorker
    from tests.workers.conftest import Ask

RELATIVE = Path(__file__).parent / "plugins" / "relative" / "impl.py"


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A plugin that gives what ``double`` of its ``logic.py`` gives."""
    (tmp_path / "impl.py").write_text(RELATIVE.read_text())
    (tmp_path / "logic.py").write_text("def double(number: int) -> int:\n    return 2\n")
    return tmp_path


def learned(folder: Path, checksum: str = "a") -> CompiledFiles:
    made = CompiledFiles()
    made.learn(str(folder), checksum)
    return made


def kept(folder: Path) -> list[str]:
    found = learned(folder).find(str(folder), "a")
    assert found is not None
    return sorted(str(Path(path).relative_to(folder)) for path in found.files)


def listed(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def given(outcome: Outcome) -> object:
    assert outcome.status is RunStatus.SUCCEEDED, (outcome.reason, outcome.failure)
    return msgspec.msgpack.decode(outcome.outputs["a"])


def test_what_a_plain_import_finds_is_kept_and_tests_are_not(plugin: Path) -> None:
    for name in ("parts/one.py", "tests/test_impl.py", ".hidden/two.py", "logic/__init__.py"):
        (plugin / name).parent.mkdir(exist_ok=True)
        (plugin / name).write_text("")
    # The package goes before the file of the same name.
    assert kept(plugin) == ["impl.py", "logic/__init__.py", "parts/one.py"]


def test_nothing_is_run_when_code_is_learned(plugin: Path) -> None:
    (plugin / "impl.py").write_text("raise SystemExit('run')\n")
    assert kept(plugin) == ["impl.py", "logic.py"]


@pytest.mark.parametrize("text", ["def (:\n", "x = '\\d'\n", "x = 1\0\n", "(" * 5000])
def test_a_file_that_does_not_compile_cleanly_is_left_to_its_run(plugin: Path, text: str) -> None:
    (plugin / "logic.py").write_text(text)
    assert kept(plugin) == ["impl.py"]


def test_a_plugin_with_too_much_source_is_left_to_its_runs(
    plugin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "MOST_SOURCE", 10)
    assert kept(plugin) == []


def test_code_is_learned_once_for_each_checksum(plugin: Path) -> None:
    files = learned(plugin)
    first = files.find(str(plugin), "a")
    files.learn(str(plugin), "a")
    assert files.find(str(plugin), "a") is first
    files.learn(str(plugin), "b")
    assert files.find(str(plugin), "a") is None
    assert files.find(str(plugin), "b") is not None


def test_without_a_checksum_nothing_is_found(plugin: Path) -> None:
    assert learned(plugin, "").find(str(plugin), "") is None


def test_the_folder_learned_longest_ago_is_dropped(
    plugin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "MOST_FOLDERS", 2)
    files = CompiledFiles()
    for name in ("one", "two", "one", "three"):
        (plugin / name).mkdir(exist_ok=True)
        files.learn(str(plugin / name), "a")
    found = [name for name in ("one", "two", "three") if files.find(str(plugin / name), "a")]
    assert found == ["one", "three"]


def test_code_of_a_file_that_changed_or_went_is_not_given(plugin: Path) -> None:
    found = learned(plugin).find(str(plugin), "a")
    assert found is not None
    impl, logic = str(plugin / "impl.py"), str(plugin / "logic.py")
    assert found.code(logic) is not None
    (plugin / "logic.py").write_text("")
    (plugin / "impl.py").unlink()
    assert (found.code(logic), found.code(impl)) == (None, None)


@pytest.mark.asyncio(loop_scope="session")
async def test_a_run_takes_the_file_as_it_is_whatever_the_checksum_says(
    isolated: IsolatedWorker, plugin: Path, ask: Ask
) -> None:
    first = await isolated.run(ask("x", folder=plugin, checksum="a"))
    (plugin / "logic.py").write_text("def double(number: int) -> int:\n    return 3\n")
    second = await isolated.run(ask("x", folder=plugin, checksum="a"))
    third = await isolated.run(ask("x", folder=plugin, checksum="b"))
    assert [given(each) for each in (first, second, third)] == [2, 3, 3]


@pytest.mark.asyncio(loop_scope="session")
async def test_runs_write_nothing_beside_the_code(
    isolated: IsolatedWorker, plugin: Path, ask: Ask
) -> None:
    before = listed(plugin)
    for checksum in ("", "a"):
        given(await isolated.run(ask("x", folder=plugin, checksum=checksum)))
    await isolated.describe(str(plugin))
    assert listed(plugin) == before


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("checksum", ["", "a"])
async def test_a_fault_in_kept_code_names_file_and_line(
    isolated: IsolatedWorker, plugin: Path, checksum: str, ask: Ask
) -> None:
    (plugin / "logic.py").write_text("\n\nraise ValueError('in the body')\n")
    outcome = await isolated.run(ask("x", folder=plugin, checksum=checksum))
    assert outcome.failure is not None
    assert f"{plugin}/logic.py:3" in outcome.failure.message + outcome.failure.traceback
    (plugin / "logic.py").write_text("\ndef (:\n")
    outcome = await isolated.run(ask("x", folder=plugin, checksum=checksum))
    assert outcome.failure is not None
    assert f"{plugin}/logic.py:2" in outcome.failure.message + outcome.failure.traceback


@pytest.mark.asyncio(loop_scope="session")
async def test_a_rehearsal_leaves_nothing_that_a_run_can_see(
    isolated: IsolatedWorker, tmp_path: Path, ask: Ask
) -> None:
    (tmp_path / "impl.py").write_text(
        "import os, random, sys\n"
        "from optifire.plugins import Plugin, PluginMetadata, PluginResult\n"
        "class Looks(Plugin):\n"
        "    def describe(self):\n"
        "        return PluginMetadata.create(plugin_id='looks', version='1', description='x')\n"
        "    def plan(self):\n"
        "        return {'schedule': '@manual'}\n"
        "    async def run(self, context):\n"
        "        left = [name for name in sys.modules if 'rehearsed' in name]\n"
        "        return PluginResult(success=True, data={'a': [left, list(context.data)]})\n"
    )
    assert given(await isolated.run(ask("x", folder=tmp_path))) == [[], ["market_data"]]
