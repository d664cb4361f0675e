"""The grammar of the program: commands with examples, and mistakes answered with near words."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NoReturn

from optifire.core.errors import UsageError

if TYPE_CHECKING:
    from optifire.cli.output import Output

#: What a command does: gives the exit code.
Action = Callable[[argparse.Namespace, "Output"], int]

_CHOICE = re.compile(r"argument (\S+): invalid choice: '(.*?)' \(")
_UNKNOWN = re.compile(r"unrecognized arguments: (\S+)")


@dataclass(frozen=True, slots=True)
class Option:
    """One word that a command takes; ``settings`` go to `argparse.ArgumentParser.add_argument`."""

    names: tuple[str, ...]
    settings: Mapping[str, Any]


def option(*names: str, **settings: Any) -> Option:  # noqa: ANN401 - passed on to argparse
    """Describe an option or a positional word."""
    return Option(names, settings)


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its words, what it does, what it takes, and how it is called.

    ``path`` is ``("plugins", "info")`` for a command below another; ``examples`` are written
    without the program's name.
    """

    path: tuple[str, ...]
    action: Action
    summary: str
    examples: tuple[str, ...]
    options: tuple[Option, ...] = ()
    details: str = ""


COMMON = (
    option("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON, in UTC"),
    option(
        "--home",
        metavar="DIR",
        default=argparse.SUPPRESS,
        help="the folder with configs and data (default: OPTIFIRE_HOME, else here or above)",
    ),
)


class Parser(argparse.ArgumentParser):
    """An argument parser that raises `UsageError` with the nearest words instead of exiting."""

    def __init__(self, *, prog: str, description: str, examples: Sequence[str]) -> None:
        shown = "\n".join(f"  optifire {line}" for line in examples)
        super().__init__(
            prog=prog,
            description=description,
            epilog=f"examples:\n{shown}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        for common in COMMON:
            self.add_argument(*common.names, **common.settings)

    def parse_known_args(  # type: ignore[override]  # the overloads of argparse
        self,
        args: Sequence[str] | None = None,
        namespace: argparse.Namespace | None = None,
    ) -> tuple[argparse.Namespace, list[str]]:
        """Refuse what is not known here, where its near words are."""
        if unknown := self._unknown_before_command(sys.argv[1:] if args is None else args):
            self.error(f"unrecognized arguments: {unknown}")
        found, extra = super().parse_known_args(args, namespace)
        if extra:
            self.error(f"unrecognized arguments: {' '.join(extra)}")
        return found, extra

    def error(self, message: str) -> NoReturn:
        """Raise `UsageError` with the nearest words that this parser takes."""
        seek = f"See `{self.prog} --help`"
        if match := _CHOICE.match(message):
            where, word = match.groups()
            what = "command" if where == "COMMAND" else f"value of {where}"
            raise UsageError(
                f"{word!r} is not a known {what}",
                where=self.prog,
                remedy=_nearest(word, self._choices(where)) or seek,
            )
        if match := _UNKNOWN.match(message):
            word = match[1].partition("=")[0]
            what = "option" if word.startswith("-") else "word"
            known = self._options() if what == "option" else ()
            raise UsageError(
                f"{word!r} is not a known {what} of this command",
                where=self.prog,
                remedy=_nearest(word, known, every=False) or seek,
            )
        raise UsageError(message, where=self.prog, remedy=seek)

    def _unknown_before_command(self, args: Sequence[str]) -> str:
        """Give an unknown option before a command; argparse takes its value for the command."""
        if self._subparsers is None:
            return ""
        words = iter(args)
        for word in words:
            if not word.startswith("--"):
                return ""
            name, equals, _ = word.partition("=")
            action = self._option_string_actions.get(name)
            if action is None:
                return word
            if action.nargs is None and not equals:
                next(words, None)
        return ""

    def _options(self) -> list[str]:
        return [name for action in self._actions for name in action.option_strings]

    def _choices(self, argument: str) -> list[str]:
        for action in self._actions:
            names = {action.metavar, action.dest, *action.option_strings}
            if action.choices and names & set(argument.split("/")):
                return [str(word) for word in action.choices]
        return []


def _nearest(word: str, known: Sequence[str], *, every: bool = True) -> str:
    """Give a remedy that names the nearest words, or else every word there is."""
    close = get_close_matches(word, known, n=3, cutoff=0.5)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    return f"Use one of {', '.join(known)}" if known and every else ""


def build_parser(
    commands: Sequence[Command],
    groups: Mapping[str, str],
    description: str,
    examples: Sequence[str],
) -> Parser:
    """Give the parser of the whole program; what it parses holds the command's ``action``.

    ``groups`` gives the summary of each word that has commands below it.
    """
    root = Parser(prog="optifire", description=description, examples=examples)
    root.add_argument(
        "--version", dest="print_version", action="store_true", help="print the version"
    )
    tops = root.add_subparsers(metavar="COMMAND", dest="command", title="commands")
    below: dict[str, Any] = {}
    for command in commands:
        first = command.path[0]
        if first in groups and first not in below:
            shown = [line for each in commands if each.path[0] == first for line in each.examples]
            group = tops.add_parser(
                first, help=groups[first], description=groups[first], examples=shown
            )
            below[first] = group.add_subparsers(metavar="COMMAND", dest="below", required=True)
        _add(below.get(first, tops), command)
    return root


def _add(parent: Any, command: Command) -> None:  # noqa: ANN401 - a private class of argparse
    parser = parent.add_parser(
        command.path[-1],
        help=command.summary,
        description="\n\n".join(filter(None, [command.summary, command.details])),
        examples=command.examples,
    )
    for each in command.options:
        parser.add_argument(*each.names, **each.settings)
    parser.set_defaults(action=command.action)


def walk(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Give a parser and all below it, in the order of help."""
    yield parser
    for action in parser._actions:  # noqa: SLF001 - argparse shows its parts nowhere else
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for each in action.choices.values():
                yield from walk(each)
