"""``replay``: the whole schedule again on a virtual clock."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optifire.cli.parser import Command, option

if TYPE_CHECKING:
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
    from optifire.backtest.playing import replay as play
    from optifire.backtest.replay import ReplayOptions
    from optifire.cli.house import home_of
    from optifire.cli.ledgers import ledger_of, wait_for
    from optifire.cli.progress import Bar
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
    options = ReplayOptions(
        first=first,
        last=last,
        plugins=arguments.plugins,
        db=Path(arguments.db).expanduser() if arguments.db else None,
        workers=arguments.workers,
        isolated=arguments.isolated,
        against=against,
    )
    with Bar(output) as bar:
        shape = shape_of(wait_for(play(home, options, bar.step)), against)
    _tell(shape, output)
    return 1 if against is not None and shape["against"]["differing"] else 0


def _tell(shape: dict[str, Any], output: Output) -> None:
    if output.json:
        output.data(shape)
        return
    pace = shape["sessions"] / shape["wall_s"] if shape["wall_s"] else 0.0
    output.line(f"digest   {shape['digest']}")
    output.line(
        f"played   {shape['first']} to {shape['last']}, {shape['sessions']} sessions "
        f"in {shape['wall_s']:.1f} s ({pace:,.0f} sessions/s)"
    )
    names = sorted({status for counts in shape["statuses"].values() for status in counts})
    rows = [
        [plugin_id, *(counts.get(name, 0) for name in names)]
        for plugin_id, counts in sorted(shape["statuses"].items())
    ]
    output.table(["plugin", *names], rows)
    for plugin_id, why in shape["left_out"].items():
        output.line(f"left out  {plugin_id}: {why}")
    if "against" in shape:
        _tell_comparison(shape["against"], output)


def _tell_comparison(found: dict[str, Any], output: Output) -> None:
    first = found["first"]
    if first is None:
        output.line(f"all {found['compared']:,} runs are the same in {found['db']}")
        return
    output.line(f"{found['differing']:,} of {found['compared']:,} runs differ from {found['db']}")
    output.line(f"the first is {first['run_id']}, in its {first['part']}")
    output.line(f"  here   {first['ours']}")
    output.line(f"  there  {first['theirs']}")


def shape_of(result: ReplayResult, against: Path | None = None) -> dict[str, Any]:
    """Give the JSON shape of a finished replay, and of its comparison if there was one."""
    shape: dict[str, Any] = {
        "digest": result.digest,
        "first": str(result.first),
        "last": str(result.last),
        "sessions": result.sessions,
        "wall_s": round(result.wall_s, 3),
        "statuses": {plugin_id: dict(counts) for plugin_id, counts in result.statuses.items()},
        "left_out": dict(sorted(result.left_out.items())),
    }
    found = result.comparison
    if found is not None:
        shape["against"] = {
            "db": str(against),
            "compared": found.compared,
            "differing": found.differing,
            "first": None if found.first is None else asdict(found.first),
        }
    return shape


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
            option("--workers", type=workers, default=2, metavar="N", help="at once (default: 2)"),
            option("--isolated", action="store_true", help="a process for each run; same digest"),
            option("--against", metavar="DB", help="compare with a ledger, live or replayed"),
        ),
        "A run takes no virtual time and sees nothing that was not known at its instant.\n"
        "The exit code is 0 when the replay was completed, whatever its runs did, and 1 when it\n"
        "could not be, or when --against found a difference.",
    ),
)
