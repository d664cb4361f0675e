"""``budgets apply``: shows what changes, asks, writes features.yaml once and tells the service."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from optifire.cli.advice import changes, edits, held_elsewhere
from optifire.cli.budget_tables import show_changes
from optifire.cli.commands_config import difference
from optifire.cli.house import ask_service, note_unwritten, signer_of
from optifire.core.errors import ConfigError, UsageError
from optifire.host.edit import preview, write_atomically

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from optifire.app.costs import Costs
    from optifire.cli.advice import Change
    from optifire.cli.output import Output
    from optifire.host.edit import Sign


def apply_advice(costs: Costs, arguments: argparse.Namespace, output: Output) -> int:
    """Write what is suggested, and give the exit code.

    Raises
    ------
    ConfigError
        There is no features.yaml, or it does not allow the edit.
    UsageError
        Nobody is there to be asked, and neither ``--yes`` nor ``--dry-run`` was said.
    """
    planned = _planned(costs, output)
    file = costs.known.home.config_file("features")
    if file is None:
        raise ConfigError("there is no features.yaml", where=str(costs.known.home.configs))
    before, after = preview(file, edits(costs.known.configuration.features, planned))
    said: dict[str, Any] = {
        "ok": True,
        "changed": [],
        "errors": [],
        "budgets": [_plain(each) for each in planned],
        "diff": difference(file.name, before, after),
    }
    if not output.json:
        _show(planned, said["diff"], output)
    if planned and not arguments.dry_run and _agreed(arguments, file, output):
        _write(file, before, after, signer_of(costs.known.home))
        said["changed"] = [each.plugin_id for each in planned]
        applied = ask_service(costs.known.home, "reload")
        note_unwritten(applied, output)
        said["errors"] = [] if applied is None else list(applied["errors"])
        said["ok"] = applied is None or bool(applied["ok"])
        _tell(file, output, taken_over=applied is not None and said["ok"])
    if output.json:
        output.data(said)
    for error in said["errors"] if not output.json else ():
        output.note(f"error: {error}")
    return int(not said["ok"])


def _planned(costs: Costs, output: Output) -> list[Change]:
    """Give what can be changed in features.yaml; what another layer holds is told instead."""
    planned = []
    for each in changes(costs):
        above = held_elsewhere(costs.known.configuration.features, each)
        if above:
            output.note(f"note: {each.plugin_id} keeps its budget: {above} has the last word")
        else:
            planned.append(each)
    return planned


def _plain(change: Change) -> dict[str, Any]:
    return {
        "plugin_id": change.plugin_id,
        "before": dict(change.before),
        "after": dict(change.after),
    }


def _show(planned: list[Change], diff: str, output: Output) -> None:
    if not planned:
        output.line("nothing to change")
        return
    show_changes(planned, output)
    output.line(diff.rstrip("\n"))


def _agreed(arguments: argparse.Namespace, file: Path, output: Output) -> bool:
    """Tell whether the change is wanted; a person at a terminal is asked."""
    if arguments.yes:
        return True
    if output.json or not sys.stdin.isatty():
        raise UsageError(
            "nobody is here to be asked",
            where="optifire budgets apply",
            remedy="Say --yes to write the budgets, or --dry-run to see them only",
        )
    output.stdout.write(f"write this to {file}? [y/N] ")
    output.stdout.flush()
    agreed = sys.stdin.readline().strip().lower() in {"y", "yes"}
    if not agreed:
        output.line("nothing was written")
    return agreed


def _write(file: Path, before: str, after: str, sign: Sign) -> None:
    """Write the file, unless it is another one than was shown."""
    if file.read_bytes().decode() != before:
        raise ConfigError(
            "the file was changed meanwhile",
            where=str(file),
            remedy="Run the command again and look at the new difference",
        )
    sign(file, after)
    write_atomically(file, after)


def _tell(file: Path, output: Output, *, taken_over: bool) -> None:
    if output.json:
        return
    output.line(f"wrote {file}")
    if taken_over:
        output.line("the running service has taken it over")
