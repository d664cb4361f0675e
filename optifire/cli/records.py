"""Run records as text for people: a table of many, or everything about one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from optifire.cli.output import COLOURS
from optifire.cli.times import local_of
from optifire.host.records import finite

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from optifire.cli.output import Output

#: Characters of a value that a line shows.
LONGEST_VALUE = 100


def runs_table(records: Sequence[Mapping[str, Any]], tz: str, output: Output) -> None:
    """Print many runs, one a line."""
    rows = [
        (
            local_of(each["due"], tz),
            each["plugin_id"],
            each["status"],
            each["cpu_ms"],
            each["mem_mb"],
            each["wall_ms"],
            _remark(each),
        )
        for each in records
    ]
    output.table(["due", "plugin", "status", "cpu ms", "mem MB", "wall ms", "reason"], rows)


def rollups_table(rollups: Sequence[Mapping[str, Any]], output: Output) -> None:
    """Print what runs came to, a line for each day, plugin and status."""
    keys = ("day", "plugin_id", "status", "count", "attempts", "cpu_ms", "most_cpu_ms")
    rows = [[each[key] for key in (*keys, "most_mem_mb")] for each in rollups]
    titles = ["day (UTC)", "plugin", "status", "count", "attempts", "cpu ms", "most", "most MB"]
    output.table(titles, rows)


def _remark(record: Mapping[str, Any]) -> str:
    """Give what a person should know beside the status."""
    said = record["error"] or record["reason"] or ""
    marks = [said]
    if record["count"] > 1:
        marks.append(f"{record['count']} occurrences")
    if record["kind"] != "scheduled":
        why = record.get("why")
        marks.append(f"{record['kind']} {why}" if why else record["kind"])
    if record["turn"]:
        marks.append(f"turn {record['turn']}")
    if record["breaches"]:
        marks.append(f"over budget: {', '.join(record['breaches'])}")
    return "; ".join(filter(None, marks)).replace("\n", " ")


def show_record(record: Mapping[str, Any], tz: str, output: Output) -> None:
    """Print one run, a line for each thing there is to say."""
    pairs = [
        ("run", record["run_id"]),
        ("due", local_of(record["due"], tz)),
        ("status", record["status"]),
        ("reason", record["reason"]),
        ("error", record["error"]),
        ("trigger", record["trigger"]),
        ("started", local_of(record["started_at"], tz)),
        ("took", _took(record)),
        ("budget", _budget(record)),
        ("worker", record["worker"]),
        ("held to", _limits(record["held"])),
        ("sandbox", _layers(record["held"])),
        ("attempts", record["attempt"] if record["attempt"] != 1 else None),
        ("stands for", _span(record, tz)),
        ("note", record["note"]),
    ]
    _pairs(pairs, output)
    if record["outputs"]:
        output.line("outputs")
        for key, value in record["outputs"].items():
            output.line(f"  {key:24} {_short(value)}")


def show_info(info: Mapping[str, Any], tz: str, output: Output) -> None:
    """Print everything about one run: record, attempts, events, lineage, log."""
    show_record(info, tz, output)
    if info["why"]:
        output.line(f"  why      {info['why']}")
    if len(info["attempts"]) > 1:
        rows = [
            (each["attempt"], each["status"], local_of(each["started_at"], tz), each["error"])
            for each in info["attempts"]
        ]
        output.table(["attempt", "status", "started", "error"], rows)
    for line in _details(info, tz):
        output.line(line)


def _details(info: Mapping[str, Any], tz: str) -> Iterable[str]:
    """Give tracebacks, events, lineage and logs as lines."""
    yield from (each["traceback"].rstrip() for each in info["attempts"] if each["traceback"])
    if info["events"]:
        yield "events"
        yield from (f"  {each['name']:24} {_short(each['data'])}" for each in info["events"])
    if info["lineage"]:
        yield "made from"
        yield from _tree(info["lineage"], tz, "  ")
    for log in info.get("logs", ()):
        yield f"printed and logged by attempt {log['attempt']}"
        yield log["text"].rstrip("\n")


def _tree(lineage: Mapping[str, Mapping[str, Any]], tz: str, indent: str) -> Iterable[str]:
    for key, source in lineage.items():
        made = source["run_id"] is not None
        origin = source["run_id"] or source["origin"] or "recorded data"
        when = local_of(source["as_of"], tz) if made else source["as_of"].removesuffix("T00:00:00Z")
        yield f"{indent}{key}: {origin}, as of {when}"
        yield from _tree(source.get("inputs", {}), tz, f"{indent}  ")


def _pairs(pairs: Iterable[tuple[str, object]], output: Output) -> None:
    from rich.text import Text

    console = output.console()
    for name, value in pairs:
        if value not in (None, "", ()):
            text = str(value)
            line = Text.assemble((f"{name:10} ", "bold"), (text, COLOURS.get(text, "")))
            console.print(line, soft_wrap=True)


def _limits(held: Mapping[str, Any] | None) -> str | None:
    """Say where a run was to be stopped, None where nobody knows."""
    if held is None:
        return None
    window = held["cpu_window_s"]
    cpu = "ms of processor time" + (f" in {window:g} s" if window is not None else "")
    figures = [
        (held["cpu_ms"], cpu),
        (held["mem_mb"], "MB"),
        (held["wall_s"], "s"),
        (held["processes"], "processes and threads"),
    ]
    said = [f"{figure:,g} {unit}" for figure, unit in figures if figure is not None]
    return ", ".join([*said, *(["a control group"] if held["group"] else [])])


def _layers(held: Mapping[str, Any] | None) -> str | None:
    """Name the layers of the sandbox around a run, None where nobody knows."""
    return None if held is None else ", ".join(held["layers"]) or "none"


def _took(record: Mapping[str, Any]) -> str:
    figures = [
        (record["wall_ms"], "ms"),
        (record["cpu_ms"], "ms of processor time"),
        (record["mem_mb"], "MB"),
    ]
    said = [f"{figure:,.1f} {unit}" for figure, unit in figures if figure is not None]
    return f"{', '.join(said)} ({record['measured']})" if said else ""


def _budget(record: Mapping[str, Any]) -> str:
    budget = record["budget"]
    if budget is None:
        return ""
    over = f"; over: {', '.join(record['breaches'])}" if record["breaches"] else ""
    return f"{budget['cpu_ms']:,.0f} ms of processor time, {budget['mem_mb']:,.0f} MB{over}"


def _span(record: Mapping[str, Any], tz: str) -> str:
    if record["count"] <= 1:
        return ""
    return f"{record['count']} occurrences since {local_of(record['first'], tz)}"


def _short(value: object) -> str:
    text = json.dumps(finite(value), ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"
