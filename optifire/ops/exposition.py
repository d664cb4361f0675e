"""Metrics in the text format of Prometheus, version 0.0.4.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (text-based format) and
https://prometheus.io/docs/practices/naming/ (base units, suffixes).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: What an HTTP answer with this text is.
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
#: Names and values of the labels of one sample, in the order in which they are written.
Labels = tuple[tuple[str, str], ...]


class Type(StrEnum):
    """What a family of samples is."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Sample:
    """One line: what the name ends in (``_bucket``), labels, and a number."""

    value: float
    labels: Labels = ()
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """All samples of one name, with its type and what it means."""

    name: str
    type: Type
    help: str
    samples: Sequence[Sample]


class Histogram:
    """How many values lie up to each bound, their sum and count.

    Parameters
    ----------
    bounds
        Upper bounds, inclusive, rising; the one without an end is added.
    """

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Take in one value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def samples(self, labels: Labels) -> Iterator[Sample]:
        """Give buckets, each with those below it, then sum and count."""
        total = 0
        for bound, count in zip((*self._bounds, math.inf), self._counts, strict=True):
            total += count
            yield Sample(total, (*labels, ("le", number(bound))), "_bucket")
        yield Sample(self._sum, labels, "_sum")
        yield Sample(total, labels, "_count")


@dataclass(slots=True)
class Tally:
    """Numbers by labels."""

    values: dict[Labels, float] = field(default_factory=dict)

    def add(self, labels: Labels, more: float = 1) -> None:
        """Add to the number with these labels."""
        self.values[labels] = self.values.get(labels, 0) + more

    def raise_to(self, labels: Labels, value: float) -> None:
        """Keep the larger one."""
        self.values[labels] = max(self.values.get(labels, value), value)

    def samples(self) -> list[Sample]:
        """Give all of them, by label."""
        return [Sample(self.values[labels], labels) for labels in sorted(self.values)]


def counter(name: str, help_: str, samples: Sequence[Sample]) -> Family:
    """Give a family of numbers that only grow while the service runs; named ``..._total``."""
    return Family(name, Type.COUNTER, help_, samples)


def gauge(name: str, help_: str, value: float | Sequence[Sample] | None) -> Family:
    """Give a family of numbers that go up and down; None where nobody knows."""
    if value is None:
        return Family(name, Type.GAUGE, help_, ())
    samples = value if isinstance(value, Sequence) else (Sample(value),)
    return Family(name, Type.GAUGE, help_, samples)


def histogram(name: str, help_: str, by_labels: Mapping[Labels, Histogram]) -> Family:
    """Give a family of histograms."""
    found = [one for labels in sorted(by_labels) for one in by_labels[labels].samples(labels)]
    return Family(name, Type.HISTOGRAM, help_, found)


def rendered(families: Iterable[Family]) -> str:
    """Give the text; a family of which nothing is known is left out."""
    return "".join(line for family in families if family.samples for line in _lines(family))


def _lines(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {_escaped(family.help)}\n"
    yield f"# TYPE {family.name} {family.type.value}\n"
    for sample in family.samples:
        pairs = ",".join(f'{name}="{_quoted(value)}"' for name, value in sample.labels)
        labels = f"{{{pairs}}}" if pairs else ""
        yield f"{family.name}{sample.suffix}{labels} {number(sample.value)}\n"


def number(value: float) -> str:
    """Give a number as the format has it: ``+Inf``, ``-Inf``, ``NaN``, whole ones without point."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    # Above 2**53 not every whole number is a float, and an exponent says so.
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(float(value))


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', r"\"")
