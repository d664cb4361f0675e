"""Alerts of one cause as one: the first is told, those after it are counted.

Pure: instants come in as arguments. What is told first opens a window. What comes of the same cause
until it ends is counted and told as one, and the next window is twice as long, up to a day. What
lasts has an all-clear: the first one in a window is told at once, and so is the trouble that comes
back after it; whatever comes and goes after that is told when the window ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from optifire.core.alerts import Alert

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The longest window, however long a cause goes on.
LONGEST: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Told:
    """One alert to be told; ``more`` of the same, since ``since``, were counted and not told.

    ``again`` says that it stands for these alone, and was not told by itself.
    """

    alert: Alert
    more: int = 0
    since: datetime | None = None
    again: bool = False


@dataclass(slots=True)
class Cause:
    """What is known of one cause, from the first of it that was told."""

    #: When the window ends and how long it is; after its end, what lasts has none.
    ends: datetime | None
    length: timedelta
    lasting: bool
    #: Whether who was told takes it to go on, and whether an all-clear was told in this window.
    trouble: bool = True
    cleared: bool = False
    #: What was counted, since when, the latest of it, and the all-clear that waits.
    more: int = 0
    since: datetime | None = None
    latest: Alert | None = None
    clear: Alert | None = None

    def counted(self, alert: Alert) -> None:
        """Take in one more that is not told by itself."""
        self.more += 1
        self.since = self.since or alert.at
        self.latest, self.clear = alert, None

    def renew(self, now: datetime) -> None:
        """Begin the next window."""
        self.length = min(LONGEST, 2 * self.length)
        self.ends = now + self.length
        self.trouble, self.cleared = self.trouble and self.clear is None, False
        self.more, self.since, self.latest, self.clear = 0, None, None, None


@dataclass(slots=True)
class Repeats:
    """Decides for each alert whether it is told now, later with others, or not at all."""

    window: timedelta
    causes: dict[str, Cause] = field(default_factory=dict)

    def take(self, alert: Alert) -> Told | None:
        """Give what is to be told of an alert now, None where it is counted or nobody's concern."""
        cause = self.causes.get(alert.cause)
        if alert.over:
            return None if cause is None or not cause.trouble else self._clear(cause, alert)
        if cause is None or cause.ends is None:
            self.causes[alert.cause] = Cause(alert.at + self.window, self.window, alert.lasting)
            return Told(alert)
        if cause.trouble:
            cause.counted(alert)
            return None
        cause.trouble = True
        return Told(alert)

    def ended(self, now: datetime) -> Iterator[Told]:
        """Give what is to be told of the windows that have ended by now."""
        for name, cause in list(self.causes.items()):
            if cause.ends is None or cause.ends > now:
                continue
            last = cause.clear or cause.latest
            if last is not None:
                yield Told(last, cause.more, cause.since, again=not last.over)
                cause.renew(now)
            elif cause.trouble and cause.lasting:
                cause.ends, cause.cleared = None, False
            else:
                del self.causes[name]

    def _clear(self, cause: Cause, alert: Alert) -> Told | None:
        if cause.cleared:
            cause.clear = alert
            return None
        told = Told(alert, cause.more, cause.since)
        if cause.ends is None:
            del self.causes[alert.cause]
        cause.trouble, cause.cleared = False, True
        cause.more, cause.since, cause.latest = 0, None, None
        return told
