"""``backfill``: runs that are missing of the past, into the live ledger."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from optifire.cli.parser import Command, option

if TYPE_CHECKING:
    import argparse
    from datetime import datetime

    from optifire.app.backfilling import Slice
    from optifire.cli.output import Output
    from optifire.cli.progress import Stretched
    from optifire.core.stretch import Stretch
    from optifire.host.home import Home

#: Occurrences that could not be made of which a person is told one by one.
MOST_TOLD = 5


@dataclass(slots=True)
class Total:
    """What all slices came to together."""

    there: int = 0
    made: list[dict[str, Any]] = field(default_factory=list)
    left: list[dict[str, str]] = field(default_factory=list)
    last: str = ""
    done: bool = False

    def take(self, said: dict[str, Any]) -> None:
        """Add one slice."""
        self.there += said["there"]
        self.made += said["made"]
        self.left += said["left"]
        self.last, self.done = said["last"], said["done"]

    @property
    def statuses(self) -> dict[str, int]:
        """How the runs ended that were made."""
        return dict(Counter(sorted(row["status"] for row in self.made)))

    @property
    def whole(self) -> bool:
        """Whether nothing is missing any more, but where there was nothing to do it with."""
        fine = {"succeeded", "skipped"}
        return self.done and not self.left and all(row["status"] in fine for row in self.made)


def backfill(arguments: argparse.Namespace, output: Output) -> int:
    """Make what is missing of a plugin's past."""
    from optifire.cli.house import home_of, user, zone_of
    from optifire.cli.progress import Stretched
    from optifire.cli.times import parse_instant
    from optifire.core.errors import UsageError
    from optifire.core.stretch import Stretch

    home = home_of(arguments)
    tz = zone_of(home)
    first = parse_instant(arguments.first, tz, "--from")
    last = parse_instant(arguments.last, tz, "--to", end=True)
    if last < first:
        raise UsageError(
            f"--to {arguments.last} lies before --from {arguments.first}",
            where="optifire backfill",
            remedy="Turn them around",
        )
    stretch = Stretch(arguments.id, first, last, who=user(), why=arguments.why or "")
    total = Total()
    try:
        with Stretched(output, first, last) as bar:
            _make(home, stretch, total, bar)
    except KeyboardInterrupt:
        output.note(f"{len(total.made)} runs were made and stay; the same command makes the rest")
        raise
    return _tell(arguments.id, first, total, output)


def _make(home: Home, stretch: Stretch, total: Total, bar: Stretched) -> None:
    """Ask the service for slice after slice; without one make them here."""
    from optifire.cli.house import ask_service
    from optifire.cli.ledgers import wait_for
    from optifire.cli.times import read_instant
    from optifire.host.records import instant_text, maybe_text

    while not total.done:
        said = ask_service(
            home,
            "backfill",
            wait=None,
            plugin_id=stretch.plugin_id,
            first=instant_text(stretch.first),
            last=instant_text(stretch.last),
            after=maybe_text(stretch.after),
            who=stretch.who,
            why=stretch.why,
        )
        if said is None:
            wait_for(_alone(home, stretch, total, bar))
            return
        stretch = _passed(stretch, said, read_instant(said["reached"]), total, bar)


async def _alone(home: Home, stretch: Stretch, total: Total, bar: Stretched) -> None:
    from optifire.app.backfill_alone import backfilling_alone

    async with backfilling_alone(home) as backfilling:
        while not total.done:
            made: Slice = await backfilling.backfill(stretch)
            stretch = _passed(stretch, made.as_json(), made.reached, total, bar)


def _passed(
    stretch: Stretch, said: dict[str, Any], reached: datetime, total: Total, bar: Stretched
) -> Stretch:
    """Take in a slice, and give what is to be asked for after it."""
    total.take(said)
    bar.step(reached, len(total.made))
    return replace(stretch, after=reached)


def _tell(plugin_id: str, first: datetime, total: Total, output: Output) -> int:
    from optifire.host.records import instant_text

    if output.json:
        output.data(
            {
                "ok": total.whole,
                "changed": [row["run_id"] for row in total.made],
                "plugin_id": plugin_id,
                "first": instant_text(first),
                "last": total.last,
                "there": total.there,
                "made": total.made,
                "left": total.left,
                "statuses": total.statuses,
            }
        )
        return 0 if total.whole else 1
    ends = ", ".join(f"{count} {status}" for status, count in total.statuses.items())
    output.line(f"past   {instant_text(first)} to {total.last}")
    output.line(f"made   {len(total.made)}{f': {ends}' if ends else ''}")
    output.line(f"there  {total.there} had succeeded before")
    for each in total.left[:MOST_TOLD]:
        output.note(f"not made: {each['due']}: {each['reason']}")
    if len(total.left) > MOST_TOLD:
        output.note(f"not made: {len(total.left) - MOST_TOLD} more; --json lists them all")
    failed = [row for row in total.made if row["status"] not in {"succeeded", "skipped"}]
    for row in failed[:MOST_TOLD]:
        output.note(f"{row['run_id']} is {row['status']}: {row['reason']}")
    return 0 if total.whole else 1


COMMANDS = (
    Command(
        ("backfill",),
        backfill,
        "Makes the runs that are missing of a plugin's past, into the live ledger.",
        (
            "backfill alpha_vix_regime --from 2018-11-01 --to 2018-11-30",
            'backfill fe_garch --from 2018-11-20T15:00Z --to 2018-11-23 --why "it was off" --json',
        ),
        (
            option("id", metavar="ID", help="the plugin's id"),
            option("--from", dest="first", required=True, metavar="INSTANT", help="due from this"),
            option(
                "--to",
                dest="last",
                required=True,
                metavar="INSTANT",
                help="due up to this, at most the present; a date is whole",
            ),
            option("--why", metavar="TEXT", help="the reason, recorded with who asks"),
        ),
        "Each occurrence without a success gets a run of kind backfill that sees what was known\n"
        "at its instant; what it needs is run first. A value replaces no newer one, events start\n"
        "nobody. Ctrl-C ends it, and the same command goes on: it makes only what is missing.\n"
        "The exit code is 1 if a run failed or could not be made.",
    ),
)
