"""Counts the acceptance rows that a test shows.

Tests are read, not run: a row counts where its id stands in `pytest.mark.row(...)`, on a test, a
class, a module (`pytestmark`) or a parameter set. tests/architecture checks that those marks name
rows that exist.
"""

import argparse
import ast
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROWS_FILE = ROOT / "tests" / "rows.toml"


@dataclass(frozen=True, slots=True)
class Row:
    """One capability that was asked for."""

    row_id: str
    section: str
    topic: str
    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """One place where a test says that it shows a row; ``row_id`` is None if not a plain string."""

    row_id: str | None
    path: Path
    line: int

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}"


def read_rows(path: Path = ROWS_FILE) -> tuple[dict[str, str], list[Row]]:
    """Give the sections' titles by letter and all rows in the order of the file."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    titles: dict[str, str] = table["sections"]
    rows = [
        Row(row_id, section, topic, text)
        for section in titles
        for topic, texts in table[section].items()
        for row_id, text in texts.items()
    ]
    return titles, rows


def files_with_tests(root: Path = ROOT) -> list[Path]:
    """Give every Python file that may hold a marked test, sorted."""
    folders = (root / "tests").rglob("*.py"), root.glob("optifire/plugins/*/tests/**/*.py")
    return sorted(path for found in folders for path in found)


def marks_in(path: Path) -> Iterator[Mark]:
    """Give the row marks of one file, one for each id."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.Call) and _is_row_mark(node.func):
            for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
                yield Mark(_plain_string(argument), path, node.lineno)


def _is_row_mark(func: ast.expr) -> bool:
    return (
        isinstance(func, ast.Attribute)
        and func.attr == "row"
        and isinstance(func.value, ast.Attribute)
        and func.value.attr == "mark"
    )


def _plain_string(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def collect(paths: Iterable[Path]) -> dict[str | None, list[Mark]]:
    """Give the marks of all files by row id; those that are not plain strings are under None."""
    found: defaultdict[str | None, list[Mark]] = defaultdict(list)
    for path in paths:
        for mark in marks_in(path):
            found[mark.row_id].append(mark)
    return dict(found)


def _summary(
    titles: Mapping[str, str], rows: Sequence[Row], covered: frozenset[str]
) -> Iterator[str]:
    for section, title in titles.items():
        ids = [row.row_id for row in rows if row.section == section]
        done = [row_id for row_id in ids if row_id in covered]
        yield f"{section}  {len(done):3} of {len(ids):3}  {title}"
        if done:
            yield f"   {' '.join(done)}"
    yield f"   {sum(row.row_id in covered for row in rows):3} of {len(rows):3}  in all"


def _missing(rows: Sequence[Row], covered: frozenset[str]) -> Iterator[str]:
    for row in rows:
        if row.row_id not in covered:
            yield f"{row.row_id}  {row.text}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the count by section, or what is missing; give 1 if a mark names no row."""
    parser = argparse.ArgumentParser(prog="scripts/rows", description=__doc__)
    parser.add_argument("--missing", action="store_true", help="list the rows without a test")
    options = parser.parse_args(arguments)

    titles, rows = read_rows()
    marks = collect(files_with_tests())
    known = {row.row_id for row in rows}
    covered = frozenset(row_id for row_id in marks if row_id in known)
    lines = _missing(rows, covered) if options.missing else _summary(titles, rows, covered)
    for line in lines:
        print(line)
    unknown = [mark for row_id, found in marks.items() if row_id not in known for mark in found]
    for mark in unknown:
        print(f"{mark}: no row {mark.row_id!r} in {ROWS_FILE.relative_to(ROOT)}", file=sys.stderr)
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
