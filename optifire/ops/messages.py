"""What a person reads of an alert: a line that says what, then why, what to do, and when.

Texts are short enough for the strictest receiver (Discord takes 2,000 characters), without the
values of secrets, and ping nobody beyond those who read anyway.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from optifire.ops.repeats import Told

#: Characters of a title, of a reason or remedy, and of one line among several.
TITLE, REASON, LINE = 120, 500, 140
#: Lines of one message for several alerts.
MOST_LINES: Final = 10
#: How grave a message is, in apprise's words, the gravest first.
KINDS: Final = ("failure", "warning", "success", "info")
#: What Discord and Slack would take for a call to everybody, parted by a space of no width.
_PINGS: Final = re.compile(r"(?<=@)(?=everyone|here)|(?<=<)(?=[@!#])")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it is sent; ``kind`` is one of `KINDS`."""

    title: str
    body: str
    kind: str


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes messages for one service.

    Attributes
    ----------
    source
        Which service speaks, as in ``paper on fire1``.
    zone
        In which times are shown.
    mask
        Gives a text without the values of secrets.
    """

    source: str
    zone: tzinfo
    mask: Callable[[str], str]

    def one(self, told: Told) -> Message:
        """Give the message of one alert."""
        alert = told.alert
        lines = [
            f"Why: {self._short(alert.why, REASON)}",
            f"What to do: {self._short(alert.remedy, REASON)}",
            f"When: {self._stamp(alert.at)}",
        ]
        if told.more:
            since = alert.at if told.since is None else told.since
            lines.append(f"{_times(told)} since {self._stamp(since)}")
        mark = "again: " if told.again else ""
        return self._message(f"{mark}{alert.what}", lines, kind_of(told))

    def several(self, all_told: Sequence[Told], dropped: int, why: str) -> Message:
        """Give one message for alerts that waited; ``why`` says for what."""
        shown = gravest(all_told, kind_of)
        lines = [self._line(each) for each in shown]
        hidden = len(all_told) - len(shown) + dropped
        if hidden:
            lines.append(f"{hidden} more are in data/optifire.log")
        lines.append("See `optifire health` and `optifire runs`")
        worst = min(map(kind_of, all_told), key=KINDS.index)
        total = len(all_told) + dropped
        number = "1 alert" if total == 1 else f"{total} alerts"
        return self._message(f"{number} {why}", lines, worst)

    def plain(self, title: str, body: str) -> Message:
        """Give a message that is no alert."""
        return self._message(title, [body], "info")

    def _message(self, what: str, lines: Sequence[str], kind: str) -> Message:
        title = self._short(f"OptiFIRE {self.source}: {what}", TITLE)
        return Message(title, "\n".join(lines), kind)

    def _line(self, told: Told) -> str:
        more = f" ({_times(told)})" if told.more else ""
        what = self._short(told.alert.what, LINE)
        return f"{told.alert.at.astimezone(self.zone):%m-%d %H:%M} {what}{more}"

    def _short(self, text: str, most: int) -> str:
        """Give a text as one line without secrets and pings; masked first, then cut."""
        line = " ".join(self.mask(text).split())
        cut = line if len(line) <= most else f"{line[: most - 3]}..."
        return _PINGS.sub("\u200b", cut)

    def _stamp(self, instant: datetime) -> str:
        return f"{instant.astimezone(self.zone):%Y-%m-%d %H:%M:%S %Z}"


def gravest(items: Sequence[T], kind: Callable[[T], str]) -> list[T]:
    """Give as many as one message has lines for, the gravest and of these the latest, in order."""
    order = sorted(range(len(items)), key=lambda at: (KINDS.index(kind(items[at])), -at))
    return [items[at] for at in sorted(order[:MOST_LINES])]


def kind_of(told: Told) -> str:
    """Give how grave it is, in apprise's words."""
    if told.alert.over:
        return "success"
    return "failure" if told.alert.urgent else "warning"


def _times(told: Told) -> str:
    times = "once" if told.more == 1 else f"{told.more} times"
    return times if told.again else f"{times} more"
