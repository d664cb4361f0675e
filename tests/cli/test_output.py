"""What is printed where no terminal is."""

import io

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
