"""What is printed where no terminal is."""

import io

import pytest

from optifire.cli.output import Output


def test_a_table_in_a_pipe_has_no_blanks_around_it() -> None:
    printed = io.StringIO()
    output = Output(json=False, stdout=printed, stderr=io.StringIO())
    output.table(["plugin", "reason"], [["fe_garch", "off"], ["alpha_vrp", ""]])
    lines = printed.getvalue().splitlines()
    assert [line.split() for line in lines if "\u2500" not in line] == [
        ["plugin", "reason"],
        ["fe_garch", "off"],
        ["alpha_vrp"],
    ]
    assert [line for line in lines if line != line.rstrip()] == []


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_table_cuts_no_id_or_instant_whatever_the_width(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    printed = Terminal()
    output = Output(json=False, stdout=printed, stderr=io.StringIO())
    why = "the light zygote was killed by SIGKILL while no run was in progress"
    due, plugin = "Sat 2026-11-21 08:45:20 EST", "alpha_cross_asset_corr"
    output.table(["due", "plugin", "status", "reason"], [[due, plugin, "crashed", why]])
    text = printed.getvalue()
    assert f"{due}  {plugin}  crashed" in text
    assert " ".join(" ".join(line[61:].split()) for line in text.splitlines()[2:]).strip() == why
