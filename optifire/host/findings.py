"""What a check found: which rule, how serious, where, and what to do; and errors made of these."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from optifire.core.errors import ConfigError, OptifireError


class Level(StrEnum):
    """How serious a finding is."""

    #: Something does not run, or a file is refused.
    ERROR = "error"
    #: It runs, and somebody should look.
    WARNING = "warning"
    #: Worth knowing.
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a rule found; ``where`` is file and line, key or plugin id."""

    rule: str
    level: Level
    where: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        cure = f". {self.remedy}" if self.remedy else ""
        return f"{self.where}: {self.message}{cure}"

    def as_dict(self) -> dict[str, str]:
        """Give the finding as commands print it with ``--json``."""
        return {key: str(value) for key, value in asdict(self).items()}


class InvalidConfigError(ConfigError):
    """A configuration is refused as a whole; ``findings`` are all the reasons, first one first."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        first, *others = findings
        more = f" (and {len(others)} more)" if others else ""
        super().__init__(first.message + more, where=first.where, remedy=first.remedy)
        self.findings = tuple(findings)


def error_of(rule: str, error: OptifireError, where: str = "") -> Finding:
    """Give an error as a finding; ``where`` stands in when the error names no place."""
    return Finding(rule, Level.ERROR, error.where or where, error.message, error.remedy)


def has_errors(findings: Iterable[Finding]) -> bool:
    """Tell whether any finding is an error."""
    return any(finding.level is Level.ERROR for finding in findings)
