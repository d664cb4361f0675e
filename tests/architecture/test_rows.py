"""The acceptance list and the marks that point at it."""

import re
from pathlib import Path

import pytest

import rows

KNOWN = {row.row_id for row in rows.read_rows()[1]}


def test_every_row_has_its_own_id_in_its_own_section() -> None:
    _, found = rows.read_rows()
    ids = [row.row_id for row in found]
    assert len(ids) == len(set(ids))
    assert [
        row for row in found if not re.fullmatch(rf"{row.section}\d{{3}}[a-z]?", row.row_id)
    ] == []
    assert [row.row_id for row in found if not row.text.strip()] == []


def test_every_mark_names_a_row_that_exists() -> None:
    marks = rows.collect(rows.files_with_tests())
    unknown = [
        str(mark) for row_id, found in marks.items() if row_id not in KNOWN for mark in found
    ]
    assert unknown == []


def test_marks_are_found_on_tests_classes_modules_and_parameters(tmp_path: Path) -> None:
    source = tmp_path / "test_marked.py"
    source.write_text(
        "import pytest\n"
        "pytestmark = [pytest.mark.row('O001')]\n"
        "@pytest.mark.row('O002')\n"
        "class TestAll:\n"
        "    @pytest.mark.row('O003')\n"
        "    @pytest.mark.parametrize('x', [pytest.param(1, marks=pytest.mark.row('O004'))])\n"
        "    def test_one(self, x): ...\n"
        "@pytest.mark.long\n"
        "@pytest.mark.row(NAME)\n"
        "async def test_two(): ...\n",
        encoding="utf-8",
    )
    assert set(rows.collect([source])) == {"O001", "O002", "O003", "O004", None}


def test_the_summary_counts_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert rows.main([]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith(f"of {len(KNOWN)}  in all")


def test_a_row_is_either_covered_or_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert rows.main(["--missing"]) == 0
    missing = {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    assert missing == KNOWN - set(rows.collect(rows.files_with_tests()))
