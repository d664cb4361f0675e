"""Triggers made of others: unions, agreements, and those that another room rebuilt."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from optifire.core.calendar import Calendar
from optifire.core.trigger import TICK, Trigger

#: How far `AllOf` looks for an instant on which all its triggers agree.
AGREEMENT = timedelta(days=3660)
#: How many rounds of asking that search may take.
MOST_ROUNDS = 20_000


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The union of some triggers."""

    triggers: tuple[Trigger, ...]

    def next_after(self, instant: datetime, calendar: Calendar) -> datetime | None:
        """Give the earliest of what the triggers answer."""
        found = [each.next_after(instant, calendar) for each in self.triggers]
        return min((each for each in found if each is not None), default=None)


@dataclass(frozen=True, slots=True)
class AllOf:
    """The instants on which all of some triggers agree.

    The search ends after ten years or 20,000 rounds, whichever comes first.
    """

    triggers: tuple[Trigger, ...]

    def next_after(self, instant: datetime, calendar: Calendar) -> datetime | None:
        """Give the first instant at which every trigger fires, None if the search finds none."""
        end = instant + AGREEMENT
        for _ in range(MOST_ROUNDS):
            if instant > end:
                break
            found = [each.next_after(instant, calendar) for each in self.triggers]
            agreed = [each for each in found if each is not None]
            if len(agreed) < len(found):
                return None
            if min(agreed) == max(agreed):
                return agreed[0]
            instant = max(agreed) - TICK
        return None


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A trigger of APScheduler that another room rebuilt from what travelled.

    ``ask`` must be pure: the first firing strictly after an instant. It takes no part in
    comparisons; ``source`` (class and fields, as text) says what this trigger is.
    """

    source: str
    ask: Callable[[datetime], datetime | None] = field(compare=False, repr=False)

    def next_after(self, instant: datetime, calendar: Calendar) -> datetime | None:  # noqa: ARG002
        """Give the trigger's own answer, in UTC."""
        found = self.ask(instant)
        return None if found is None else found.astimezone(UTC)
