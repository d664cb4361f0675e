"""Reads the text format 0.0.4 of Prometheus as strictly as its specification has it.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

import math
import re
from dataclasses import dataclass, field

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')
ENDS = {"histogram": ("_bucket", "_sum", "_count")}

Labels = frozenset[tuple[str, str]]


@dataclass
class Metric:
    """One family: its type, its help, and its numbers by name and labels."""

    type: str
    help: str
    values: dict[tuple[str, Labels], float] = field(default_factory=dict)

    def value(self, name: str, **labels: str) -> float:
        """Give one number."""
        return self.values[name, frozenset(labels.items())]


def parse(text: str) -> dict[str, Metric]:
    """Give all families by name; raises `ValueError` at the first line that is not right."""
    if not text.endswith("\n"):
        raise ValueError("the last line must end with a line feed")
    found: dict[str, Metric] = {}
    helps: dict[str, str] = {}
    current = ""
    for line in text.split("\n"):
        if line.startswith("# HELP "):
            take_help(line, helps, found)
        elif line.startswith("# TYPE "):
            current = take_type(line, helps, found)
        elif line and not line.startswith("#"):
            take_sample(line, current, found)
    for name, metric in found.items():
        if metric.type == "histogram":
            check_histogram(name, metric)
    return found


def take_help(line: str, helps: dict[str, str], found: dict[str, Metric]) -> None:
    """Read what a family means, which stands once and before its type."""
    name, _, said = line.removeprefix("# HELP ").partition(" ")
    if name in helps or name in found:
        raise ValueError(f"second HELP: {line}")
    helps[name] = said


def take_type(line: str, helps: dict[str, str], found: dict[str, Metric]) -> str:
    """Begin a family and give its name."""
    name, _, type_ = line.removeprefix("# TYPE ").partition(" ")
    if name in found or type_ not in {"counter", "gauge", "histogram"}:
        raise ValueError(f"second or unknown TYPE: {line}")
    found[name] = Metric(type_, helps.get(name, ""))
    return name


def take_sample(line: str, current: str, found: dict[str, Metric]) -> None:
    """Read one number of the family that has begun."""
    name, labels, value = sample_of(line)
    metric = found.get(current)
    if metric is None or name not in names_of(current, metric.type):
        raise ValueError(f"outside its group: {line}")
    if (name, labels) in metric.values:
        raise ValueError(f"twice: {line}")
    metric.values[name, labels] = value


def names_of(name: str, type_: str) -> set[str]:
    """Give the names that the lines of a family may have."""
    return {name + end for end in ENDS.get(type_, ("",))}


def sample_of(line: str) -> tuple[str, Labels, float]:
    """Read ``name{label="value",...} number``."""
    match = NAME.match(line)
    if match is None:
        raise ValueError(f"no name: {line}")
    rest, pairs = line[match.end() :], []
    if rest.startswith("{"):
        rest = rest[1:]
        while not rest.startswith("}"):
            label = LABEL.match(rest)
            if label is None:
                raise ValueError(f"no label: {line}")
            pairs.append((label[1], unescaped(label[2])))
            rest = rest[label.end() :].removeprefix(",")
        rest = rest[1:]
    if not rest.startswith(" "):
        raise ValueError(f"no blank before the number: {line}")
    if len(dict(pairs)) != len(pairs):
        raise ValueError(f"a label twice: {line}")
    return match[0], frozenset(pairs), float(rest)


def unescaped(text: str) -> str:
    """Give what a label's value stands for."""
    meant = {"n": "\n", '"': '"', "\\": "\\"}
    return re.sub(r"\\(.)", lambda found: meant[found[1]], text)


def check_histogram(name: str, metric: Metric) -> None:
    """Hold buckets to growing, to ending with +Inf, and to the count."""
    rows: dict[Labels, list[tuple[float, float]]] = {}
    for (each, labels), value in metric.values.items():
        if each == f"{name}_bucket":
            bound = float(dict(labels)["le"])
            rest = frozenset(pair for pair in labels if pair[0] != "le")
            rows.setdefault(rest, []).append((bound, value))
    for labels, buckets in rows.items():
        counts = [value for _, value in buckets]
        if buckets != sorted(buckets) or counts != sorted(counts) or buckets[-1][0] != math.inf:
            raise ValueError(f"buckets out of order: {name} {sorted(labels)}")
        if metric.values[f"{name}_count", labels] != counts[-1]:
            raise ValueError(f"count is not the last bucket: {name} {sorted(labels)}")
        if (f"{name}_sum", labels) not in metric.values:
            raise ValueError(f"no sum: {name} {sorted(labels)}")
