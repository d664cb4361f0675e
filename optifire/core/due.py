"""One due instant of a schedule, and what holds for it when it is found late or cannot be."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

#: What happens to an occurrence found later than its grace; ``all`` is a plan's own choice.
Late = Literal["skip", "latest"]
#: What a schedule does on half days.
HalfDay = Literal["follow", "skip", "only"]

#: Why an occurrence of a half day does not run, as the record says it.
HALF_DAY = "half day"


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for a due instant, apart from the instant: shared by all that are alike.

    ``skip`` says why this occurrence is recorded but must not run. ``idle`` marks an occurrence
    that stands for a whole closed window and runs when the machine is free.
    """

    words: tuple[str, ...]
    grace: timedelta
    misfire: Late
    skip: str | None = None
    idle: bool = False


@dataclass(frozen=True, slots=True)
class Due:
    """One instant at which a schedule fires; ``terms`` are read through the properties."""

    instant: datetime
    terms: Terms

    @property
    def words(self) -> tuple[str, ...]:
        """Give every word of the schedule that names this instant, in the order written."""
        return self.terms.words

    @property
    def word(self) -> str:
        """Give the words as one text, as a record shows them."""
        return ", ".join(self.terms.words)

    @property
    def grace(self) -> timedelta:
        """Give how late a start may be before ``misfire`` applies."""
        return self.terms.grace

    @property
    def misfire(self) -> Late:
        """Give what happens to this occurrence when it is found later than its grace."""
        return self.terms.misfire

    @property
    def skip(self) -> str | None:
        """Give why this occurrence is recorded without running; None if it may run."""
        return self.terms.skip

    @property
    def idle(self) -> bool:
        """Tell whether it stands for a closed window (its instant is that window's close)."""
        return self.terms.idle


def strictest(terms: list[Terms]) -> Terms:
    """Give the terms of one instant that several words name.

    A word that may run outweighs one that skips; among those that may run a stale start is worse
    than none as soon as one of them says so, and the shortest grace holds.
    """
    words = tuple(word for each in terms for word in each.words)
    able = [each for each in terms if each.skip is None] or terms
    timed = [each for each in able if not each.idle] or able
    late: Late = "skip" if any(each.misfire == "skip" for each in timed) else "latest"
    grace = min(each.grace for each in timed)
    return Terms(words, grace, late, timed[0].skip, timed[0].idle)
