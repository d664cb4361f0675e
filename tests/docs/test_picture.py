"""The picture in the README is what the present view draws."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_picture_in_the_readme_is_what_the_view_draws_today() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "picture.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_picture_shows_recorded_data_and_its_date() -> None:
    said = json.loads((ROOT / "docs" / "picture.json").read_text(encoding="utf-8"))
    drawn = (ROOT / "docs" / "picture.svg").read_text(encoding="utf-8")
    assert said["recorded"]
    assert "recorded&#160;data" in drawn
    assert "2018-02-05" in drawn
