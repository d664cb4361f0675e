"""Who asks over the network, and what each may do."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a token is good for; each may do what those before it may."""

    #: Reads what the service says of itself, its runs and its configuration.
    VIEWER = "viewer"
    #: Also runs and cancels, and switches plugins on and off.
    OPERATOR = "operator"
    #: Also reads who has tokens, and what was changed by whom.
    ADMIN = "admin"

    def covers(self, wanted: "Role") -> bool:
        """Tell whether this role may do what another one may."""
        order = tuple(Role)
        return order.index(self) >= order.index(wanted)


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who showed a token that holds."""

    token_id: str
    name: str
    role: Role

    def __str__(self) -> str:
        return f"{self.name} ({self.role}, token {self.token_id})"
