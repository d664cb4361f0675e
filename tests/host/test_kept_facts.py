"""What was read of a plugin is read again only when a file of it has changed."""

from pathlib import Path

import pytest

from optifire.host import kept_facts
from optifire.host.kept_facts import KeptFacts
from optifire.host.plugin_files import Facts, facts_of

#: What an older program kept.
FOREIGN = b"\x82\xa7made_by\xa3old\xa7folders\x80"


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "impl.py").write_text("import pandas\n", encoding="utf-8")
    return folder


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    seen: list[Path] = []

    def counted(folder: Path) -> Facts:
        seen.append(folder)
        return facts_of(folder)

    monkeypatch.setattr(kept_facts, "facts_of", counted)
    return seen


def test_a_second_start_reads_no_plugin(tmp_path: Path, plugin: Path, reads: list[Path]) -> None:
    first = KeptFacts(tmp_path / "cache" / "x.msgpack")
    found = first.of(plugin)
    first.save()
    assert KeptFacts(tmp_path / "cache" / "x.msgpack").of(plugin) == found
    assert reads == [plugin]


def test_a_changed_file_is_read_again(tmp_path: Path, plugin: Path, reads: list[Path]) -> None:
    kept = KeptFacts(tmp_path / "x.msgpack")
    before = kept.of(plugin)
    (plugin / "impl.py").write_text("import scipy.stats\n", encoding="utf-8")
    after = kept.of(plugin)
    assert (before.modules, after.modules) == (("pandas",), ("scipy.stats",))
    assert before.checksum != after.checksum
    assert reads == [plugin, plugin]


@pytest.mark.parametrize(
    "content", [b"", b"\x93not", FOREIGN, FOREIGN.replace(b"old", b"\xff\xff\xff")]
)
def test_a_damaged_or_foreign_file_is_begun_anew(
    tmp_path: Path, plugin: Path, reads: list[Path], content: bytes
) -> None:
    file = tmp_path / "x.msgpack"
    file.write_bytes(content)
    kept = KeptFacts(file)
    assert kept.of(plugin).modules == ("pandas",)
    kept.save()
    assert KeptFacts(file).of(plugin) == kept.of(plugin)
    assert reads == [plugin]


def test_a_place_that_cannot_be_written_loses_nothing(tmp_path: Path, plugin: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    kept = KeptFacts(tmp_path / "file" / "x.msgpack")
    assert kept.of(plugin).modules == ("pandas",)
    kept.save()
