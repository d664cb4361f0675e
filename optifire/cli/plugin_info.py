"""Everything about one plugin, for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from optifire.cli.times import local_of

if TYPE_CHECKING:
    from optifire.cli.output import Output


def show_info(shape: dict[str, Any], tz: str, output: Output) -> None:
    """Print it for people, with times in that zone."""
    metadata, job = shape["metadata"], shape["job"]
    output.line(f"{shape['plugin_id']} {shape['version']}  {metadata.get('description', '')}")
    reason = f" ({shape['reason']})" if shape["reason"] else ""
    lines = [
        ("state", f"{shape['state']}{reason}"),
        ("since", since_of(shape, tz)),
        ("category", shape["category"]),
        ("folder", shape["folder"]),
        ("needed by", ", ".join(shape["needed_by"])),
    ]
    if job is not None:
        budget = job["budget"]
        lines += [
            ("schedule", f"{', '.join(job['schedule'])}: {job['meaning']}"),
            ("triggers", ", ".join(job["triggers"])),
            ("needs", ", ".join(job["needs"])),
            ("outputs", ", ".join(job["outputs"])),
            ("budget", f"{budget['cpu_ms']:,.0f} ms of processor time, {budget['mem_mb']:,.0f} MB"),
            ("timeout", f"{job['timeout']:g} s, {job['retries']} retries, effect {job['effect']}"),
        ]
    lines += [(name, ", ".join(words)) for name, words in shape["permissions"].items()]
    for name, text in lines:
        if text:
            output.line(f"  {name:10} {text}")
    if "config" in shape:
        rows = [
            (key, json.dumps(each["value"], ensure_ascii=False), each["source"])
            for key, each in shape["config"].items()
        ]
        output.table(["key", "value", "from"], rows)


def since_of(shape: dict[str, Any], tz: str) -> str:
    """Say since when a plugin is in its state and why, unless the state says why already."""
    if shape["since"] is None:
        return ""
    why = "" if not shape["why"] or shape["why"] == shape["reason"] else f": {shape['why']}"
    return f"{local_of(shape['since'], tz)}{why}"
