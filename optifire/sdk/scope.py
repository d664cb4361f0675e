"""The run in progress: the one ambient value.

Helpers that a plugin builds without arguments (``DataFeed()``) take the instant and their sources
from here. The worker sets it around each attempt; tests set it themselves or pass the parts in.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from optifire.core.errors import ContractError, NotInReplay
from optifire.core.ports import BarReader
from optifire.core.run import Source

Held = TypeVar("Held")


@dataclass(slots=True)
class Scope:
    """What surrounds one attempt.

    Attributes
    ----------
    now
        The occurrence's due instant, UTC: data is visible up to it.
    run_id
        The run in progress, which every log line carries.
    bars
        The point-in-time reader of recorded data, None where the worker has none.
    replay
        True when the machine and the live world must not be looked at.
    reads
        What the run has read from recorded data so far; becomes part of its lineage.
    no_data
        What the feed said when it had nothing; a run that then fails is "no data", not a fault.
    """

    now: datetime
    run_id: str = ""
    plugin_id: str = ""
    bars: BarReader | None = None
    replay: bool = False
    reads: dict[str, Source] = field(default_factory=dict)
    no_data: list[str] = field(default_factory=list)

    def require_live(self, what: str) -> None:
        """Raise `NotInReplay` when this is a replay, naming what was asked for."""
        if self.replay:
            raise NotInReplay(
                f"{what} is not part of a replay",
                where=self.plugin_id,
                remedy='Set observes="machine" in the metadata to leave the job out of replays',
            )


class Holding(Generic[Held]):
    """Holds a context variable at a value, for the length of a ``with`` block.

    Each run is inside several of them, and a generator for each would cost it microseconds.
    """

    __slots__ = ("_token", "_value", "_variable")

    def __init__(self, variable: ContextVar[Held | None], value: Held) -> None:
        self._variable = variable
        self._value = value

    def __enter__(self) -> Held:
        """Set the variable and give the value."""
        self._token = self._variable.set(self._value)
        return self._value

    def __exit__(self, *_: object) -> None:
        """Give the variable its earlier value."""
        self._variable.reset(self._token)


_SCOPE: ContextVar[Scope | None] = ContextVar("optifire_scope", default=None)


def current_scope() -> Scope:
    """Give the scope of the run in progress.

    Raises
    ------
    ContractError
        Outside a run, where nobody can say what "now" is.
    """
    scope = _SCOPE.get()
    if scope is None:
        raise ContractError(
            "there is no run in progress, so nobody can say what time it is",
            remedy="Call this inside run(), or pass the parts in explicitly",
        )
    return scope


def scope_if_any() -> Scope | None:
    """Give the scope of the run in progress, or None outside a run."""
    return _SCOPE.get()


def in_scope(scope: Scope) -> Holding[Scope]:
    """Make a scope the current one for the length of a ``with`` block."""
    return Holding(_SCOPE, scope)
