"""``pause``, ``resume`` and ``cancel``: what an operator decides about what runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optifire.cli.parser import Command, option

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from optifire.cli.output import Output
    from optifire.core.errors import NotFoundError, OptifireError
    from optifire.core.run import RunStatus
    from optifire.host.home import Home


def cancel(arguments: argparse.Namespace, output: Output) -> int:
    """End a run that goes on, or waits for its turn."""
    from optifire.cli.house import ask_service, by_user, home_of
    from optifire.core.run import TERMINAL, RunStatus

    home, run_id = home_of(arguments), arguments.run
    said = ask_service(home, "cancel", run_id=run_id, why=by_user(arguments.why))
    status = _status_of(home, run_id)
    if said is None or not said["ok"]:
        raise _nothing_to_cancel(home, run_id, status, served=said is not None)
    cancelled = status is None or status not in TERMINAL or status is RunStatus.CANCELLED
    if output.json:
        output.data({**said, "ok": cancelled, "status": None if status is None else status.value})
    elif status is RunStatus.CANCELLED:
        output.line(f"{run_id} is cancelled")
    elif cancelled:
        output.line(f"{run_id} has been told to end")
    else:
        output.note(f"{run_id} ended before it could be cancelled: {status}")
    return 0 if cancelled else 1


def _status_of(home: Home, run_id: str) -> RunStatus | None:
    """Give the status of a run by the ledger; None where that does not have it."""
    from optifire.cli.ledgers import ledger_of, reading, wait_for

    path = ledger_of(home, None)

    async def look(path: Path) -> RunStatus | None:
        async with reading(path) as ledger:
            row = await ledger.run(run_id)
        return None if row is None else row.status

    return None if path is None else wait_for(look(path))


def _nothing_to_cancel(
    home: Home, run_id: str, status: RunStatus | None, *, served: bool
) -> OptifireError:
    from optifire.core.errors import StateError
    from optifire.core.run import TERMINAL

    if status is None:
        return _unknown(home, run_id)
    if status in TERMINAL:
        return StateError(
            f"it has ended already: {status}",
            where=run_id,
            remedy=f"See `optifire run-info {run_id}`",
        )
    if served:
        return StateError(
            f"it is {status} by the ledger and not in progress",
            where=run_id,
            remedy="It has just ended, or begins just now: try again",
        )
    return StateError(
        f"it is {status}, but no service is running in this home, so nothing of it goes on",
        where=run_id,
        remedy="The next start ends it or takes it up again: `optifire up`",
    )


def _unknown(home: Home, run_id: str) -> NotFoundError:
    """Give the error for an id that no run has, with those near it."""
    from optifire.app.lineage import unknown_run
    from optifire.cli.ledgers import ledger_of, reading, wait_for
    from optifire.core.errors import NotFoundError

    path = ledger_of(home, None)
    if path is None:
        return NotFoundError(
            f"there is no run {run_id!r}: nothing has run in this home yet",
            where=str(home.root),
            remedy="Run `optifire up`",
        )

    async def look(path: Path) -> NotFoundError:
        async with reading(path) as ledger:
            return await unknown_run(ledger, run_id, path)

    return wait_for(look(path))


def pause(arguments: argparse.Namespace, output: Output) -> int:
    """Let nothing more of a plugin, or of all, begin until it is resumed."""
    from optifire.runtime.pauses import PAUSED

    said = _change(arguments, PAUSED)
    if output.json:
        output.data(said)
        return 0
    subject = arguments.id or "everything"
    already = "" if said["changed"] else " already"
    output.line(f"{subject} is paused{already}: {said['paused']}")
    return 0


def resume(arguments: argparse.Namespace, output: Output) -> int:
    """Let a plugin, or all, begin again with the next occurrence."""
    from optifire.runtime.pauses import RESUMED

    said = _change(arguments, RESUMED)
    if output.json:
        output.data(said)
        return 0
    subject = arguments.id or "everything"
    if said["changed"]:
        output.line(f"{subject} is resumed")
    elif arguments.id:
        output.line(f"{subject} was not paused by itself")
    else:
        output.line("there was no pause of all plugins to end")
    if arguments.id and said["all"]:
        output.note("note: all plugins are paused; `optifire resume --all` ends that")
    elif not arguments.id and said["alone"]:
        names = ", ".join(said["alone"])
        output.note(f"note: paused by themselves, and still so: {names}")
    return 0


def _change(arguments: argparse.Namespace, kind: str) -> dict[str, Any]:
    """Ask the service, or else write it into the ledger that the next start reads."""
    from optifire.cli.house import ask_service, home_of, user
    from optifire.core.errors import UsageError
    from optifire.runtime.pauses import PAUSED

    command = "pause" if kind == PAUSED else "resume"
    if arguments.all == (arguments.id is not None):
        raise UsageError(
            "which plugin?" if arguments.id is None else "a plugin's id or --all, not both",
            where=f"optifire {command}",
            remedy="Name one, or say --all",
        )
    home = home_of(arguments)
    which = {"all": True} if arguments.all else {"plugin_id": arguments.id}
    why = arguments.why or ""
    said = ask_service(home, command, **which, who=user(), why=why)
    return said if said is not None else _in_file(home, kind, arguments.id, why)


def _in_file(home: Home, kind: str, plugin_id: str | None, why: str) -> dict[str, Any]:
    from optifire.app.pausing import change_in_file, subject_of
    from optifire.cli.house import user
    from optifire.cli.knowledge import look, present
    from optifire.cli.ledgers import wait_for
    from optifire.runtime.pauses import note_of

    async def work() -> dict[str, Any]:
        known = await look(home)
        subject = subject_of(plugin_id, known.catalog)
        note = note_of(kind, subject, await present(known), user(), why)
        return await change_in_file(known.database, note)

    return wait_for(work())


WHICH = (
    option("id", nargs="?", metavar="ID", help="the plugin's id"),
    option("--all", action="store_true", help="all plugins at once"),
    option("--why", metavar="TEXT", help="the reason, recorded and shown wherever asked"),
)

COMMANDS = (
    Command(
        ("cancel",),
        cancel,
        "Ends a run that goes on or waits for its turn.",
        (
            "cancel fe_garch@20181123T180000Z",
            'cancel fe_garch@20181123T180000Z --why "it reads the wrong file" --json',
        ),
        (
            option("run", metavar="RUN", help="the run's id"),
            option("--why", metavar="TEXT", help="the reason, recorded with the run"),
        ),
        "The service asks it to end, kills it after 200 ms, and records it as cancelled. The exit\n"
        "code is 1 if no such run goes on, or if it ended in another way before.",
    ),
    Command(
        ("pause",),
        pause,
        "Keeps a plugin, or all of them, from running until it is resumed.",
        ('pause alpha_vrp --why "odd data since the open"', "pause --all --json"),
        WHICH,
        "A run that goes on may end, a stream ends, and each occurrence until then is recorded as\n"
        "skipped(paused) and not made up for. It holds over restarts. `run` is not kept from it.",
    ),
    Command(
        ("resume",),
        resume,
        "Lets a paused plugin, or all of them, run again from the next occurrence on.",
        ("resume alpha_vrp", 'resume --all --why "the data is right again"'),
        WHICH,
        "--all ends what `pause --all` began; who was paused by itself stays so, and is named.",
    ),
)
