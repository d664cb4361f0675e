"""The picture of the terminal view in the README: the real view, drawn from a real demo.

``picture.py --play`` plays the demo in a throwaway home up to the evening of 5 February 2018 and
keeps what the service said in ``docs/picture.json``. Without it that file is drawn anew by the
present view; ``--check`` says whether ``docs/picture.svg`` is what would be drawn.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from contextlib import AsyncExitStack
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.terminal_theme import MONOKAI

from optifire.app.opening import Overrides, open_service
from optifire.app.rooms import rooms_of
from optifire.calendars.registry import load_calendar
from optifire.cli.scene import with_view
from optifire.cli.view import render
from optifire.core.settings import Settings
from optifire.host.home import Home, init_home

DOCS = Path(__file__).parents[1] / "docs"
SAID, DRAWN = DOCS / "picture.json", DOCS / "picture.svg"
SIZE = (110, 30)
#: The evening after the VIX closed at 37.32: every plugin has something to say.
EVENING = "2018-02-05T21:00:"


async def play() -> dict[str, Any]:
    """Give the service's status on that evening, when everything due has ended."""
    with tempfile.TemporaryDirectory(prefix="optifire-") as folder:
        init_home(Path(folder))
        async with AsyncExitStack() as resources:
            service = await open_service(Home(Path(folder)), Overrides(pace=1.0), resources)
            running = asyncio.create_task(service.run(rooms_of(service)))
            while True:
                status = await service.status()
                if status["now"] >= EVENING and not status["running"]:
                    break
                await asyncio.sleep(0.05)
            service.stop()
            await running
            return status


def draw(status: dict[str, Any]) -> str:
    """Give the view of a status as SVG."""
    market = load_calendar("XNYS", DOCS)
    scene = with_view(status, market, market.tz, Settings().demo)
    console = Console(
        record=True, width=SIZE[0], height=SIZE[1], file=StringIO(), force_terminal=True,
        color_system="truecolor", legacy_windows=False, _environ={},
    )  # fmt: skip
    console.print(render(scene, SIZE))
    return console.export_svg(title="optifire up", theme=MONOKAI, unique_id="optifire")


def main() -> int:
    """Play, draw or check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--play", action="store_true", help="play the demo anew first")
    parser.add_argument("--check", action="store_true", help="only say whether it is up to date")
    arguments = parser.parse_args()
    if arguments.play:
        SAID.write_text(json.dumps(asyncio.run(play()), indent=1) + "\n", encoding="utf-8")
    drawn = draw(json.loads(SAID.read_text(encoding="utf-8")))
    if arguments.check:
        if DRAWN.read_text(encoding="utf-8") == drawn:
            return 0
        print("docs/picture.svg is stale: run scripts/picture.py", file=sys.stderr)
        return 1
    DRAWN.write_text(drawn, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
