"""``run``, ``runs`` and ``run-info``: run one, list them, look at one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from optifire.cli.parser import Command, option
from optifire.core.errors import UsageError
from optifire.core.run import RunStatus

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from optifire.cli.output import Output
    from optifire.core.ledger import RunFilter
    from optifire.host.home import Home

#: Runs that one answer lists at most.
MOST_RUNS = 100_000


def limit(text: str) -> int:
    """Read a number of runs, from 1 to 100,000."""
    number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= MOST_RUNS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MOST_RUNS:,}")
    return number


# --- run ----------------------------------------------------------------------------------------


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Run one plugin now, or as of an instant, and print its record."""
    from optifire.cli.house import ask_service, by_user, home_of, zone_of
    from optifire.cli.times import parse_instant

    if arguments.force and not arguments.why:
        raise UsageError(
            "--force needs a reason",
            where="optifire run",
            remedy='Say why, as in --force --why "the open was missed"',
        )
    home = home_of(arguments)
    at = parse_instant(arguments.at, zone_of(home), "--at") if arguments.at else None
    record = None
    if at is None and arguments.db is None:
        record = ask_service(
            home,
            "run",
            wait=None,
            plugin_id=arguments.id,
            why=by_user(arguments.why),
            force=arguments.force,
        )
    if record is None:
        record = _run_here(home, arguments, at)
    return _tell_run(record, home, output)


def _run_here(home: Home, arguments: argparse.Namespace, at: datetime | None) -> dict[str, Any]:
    """Run a plugin in this process tree: no service holds the home, or it is to stay untouched."""
    from pathlib import Path

    from optifire.app.once import run_once
    from optifire.cli.house import by_user
    from optifire.cli.ledgers import wait_for
    from optifire.host.records import record_of
    from optifire.workers.wire import to_json

    file = Path(arguments.db).expanduser() if arguments.db else None
    work = run_once(home, arguments.id, at=at, db=file, why=by_user(arguments.why))
    return record_of(wait_for(work), to_json)


def _tell_run(record: dict[str, Any], home: Home, output: Output) -> int:
    succeeded = record["status"] == RunStatus.SUCCEEDED
    if output.json:
        output.data(record)
    else:
        from optifire.cli.house import zone_of
        from optifire.cli.records import show_record

        show_record(record, zone_of(home), output)
    if not succeeded:
        why = record["error"] or record["reason"] or "no reason was recorded"
        output.note(f"{record['run_id']} is {record['status']}: {why}")
    return 0 if succeeded else 1


# --- runs and run-info --------------------------------------------------------------------------


def runs(arguments: argparse.Namespace, output: Output) -> int:
    """List runs, the latest due first."""
    from optifire.cli.house import home_of, note_if_unknown, zone_of
    from optifire.cli.ledgers import ledger_of, wait_for
    from optifire.cli.records import rollups_table, runs_table
    from optifire.cli.times import parse_instant
    from optifire.core.ledger import RunFilter

    home = home_of(arguments)
    tz = "UTC" if arguments.rollup else zone_of(home)
    path = ledger_of(home, arguments.db)
    which = RunFilter(
        plugin_id=arguments.plugin,
        status=arguments.status,
        since=parse_instant(arguments.since, tz, "--since") if arguments.since else None,
        until=parse_instant(arguments.until, tz, "--until", end=True) if arguments.until else None,
        limit=arguments.limit,
    )
    _refuse_backwards(which, arguments)
    listed = _rollups if arguments.rollup else _runs
    found = wait_for(listed(path, which)) if path is not None else []
    if path is None:
        output.note("note: nothing has run in this home yet; `optifire up` starts it")
    if not found:
        note_if_unknown(home, arguments.plugin, output)
    if output.json:
        output.data(found)
    elif found and arguments.rollup:
        rollups_table(found, output)
    elif found:
        runs_table(found, tz, output)
    elif path is not None:
        output.line("no such runs")
    return 0


def _refuse_backwards(which: RunFilter, arguments: argparse.Namespace) -> None:
    """Raise where --until lies before --since: rows that stand for a stretch would lie in both."""
    if which.since is not None and which.until is not None and which.until < which.since:
        raise UsageError(
            f"--until {arguments.until} lies before --since {arguments.since}",
            where="optifire runs",
            remedy="Turn them around",
        )


