"""Log lines: their form, the run they belong to, secrets, and a file on a full disk."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from optifire.ops.logs import LogFile, Logs, Style
from optifire.ops.masking import Masker
from optifire.sdk.scope import Scope, in_scope

RUN = "alpha_vix_regime@20181123T143000Z"
SCOPE = Scope(
    now=datetime(2018, 11, 23, 14, 30, tzinfo=UTC), run_id=RUN, plugin_id="alpha_vix_regime"
)
LOGGER = logging.getLogger("optifire.ops.test")


class Written:
    """Logs on a stream, and what they wrote."""

    def __init__(self, style: Style, level: str = "INFO") -> None:
        self.stream = io.StringIO()
        self.masker = Masker(["s3cret-token"])
        self.logs = Logs(self.masker, level=level, console=self.stream, style=style)

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()

    @property
    def fields(self) -> dict[str, Any]:
        (line,) = self.lines
        fields: dict[str, Any] = json.loads(line)
        return fields


@pytest.fixture
def console() -> Iterator[Written]:
    written = Written(Style.CONSOLE)
    yield written
    written.logs.close()


@pytest.fixture
def lines() -> Iterator[Written]:
    written = Written(Style.JSON)
    yield written
    written.logs.close()


def test_a_console_line_has_instant_level_logger_and_message(console: Written) -> None:
    LOGGER.info("%d sessions", 5)
    (line,) = console.lines
    instant, rest = line.split(" ", 1)
    assert datetime.fromisoformat(instant).tzinfo is not None
    assert instant.endswith("Z")
    assert rest == "INFO    optifire.ops.test 5 sessions"


def test_a_json_line_has_the_same_by_name(lines: Written) -> None:
    LOGGER.warning("late")
    fields = lines.fields
    assert datetime.fromisoformat(fields.pop("time")).tzinfo is not None
    assert fields == {"level": "WARNING", "logger": "optifire.ops.test", "message": "late"}


@pytest.mark.parametrize("style", Style)
def test_every_line_of_a_run_says_which_run(style: Style) -> None:
    written = Written(style)
    with in_scope(SCOPE):
        LOGGER.info("inside")
    LOGGER.info("outside")
    written.logs.close()
    inside, outside = written.lines
    assert RUN in inside
    assert RUN not in outside


def test_whoever_logs_for_a_run_may_name_it(lines: Written) -> None:
    with in_scope(SCOPE):
        LOGGER.info("ended", extra={"run_id": "other@20181123T180000Z"})
    assert lines.fields["run_id"] == "other@20181123T180000Z"


def test_further_lines_are_indented_and_cannot_pass_for_entries(console: Written) -> None:
    LOGGER.info("one\n2018-01-01T00:00:00Z ERROR optifire forged")
    assert console.lines[1].startswith("    2018-01-01")


def test_characters_that_steer_a_terminal_are_shown_as_escapes(console: Written) -> None:
    LOGGER.info("clear \x1b[2J screen")
    assert console.lines[0].endswith(r"clear \x1b[2J screen")


def test_an_error_comes_with_its_traceback(console: Written, lines: Written) -> None:
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        LOGGER.exception("broken")
    assert "    ZeroDivisionError: division by zero" in console.lines
    assert "ZeroDivisionError" in lines.fields["error"]


@pytest.mark.parametrize("style", Style)
def test_secrets_are_masked_in_messages_and_tracebacks(style: Style) -> None:
    written = Written(style)
    try:
        int("s3cret-token refused")
    except ValueError:
        LOGGER.exception("with %s", {"token": "s3cret-token"})
    written.logs.close()
    text = written.stream.getvalue()
    assert "s3cret" not in text
    assert text.count("***") >= 2


def test_less_serious_messages_are_left_out_until_the_level_changes(console: Written) -> None:
    LOGGER.debug("quiet")
    console.logs.set_level("DEBUG")
    LOGGER.debug("loud")
    logging.getLogger("elsewhere").info("not ours")
    assert [line.rsplit(" ", 1)[1] for line in console.lines] == ["loud"]


PROGRAM = """
import sys, warnings
from optifire.ops.logs import Logs
from optifire.ops.masking import Masker
logs = Logs(Masker(), console=sys.stdout)
warnings.warn("old way")
logs.close()
"""


def test_warnings_of_python_become_lines() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert "WARNING py.warnings" in done.stdout
    assert "UserWarning: old way" in done.stdout
    assert done.stderr == ""


def test_closing_puts_everything_back() -> None:
    before = (logging.getLogger().handlers[:], logging.getLogger("optifire").level)
    written = Written(Style.CONSOLE, level="DEBUG")
    written.logs.close()
    LOGGER.error("after")
    assert (logging.getLogger().handlers, logging.getLogger("optifire").level) == before
    assert written.lines == []


def test_the_file_gets_json_lines_beside_the_console(tmp_path: Path) -> None:
    stream, file = io.StringIO(), tmp_path / "optifire.log"
    logs = Logs(Masker(), console=stream, file=file)
    LOGGER.info("both")
    logs.close()
    assert "both" in stream.getvalue()
    assert json.loads(file.read_text(encoding="utf-8"))["message"] == "both"


def test_the_file_rotates_by_size_and_keeps_a_number(tmp_path: Path) -> None:
    handler = LogFile(tmp_path / "optifire.log", size=200, kept=2)
    for number in range(50):
        handler.emit(logging.LogRecord("x", 20, "", 0, f"line {number:04}", (), None))
    handler.close()
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["optifire.log", "optifire.log.1", "optifire.log.2"]
    assert all(file.stat().st_size <= 200 for file in tmp_path.iterdir())
    assert "line 0049" in (tmp_path / "optifire.log").read_text(encoding="utf-8")


def test_fewer_files_can_be_kept_while_it_is_written(tmp_path: Path) -> None:
    file = tmp_path / "optifire.log"
    logs = Logs(Masker(), file=file, size=200, kept=4)
    for number in range(50):
        LOGGER.info("line %04d", number)
    (tmp_path / "optifire.log.gz").touch()
    assert len(list(tmp_path.glob("optifire.log.?"))) == 4
    logs.resize(10_000, 1)
    names = sorted(one.name for one in tmp_path.iterdir())
    assert names == ["optifire.log", "optifire.log.1", "optifire.log.gz"]
    for number in range(50):
        LOGGER.info("line %04d", number)
    logs.close()
    assert len(file.read_text(encoding="utf-8").splitlines()) > 10
    assert sorted(one.name for one in tmp_path.iterdir()) == names


def test_files_over_the_number_are_removed_at_the_start(tmp_path: Path) -> None:
    for number in range(1, 7):
        (tmp_path / f"optifire.log.{number}").touch()
    Logs(Masker(), file=tmp_path / "optifire.log", kept=2).close()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["optifire.log.1", "optifire.log.2"]


def test_what_is_given_by_name_stands_in_json_by_name_and_masked(lines: Written) -> None:
    more = {"run_id": RUN, "status": "failed", "cpu_ms": 0.0, "reason": "s3cret-token", "x": 1}
    LOGGER.warning("it failed", extra=more)
    fields = lines.fields
    assert (fields["status"], fields["cpu_ms"], fields["reason"]) == ("failed", 0.0, "***")
    assert "x" not in fields


def test_the_form_of_the_console_can_change_while_it_is_written(console: Written) -> None:
    LOGGER.info("one")
    console.logs.set_style(Style.JSON)
    LOGGER.info("two")
    first, second = console.lines
    assert first.endswith("one")
    assert json.loads(second)["message"] == "two"


class Full(io.StringIO):
    """A stream on a disk that is full for a while."""

    full = True

    def write(self, text: str, /) -> int:
        if self.full:
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_lines_that_a_full_disk_refused_are_counted_and_said_when_there_is_room(
    tmp_path: Path,
) -> None:
    handler = LogFile(tmp_path / "optifire.log", size=10_000, kept=1)
    disk = Full()
    handler.setStream(disk)  # type: ignore[arg-type] # as a stream, a StringIO will do
    for number in range(3):
        handler.emit(logging.LogRecord("x", 20, "", 0, f"line {number}", (), None))
    disk.full = False
    handler.emit(logging.LogRecord("x", 20, "", 0, "line 3", (), None))
    handler.emit(logging.LogRecord("x", 20, "", 0, "line 4", (), None))
    assert disk.getvalue().splitlines() == [
        "line 3",
        "3 lines before this one could not be written",
        "line 4",
    ]
    handler.close()


# --- masking ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('p"w\\d/+ x', id="as it is"),
        pytest.param(repr('p"w\\d/+ x'), id="as Python writes it"),
        pytest.param(json.dumps('p"w\\d/+ x'), id="as JSON writes it"),
        pytest.param("https://host/?key=p%22w%5Cd%2F%2B%20x&b=1", id="in a URL"),
        pytest.param("key=p%22w%5Cd%2F%2B+x&b=1", id="in a form"),
    ],
)
def test_a_secret_is_masked_however_it_is_written(text: str) -> None:
    masked = Masker(['p"w\\d/+ x'])(text)
    assert "***" in masked
    assert "w" not in masked.replace("https", "")


def test_the_longer_of_two_secrets_is_masked_whole() -> None:
    assert Masker(["abcd", "abcdefgh"])("abcdefgh abcd") == "*** ***"


def test_a_secret_of_several_lines_is_masked_across_them(console: Written) -> None:
    console.masker.learn(["BEGIN KEY\nMIIabc\nEND KEY"])
    LOGGER.info("key is\nBEGIN KEY\nMIIabc\nEND KEY\nthat was it")
    assert "MIIabc" not in console.stream.getvalue()


@pytest.mark.parametrize("short", ["", " ", "1", "abc", "   ab   "])
def test_values_too_short_to_be_secrets_mask_nothing(short: str) -> None:
    assert Masker([short])("a 1 abc abs") == "a 1 abc abs"


def test_what_is_learned_takes_the_place_of_what_was_known() -> None:
    masker = Masker(["first-one"])
    masker.learn(["second-one"])
    assert masker("first-one second-one") == "first-one ***"
