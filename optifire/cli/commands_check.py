"""``graph``, ``lint`` and ``doctor``: who needs whom, and what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optifire.cli.parser import Command

if TYPE_CHECKING:
    import argparse

    from optifire.cli.knowledge import Knowledge
    from optifire.cli.output import Output


def graph(arguments: argparse.Namespace, output: Output) -> int:
    """Show who needs whom, producers before consumers."""
    from optifire.cli.house import home_of
    from optifire.cli.knowledge import look
    from optifire.cli.ledgers import wait_for

    known = wait_for(look(home_of(arguments)))
    shape = graph_of(known)
    if output.json:
        output.data(shape)
        return 0
    needs: dict[str, list[str]] = {}
    for edge in shape["edges"]:
        mode = "" if edge["mode"] == "value" else f" ({edge['mode']})"
        needs.setdefault(edge["to"], []).append(f"{edge['from']}: {edge['name']}{mode}")
    named = {node["plugin_id"]: ", ".join(node["schedule"]) for node in shape["nodes"]}
    rows = [(each, words, "\n".join(needs.get(each, []))) for each, words in named.items()]
    output.table(["plugin", "schedule", "needs"], rows)
    return 0


def graph_of(known: Knowledge) -> dict[str, Any]:
    """Give nodes in an order in which producers come first, and an edge for each need."""
    catalog = known.catalog
    nodes = [
        {
            "plugin_id": plugin_id,
            "category": catalog.jobs[plugin_id].category,
            "schedule": list(catalog.jobs[plugin_id].schedule.words),
            "outputs": list(catalog.jobs[plugin_id].outputs),
        }
        for plugin_id in catalog.graph.order
    ]
    edges = [
        {
            "from": edge.producer or "host",
            "to": consumer,
            "name": edge.need.name,
            "mode": edge.need.mode.value,
            "off": edge.off,
        }
        for consumer in catalog.graph.order
        for edge in catalog.graph.edges[consumer]
    ]
    return {"nodes": nodes, "edges": edges}


def lint(arguments: argparse.Namespace, output: Output) -> int:
    """Say what is wrong or odd about configuration, schedules, plugins and dependencies."""
    from optifire.cli.findings import tell
    from optifire.cli.house import home_of
    from optifire.cli.knowledge import look
    from optifire.cli.ledgers import wait_for
    from optifire.host.validate import lint as check

    known = wait_for(look(home_of(arguments)))
    well = f"{len(known.catalog.jobs)} plugins, nothing wrong"
    return tell(check(known.catalog), output, well=well)


def doctor(arguments: argparse.Namespace, output: Output) -> int:
    """Look at machine, packages, home, ledgers and service."""
    from optifire.cli.doctor import examine
    from optifire.cli.findings import tell
    from optifire.cli.house import home_of
    from optifire.runtime.clock import wall_now

    home = home_of(arguments)
    return tell(examine(home, wall_now().date()), output, well="all is well")


COMMANDS = (
    Command(
        ("graph",),
        graph,
        "Shows who needs whom.",
        ("graph", "graph --json"),
    ),
    Command(
        ("lint",),
        lint,
        "Says what is wrong or odd about configuration, plugins and schedules.",
        ("lint", "lint --json"),
        (),
        "The exit code is 1 if anything found is an error.",
    ),
    Command(
        ("doctor",),
        doctor,
        "Says whether this machine and this home are fit to run the service.",
        ("doctor", "--home ~/fire doctor --json"),
        (),
        "The exit code is 1 if anything found is an error.",
    ),
)
