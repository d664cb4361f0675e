"""The program ``optifire``: reads its words, runs one command, and gives the exit code.

0 is success, 1 that something failed, 2 that the command was not called rightly.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from optifire.cli.output import Output, standard
from optifire.cli.parser import Command, Parser, build_parser
from optifire.core.errors import OptifireError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

OK, FAILED, USAGE = 0, 1, 2

DESCRIPTION = (
    "Runs many small trading jobs on market time, within budgets, and records every run.\n\n"
    "Exit codes: 0 done, 1 failed, 2 not called rightly. Every command takes --json."
)
EXAMPLES = (
    "init ~/fire",
    "--home ~/fire up",
    "why alpha_vix_regime",
    'schedule "@close-10m" --from 2018-11-22',
)
#: Where the commands stand, in the order of help.
MODULES = (
    "service", "health", "runs", "policies", "backfill", "when", "replay", "schedule", "calendar",
    "check", "config", "history", "budgets", "plugins", "authoring", "backup", "alerts",
    "token",
)  # fmt: skip
#: Words that have commands below them.
GROUPS = {
    "alerts": "Tries the targets that are told of trouble.",
    "budgets": "Shows what runs cost against their budgets, and suggests others.",
    "calendar": "Shows sessions and declares closures.",
    "config": "Shows the configuration, compares its versions and restores one.",
    "plugins": "Lists, makes, checks and switches plugins.",
    "token": "Makes, lists and revokes tokens of the HTTP API.",
}


def commands() -> tuple[Command, ...]:
    """Give every command there is, in the order of help."""
    modules = [import_module(f"optifire.cli.commands_{name}") for name in MODULES]
    return tuple(command for module in modules for command in module.COMMANDS)


def program() -> Parser:
    """Give the parser of the whole program."""
    return build_parser(commands(), GROUPS, DESCRIPTION, EXAMPLES)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give the exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    output = standard(as_json="--json" in words)
    try:
        code = _dispatch(words, output)
        output.stdout.flush()
    except UsageError as error:
        output.error(error)
        return USAGE
    except OptifireError as error:
        output.error(error)
        return FAILED
    except KeyboardInterrupt:
        output.note("interrupted")
        return FAILED
    except BrokenPipeError:
        _let_go_of_stdout()
        return FAILED
    except OSError as error:
        output.error(_of_system(error))
        return FAILED
    return code


def _dispatch(words: Sequence[str], output: Output) -> int:
    parser = program()
    try:
        arguments = parser.parse_args(words)
    except SystemExit:  # --help has been printed
        return OK
    if arguments.print_version:
        from optifire import __version__

        output.line(f"optifire {__version__}")
        return OK
    if "action" not in arguments:
        raise UsageError(
            "which command?", where="optifire", remedy="See `optifire --help` for all of them"
        )
    code: int = arguments.action(arguments, output)
    return code


def _of_system(error: OSError) -> OptifireError:
    """Give an error of the system as one of ours: the file, and what the system says."""
    return OptifireError(
        error.strerror or str(error),
        where=str(error.filename or ""),
        remedy="Check that the file is there, that you may use it, and that the disk has space",
    )


def _let_go_of_stdout() -> None:
    """Point standard output nowhere: its reader has gone, and Python flushes it once more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


if __name__ == "__main__":
    sys.exit(main())
