"""``python -m optifire.testing.conformance FOLDER``: the findings about one plugin, as JSON."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from optifire.testing.conformance.checking import PATIENCE, check_folder
from optifire.testing.once import USUAL_INSTANT


def main(arguments: list[str] | None = None) -> int:
    """Print the findings; give 1 when one of them is an error."""
    parser = argparse.ArgumentParser(prog="python -m optifire.testing.conformance")
    parser.add_argument("folder", type=Path, help="the folder that holds impl.py")
    parser.add_argument("--at", default=USUAL_INSTANT, help="the instant to run it as of")
    parser.add_argument("--patience", type=float, default=PATIENCE, help="seconds for one run")
    asked = parser.parse_args(arguments)
    findings = check_folder(asked.folder, at=asked.at, patience=asked.patience)
    sys.stdout.write(json.dumps([finding.as_dict() for finding in findings]) + "\n")
    return 1 if any(finding.level == "error" for finding in findings) else 0


if __name__ == "__main__":
    raise SystemExit(main())