async def _runs(path: Path, which: RunFilter) -> list[dict[str, Any]]:
    from optifire.app.lineage import is_by_hand, reason_by_hand
    from optifire.cli.ledgers import reading
    from optifire.host.records import record_of
    from optifire.workers.wire import to_json

    async with reading(path) as ledger:
        rows = await ledger.runs(which)
        whys = [await reason_by_hand(ledger, row) if is_by_hand(row) else None for row in rows]
        return [
            {**record_of(row, to_json), "why": why} for row, why in zip(rows, whys, strict=True)
        ]


async def _rollups(path: Path, which: RunFilter) -> list[dict[str, Any]]:
    from optifire.cli.ledgers import reading
    from optifire.host.records import rollup_of

    async with reading(path) as ledger:
        return [rollup_of(each) for each in await ledger.rollups(which)]


def run_info(arguments: argparse.Namespace, output: Output) -> int:
    """Show one run: its record, attempts, events, lineage, and what it printed."""
    from optifire.app.lineage import whole_run
    from optifire.cli.house import home_of, zone_of
    from optifire.cli.ledgers import ledger_of, wait_for
    from optifire.cli.records import show_info
    from optifire.core.errors import NotFoundError

    home = home_of(arguments)
    path = ledger_of(home, arguments.db)
    if path is None:
        raise NotFoundError(
            "nothing has run in this home yet", where=str(home.root), remedy="Run `optifire up`"
        )
    info = wait_for(whole_run(path, arguments.run, logs=arguments.logs))
    if output.json:
        output.data(info)
    else:
        show_info(info, zone_of(home), output)
    return 0


ID = option("id", metavar="ID", help="the plugin's id")
DB = option("--db", metavar="FILE", help="read this ledger, live or replayed")

COMMANDS = (
    Command(
        ("run",),
        run,
        "Runs one plugin now, or as of an instant, and prints its record.",
        (
            "run alpha_vix_regime",
            "run fe_garch --at 2018-11-23T18:00:00Z --db /tmp/try.db --json",
            'run risk_vol_target --force --why "checking the new budget"',
        ),
        (
            ID,
            option(
                "--at",
                metavar="INSTANT",
                help="see the data as of this instant, in a ledger that is thrown away",
            ),
            option("--db", metavar="FILE", help="record the run in this ledger"),
            option("--force", action="store_true", help="run although an earlier run goes on"),
            option("--why", metavar="TEXT", help="the reason, recorded with the run"),
        ),
        "A running service makes the run and records it as manual; without one it is made here.\n"
        "The exit code is 0 only if the run succeeded.",
    ),
    Command(
        ("runs",),
        runs,
        "Lists runs, the latest due first.",
        (
            "runs --limit 20",
            "runs --plugin alpha_vrp --status skipped --since 2018-11-01",
            "runs --db replay.db --json",
            "runs --rollup --plugin fe_garch --since 2018-11-01",
        ),
        (
            option("--plugin", metavar="ID", help="only those of one plugin"),
            option(
                "--status",
                choices=[each.value for each in RunStatus],
                metavar="STATUS",
                help="only those with this status",
            ),
            option("--since", metavar="INSTANT", help="due at or after this"),
            option("--until", metavar="INSTANT", help="due at or before this; a date is whole"),
            option(
                "--rollup",
                action="store_true",
                help="what they came to by UTC day, plugin and status, removed runs included",
            ),
            option("--limit", type=limit, default=50, metavar="N", help="at most (default: 50)"),
            DB,
        ),
    ),
    Command(
        ("run-info",),
        run_info,
        "Shows one run: record, attempts, events, lineage, and what it printed.",
        (
            "run-info alpha_vix_regime@20181123T143000Z",
            "run-info fe_garch@20181123T180000Z --logs --json",
        ),
        (
            option("run", metavar="RUN", help="the run's id"),
            option("--logs", action="store_true", help="also what it printed and logged"),
            DB,
        ),
    ),
)
