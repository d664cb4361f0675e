"""``token``: who may ask the HTTP API of a home, and for what."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from optifire.cli.parser import Command, option
from optifire.core.access import Role

if TYPE_CHECKING:
    from optifire.cli.output import Output
    from optifire.host.tokens import TokenFile

#: Characters of the longest name of a token.
LONGEST_NAME = 40


def name(text: str) -> str:
    """Read the name of a token: printable, and at most 40 characters."""
    if not text.strip() or len(text) > LONGEST_NAME or not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} is no name of 1 to {LONGEST_NAME} characters")
    return text.strip()


def create(arguments: argparse.Namespace, output: Output) -> int:
    """Make a token and print it, this once."""
    from optifire.runtime.clock import wall_now

    tokens = _tokens(arguments)
    token, text = tokens.create(arguments.name, Role(arguments.role), wall_now())
    if output.json:
        output.data({**token.plain(), "token": text})
        return 0
    output.line(text)
    output.note(f"note: token {token.id} is shown this once; only its hash is kept")
    return 0


def listing(arguments: argparse.Namespace, output: Output) -> int:
    """List every token that was made, without its secret."""
    rows = [token.plain() for token in _tokens(arguments).all()]
    if output.json:
        output.data(rows)
        return 0
    columns = ("id", "name", "role", "created_at", "revoked_at")
    titles = ("token", "name", "role", "made", "revoked")
    if rows:
        output.table(titles, [[row[column] for column in columns] for row in rows])
    else:
        output.line("no tokens yet; `optifire token create NAME --role viewer` makes one")
    return 0


def revoke(arguments: argparse.Namespace, output: Output) -> int:
    """Make a token hold no more, from the next request on."""
    from optifire.runtime.clock import wall_now

    token = _tokens(arguments).revoke(arguments.token, wall_now())
    if output.json:
        output.data({"ok": True, "changed": [token.id]})
    else:
        output.line(f"token {token.id} of {token.name} holds no more")
    return 0


def _tokens(arguments: argparse.Namespace) -> TokenFile:
    from optifire.cli.house import home_of
    from optifire.host.tokens import TokenFile

    return TokenFile(home_of(arguments).tokens)


COMMANDS = (
    Command(
        ("token", "create"),
        create,
        "Makes a token for the HTTP API and prints it, this once.",
        ("token create laptop --role viewer", "token create desk --role operator --json"),
        (
            option("name", type=name, metavar="NAME", help="whose it is, as records name it"),
            option(
                "--role",
                choices=[each.value for each in Role],
                default=Role.VIEWER.value,
                metavar="ROLE",
                help="viewer, operator or admin (default: viewer)",
            ),
        ),
        "A viewer reads, an operator also runs, cancels, pauses and switches plugins, an admin\n"
        "also reads who has tokens and what was changed. Only a hash of the token is kept.",
    ),
    Command(
        ("token", "list"),
        listing,
        "Lists the tokens of the HTTP API, without their secrets.",
        ("token list", "token list --json"),
    ),
    Command(
        ("token", "revoke"),
        revoke,
        "Makes a token hold no more, from the next request on.",
        ("token revoke 3fa9c17b",),
        (option("token", metavar="ID", help="its id, as `token list` shows it"),),
    ),
)
