"""The run in progress: the one ambient value.

Helpers that a plugin builds without arguments (``DataFeed()``) take the instant and their sources
from here. The worker sets it around each attempt; tests set it themselves or pass the parts in.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from optifire.core.errors import ContractError, NotInReplay
from optifire.core.ports import BarReader
from optifire.core.run import Source

if TYPE_CHECKING:
    from collections.abc import Iterator


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


@contextmanager
def in_scope(scope: Scope) -> Iterator[Scope]:
    """Make a scope the current one for the length of a ``with`` block."""
    token = _SCOPE.set(scope)
    try:
        yield scope
    finally:
        _SCOPE.reset(token)
