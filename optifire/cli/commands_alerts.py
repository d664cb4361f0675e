"""``alerts test``: whether those who are to be told of trouble can be reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optifire.cli.parser import Command

if TYPE_CHECKING:
    import argparse

    from optifire.cli.output import Output
    from optifire.host.home import Home

#: Seconds to wait for a service that tries its targets, all of them at once.
PATIENCE = 60.0


def test(arguments: argparse.Namespace, output: Output) -> int:
    """Send a message to every target; 1 when one of them does not take it."""
    from optifire.cli.house import ask_service, home_of

    home = home_of(arguments)
    said: dict[str, Any] | None = ask_service(home, "alerts_test", wait=PATIENCE)
    if said is None:
        said = _test_here(home)
    if output.json:
        output.data(said)
    else:
        for each in said["targets"]:
            reason = "took it" if each["ok"] else each["reason"]
            output.line(f"{each['target']}: {reason}")
    return 0 if said["ok"] else 1


def _test_here(home: Home) -> dict[str, Any]:
    """Try the targets of a home that no service holds."""
    import asyncio

    from optifire.app.alerting import addresses_of, rules_of, try_all
    from optifire.app.joining import read_configuration
    from optifire.cli.house import calendar_of
    from optifire.ops.sending import send

    configuration = read_configuration(home)
    writer = rules_of(configuration, calendar_of(home, None)).writer
    return asyncio.run(try_all(addresses_of(configuration), writer, send))


COMMANDS = (
    Command(
        ("alerts", "test"),
        test,
        "Sends a test message to every target of alerts.targets, and says who took it.",
        ("alerts test", "--home ~/fire alerts test --json"),
        (),
        "A running service is asked to, so that its environment counts. Quiet hours do not.",
    ),
)
