"""Finds the line of each key in a TOML file, which the standard library's reader does not tell."""

import re

_KEY = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_DOTTED = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER = re.compile(rf"^\s*\[\s*({_DOTTED})\s*\]")
_PAIR = re.compile(rf"^\s*({_DOTTED})\s*=")


def toml_lines(text: str) -> dict[tuple[str | int, ...], int]:
    """Give the line of each key that starts one: table headers and ``key = value`` pairs.

    Keys inside inline tables are found under the line of the pair that holds them.
    """
    lines: dict[tuple[str | int, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _parts(header[1])
            _note(lines, table, number)
        elif pair := _PAIR.match(line):
            _note(lines, table + _parts(pair[1]), number)
    return lines


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in re.findall(_KEY, dotted))


def _note(lines: dict[tuple[str | int, ...], int], path: tuple[str, ...], number: int) -> None:
    for length in range(1, len(path) + 1):
        lines.setdefault(path[:length], number)
