"""Decides which alerts go out, when, and as how many messages.

Pure: instants come in as arguments, messages go out. Every alert passes the topics, then the window
of its cause; one that is not urgent waits in quiet hours, and what has waited goes out as one.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from optifire.core.quiet_hours import QuietHours
from optifire.ops.messages import Message, Writer
from optifire.ops.repeats import Repeats, Told

if TYPE_CHECKING:
    from optifire.core.alerts import Alert

#: Alerts that wait for the end of quiet hours, at most; the oldest go, and are counted.
MOST_HELD: Final = 200
SUMMED_UP: Final = "from quiet hours"


@dataclass(slots=True)
class Rules:
    """Who is told what, and when: as the settings say now."""

    topics: frozenset[str]
    quiet: QuietHours
    writer: Writer


@dataclass(slots=True)
class Desk:
    """Takes alerts and gives messages.

    ``waiting`` is what quiet hours hold, and ``dropped`` counts the oldest that were too many.
    """

    rules: Rules
    repeats: Repeats
    waiting: deque[Told] = field(default_factory=deque)
    dropped: int = 0

    @classmethod
    def with_window(cls, rules: Rules, seconds: float) -> Desk:
        """Give a desk where alerts of one cause are one for so many seconds."""
        return cls(rules, Repeats(timedelta(seconds=seconds)))

    @property
    def held(self) -> int:
        """How many alerts wait for the end of quiet hours."""
        return len(self.waiting) + self.dropped

    def change(self, rules: Rules, seconds: float) -> None:
        """Go over to other rules; what waits and what was counted stays."""
        self.rules = rules
        self.repeats.window = timedelta(seconds=seconds)

    def take(self, alert: Alert, now: datetime) -> list[Message]:
        """Take in one alert; gives what is to be sent at once."""
        if alert.topic not in self.rules.topics:
            return []
        told = self.repeats.take(alert)
        return [] if told is None else self._pass(told, now)

    def tick(self, now: datetime) -> list[Message]:
        """Give what is to be sent because windows or quiet hours have ended."""
        found = [message for told in self.repeats.ended(now) for message in self._pass(told, now)]
        if self.waiting and not self.rules.quiet.holds(now):
            held, dropped = list(self.waiting), self.dropped
            self.waiting.clear()
            self.dropped = 0
            single = len(held) == 1 and not dropped
            writer = self.rules.writer
            message = writer.one(held[0]) if single else writer.several(held, dropped, SUMMED_UP)
            found.insert(0, message)
        return found

    def _pass(self, told: Told, now: datetime) -> list[Message]:
        if told.alert.urgent or not self.rules.quiet.holds(now):
            return [self.rules.writer.one(told)]
        if len(self.waiting) >= MOST_HELD:
            self.waiting.popleft()
            self.dropped += 1
        self.waiting.append(told)
        return []
