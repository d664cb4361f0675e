"""Lines for the journal: which stream goes to it, and the level in front of each line."""

import io
import logging
from pathlib import Path

import pytest

from optifire.ops.journal import is_journal, priority
from optifire.ops.logs import Logs, Style
from optifire.ops.masking import Masker

LOGGER = logging.getLogger("optifire.ops.test")


def test_the_file_that_systemd_names_is_the_journal_and_no_other(tmp_path: Path) -> None:
    with (tmp_path / "journal").open("w") as stream, (tmp_path / "other").open("w") as other:
        held = (tmp_path / "journal").stat()
        environ = {"JOURNAL_STREAM": f"{held.st_dev}:{held.st_ino}"}
        assert is_journal(stream, environ)
        assert not is_journal(other, environ)
        assert not is_journal(stream, {})
    assert not is_journal(stream, environ), "a closed stream goes nowhere"
    assert not is_journal(io.StringIO(), environ)


@pytest.mark.parametrize(
    ("level", "expected"),
    [("CRITICAL", 2), ("ERROR", 3), ("WARNING", 4), ("INFO", 6), ("DEBUG", 7)],
)
def test_levels_are_those_of_syslog(level: str, expected: int) -> None:
    assert priority(logging.getLevelNamesMapping()[level]) == expected


@pytest.mark.parametrize("style", Style)
def test_every_line_for_the_journal_has_its_level_and_no_instant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, style: Style
) -> None:
    with (tmp_path / "journal").open("w") as stream:
        held = (tmp_path / "journal").stat()
        monkeypatch.setenv("JOURNAL_STREAM", f"{held.st_dev}:{held.st_ino}")
        logs = Logs(Masker(), console=stream, style=style)
        LOGGER.warning("two\nlines")
        logs.close()
    said = (tmp_path / "journal").read_text(encoding="utf-8").splitlines()
    if style is Style.CONSOLE:
        assert said == ["<4>WARNING optifire.ops.test two", "<4>    lines"]
    else:
        (line,) = said
        assert line.startswith('<4>{"time": ')


def test_a_message_cannot_choose_the_level_of_its_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "journal").open("w") as stream:
        held = (tmp_path / "journal").stat()
        monkeypatch.setenv("JOURNAL_STREAM", f"{held.st_dev}:{held.st_ino}")
        logs = Logs(Masker(), console=stream)
        LOGGER.info("fine\n<0>the machine is on fire")
        logs.close()
    said = (tmp_path / "journal").read_text(encoding="utf-8").splitlines()
    assert [line[:3] for line in said] == ["<6>", "<6>"]
