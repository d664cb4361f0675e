"""What a person is told of while nobody looks."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Topic(StrEnum):
    """What an alert is about."""

    #: A session job, or any of category risk or exec, was found too late and not run.
    MISSED = "missed"
    #: A plugin is kept from running after failures in a row, or no longer is.
    QUARANTINE = "quarantine"
    #: A run used more than its budget, or was stopped for that.
    BUDGET = "budget"
    #: A check of health is red, or no longer is.
    HEALTH = "health"
    #: The service is back after it had ended without being stopped.
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that a person should know, of the wall clock's instant ``at``.

    Attributes
    ----------
    cause
        What makes two alerts the same, such as ``missed:fe_garch``.
    what, why, remedy
        What happened, as one line; why, as far as is known; what a person should do.
    urgent
        Whether it is worth waking somebody.
    lasting
        Whether it goes on until an alert with ``over`` says that it is over.
    over
        Whether this is that all-clear.
    """

    topic: Topic
    cause: str
    at: datetime
    what: str
    why: str
    remedy: str
    urgent: bool = False
    lasting: bool = False
    over: bool = False
