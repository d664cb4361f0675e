"""What a setting is: its key, its form and its range, and what holds when it is absent."""

from dataclasses import dataclass
from enum import StrEnum

#: A plain value as a configuration file holds it.
Plain = object


class Kind(StrEnum):
    """What form a setting's value has."""

    FLAG = "true or false"
    COUNT = "a whole number"
    NUMBER = "a number"
    TEXT = "text"
    TEXTS = "a list of texts"
    #: Seconds, or a number with a unit: ``90``, ``"90s"``, ``"5m"``, ``"1h"``, ``"1d"``.
    DURATION = 'seconds, or a number with a unit as in "5m"'
    DATE = "a date as in 2018-01-29"
    #: Keys and values that somebody else defines.
    MAPPING = "a mapping"
    #: Texts by text.
    NAMES = "a mapping of text to text"
    SCHEDULE = "a schedule word or a list of these"
    #: Names of variables that hold secrets; what they hold stands in no file of settings.
    VARIABLES = "a list of variables as in ${NAME}"
    NEEDS = "a list of names or of mappings (needs, after, optional)"


@dataclass(frozen=True, slots=True)
class Setting:
    """One key: where it stands, what it takes, and what holds when it is absent.

    ``key`` is dotted (``budget.cpu_ms``). ``minimum`` and ``maximum`` are inclusive, ``above`` is
    not; durations are compared in seconds. ``default`` None means what ``otherwise`` says.
    """

    key: str
    kind: Kind
    doc: str
    default: Plain = None
    otherwise: str = ""
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    required: bool = False

    @property
    def path(self) -> tuple[str, ...]:
        """The key as a path."""
        return tuple(self.key.split("."))
