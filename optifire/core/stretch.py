"""A stretch of a plugin's past, as it is asked to be made up for."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is asked for: a plugin, the first and last instant, by whom and why.

    ``after`` is how far earlier slices came, None for the first one.
    """

    plugin_id: str
    first: datetime
    last: datetime
    after: datetime | None = None
    who: str = ""
    why: str = ""
