"""``health`` and ``metrics``: how well the service of a home is, and what it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optifire.cli.parser import Command
from optifire.ops.exposition import CONTENT_TYPE

if TYPE_CHECKING:
    import argparse

    from optifire.cli.output import Output
    from optifire.host.home import Home


def health(arguments: argparse.Namespace, output: Output) -> int:
    """Say how well the service is; 1 when that is red or when there is none."""
    from optifire.cli.house import home_of

    said = _asked(home_of(arguments))
    failed = said["level"] == "red"
    if output.json:
        output.data(said)
        return int(failed)
    lives = "live" if said["live"] else "not live"
    ready = "ready" if said["ready"] else "not ready"
    output.line(f"{said['level']}: {said['state']}, {lives}, {ready}")
    for name, check in said["checks"].items():
        output.line(f"  {check['level']:<6} {name}")
        for reason in check["reasons"]:
            output.line(f"           {reason}")
    if not said["checks"]:
        for reason in said["reasons"]:
            output.line(f"  {reason}")
    return int(failed)


def _asked(home: Home) -> dict[str, Any]:
    """Give what the service says of itself, or what its silence means."""
    from optifire.app.vitals import absent
    from optifire.cli.house import ask_service
    from optifire.core.errors import TransientError

    try:
        said: dict[str, Any] | None = ask_service(home, "health")
    except TransientError as error:
        return absent("silent", str(error))
    return said or absent("stopped", "no service is running in this home")


def metrics(arguments: argparse.Namespace, output: Output) -> int:
    """Print what the service counts and measures, for Prometheus."""
    from optifire.cli.house import home_of
    from optifire.host.client import ask

    text: str = ask(home_of(arguments).socket, "metrics")
    if output.json:
        output.data({"content_type": CONTENT_TYPE, "text": text})
    else:
        output.stdout.write(text)
    return 0


COMMANDS = (
    Command(
        ("health",),
        health,
        "Says whether the service is live and ready, and what is not well.",
        ("health", "--home ~/fire health --json"),
        (),
        "Green and amber are 0, red is 1, and so is a home without a service.",
    ),
    Command(
        ("metrics",),
        metrics,
        "Prints what the service counts and measures, in the text format of Prometheus.",
        ("metrics", "--home ~/fire metrics"),
        (),
        "Counters begin with each start of the service. Without a service this fails.",
    ),
)
