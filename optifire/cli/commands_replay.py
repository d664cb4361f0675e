"""``replay``: the whole schedule again on a virtual clock."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Self

from optifire.cli.parser import Command, option

if TYPE_CHECKING:
    from optifire.backtest.replay import Progress as Step
    from optifire.backtest.replay import ReplayResult
    from optifire.cli.output import Output

#: Workers that one replay may have.
MOST_WORKERS = 64


def workers(text: str) -> int:
    """Read a number of workers, from 1 to 64."""
    number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MOST_WORKERS}")
    return number


def ids(text: str) -> tuple[str, ...]:
    """Read plugin ids with commas between them."""
    found = tuple(filter(None, (part.strip() for part in text.split(","))))
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} names no plugin")
    return found


def replay(arguments: argparse.Namespace, output: Output) -> int:
    """Replay a stretch of days and print its digest."""
    from pathlib import Path

    from optifire.backtest.playing import replay as play
    from optifire.backtest.replay import ReplayOptions
    from optifire.cli.house import home_of
    from optifire.cli.ledgers import ledger_of, wait_for
    from optifire.cli.times import parse_date
    from optifire.core.errors import UsageError

    first, last = parse_date(arguments.first, "--from"), parse_date(arguments.last, "--to")
    if last < first:
        raise UsageError(
            f"--to {last} lies before --from {first}",
            where="optifire replay",
            remedy="Turn them around",
        )
    home = home_of(arguments)
    against = ledger_of(home, arguments.against) if arguments.against else None
    options: dict[str, Any] = {"first": first, "last": last, "isolated": arguments.isolated}
    if arguments.plugins:
        options["plugins"] = arguments.plugins
    if arguments.db:
        options["db"] = Path(arguments.db).expanduser()
    if arguments.workers:
        options["workers"] = arguments.workers
    with Bar(output) as bar:
        result = wait_for(play(home, ReplayOptions(**options), bar.step))
    _tell(result, output)
    del against
    return 0


class Bar:
    """A progress bar on standard error; nothing where that is not a terminal."""

    def __init__(self, output: Output) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        from optifire.cli.output import console_on

        self._bar = Progress(
            TextColumn("{task.fields[day]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=console_on(output.stderr),
            disable=output.json or not output.stderr.isatty(),
        )
        self._task = self._bar.add_task("replay", total=None, day="starting", rate="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def step(self, step: Step) -> None:
        """Take in how far the replay has come."""
        task = self._bar.tasks[0]
        rate = f"{task.speed:,.0f} sessions/s" if task.speed else ""
        self._bar.update(
            self._task, completed=step.done, total=step.total, day=f"{step.now:%Y-%m-%d}", rate=rate
        )


def _tell(result: ReplayResult, output: Output) -> None:
    if output.json:
        output.data(shape_of(result))
        return
    pace = result.sessions / result.wall_s if result.wall_s else 0.0
    output.line(f"digest   {result.digest}")
    output.line(
        f"played   {result.first} to {result.last}, {result.sessions} sessions "
        f"in {result.wall_s:.1f} s ({pace:,.0f} sessions/s)"
    )
    names = sorted({status for counts in result.statuses.values() for status in counts})
    rows = [
        [plugin_id, *(counts.get(name, 0) for name in names)]
        for plugin_id, counts in sorted(result.statuses.items())
    ]
    output.table(["plugin", *names], rows)


def shape_of(result: ReplayResult) -> dict[str, Any]:
    """Give the JSON shape of a finished replay."""
    return {
        "digest": result.digest,
        "first": str(result.first),
        "last": str(result.last),
        "sessions": result.sessions,
        "wall_s": round(result.wall_s, 3),
        "statuses": {plugin_id: dict(counts) for plugin_id, counts in result.statuses.items()},
    }


COMMANDS = (
    Command(
        ("replay",),
        replay,
        "Plays the whole schedule again on recorded data, and prints its digest.",
        (
            "replay --from 2018-01-02 --to 2018-12-31",
            "replay --from 2018-11-01 --to 2018-11-30 --plugins fe_garch,risk_vol_target --json",
            "replay --from 2018-01-29 --to 2018-12-31 --against data/demo.db",
        ),
        (
            option("--from", dest="first", required=True, metavar="D", help="the first day"),
            option("--to", dest="last", required=True, metavar="D", help="the last day"),
            option("--plugins", type=ids, metavar="A,B", help="only these (default: all on)"),
            option("--db", metavar="FILE", help="keep the ledger; an unfinished one goes on"),
            option("--workers", type=workers, metavar="N", help="runs at once (default: 2)"),
            option("--isolated", action="store_true", help="a process for each run; same digest"),
            option("--against", metavar="DB", help="compare with a ledger, live or replayed"),
        ),
        "A run takes no virtual time and sees nothing that was not known at its instant.\n"
        "The exit code is 0 when the replay was completed, whatever its runs did.",
    ),
)
