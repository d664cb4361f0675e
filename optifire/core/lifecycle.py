"""The life of a plugin: its states, and which may follow which. A run's outcome is none of them."""

from collections import deque
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from optifire.core.errors import StateError


class PluginState(StrEnum):
    """What a plugin is.

    Unloaded: off, or of no service. Loading: found, and its metadata read. Loaded: checked, and
    its dependencies resolved. Active: it runs when it is due. Inactive: a person has paused it.
    Unloading: it is being stopped. Error: it cannot be loaded or started, or is quarantined.
    """

    UNLOADED = "unloaded"
    LOADING = "loading"
    LOADED = "loaded"
    ACTIVE = "active"
    INACTIVE = "inactive"
    UNLOADING = "unloading"
    ERROR = "error"


_S = PluginState
#: The states that may follow each.
NEXT: Final[Mapping[PluginState, tuple[PluginState, ...]]] = {
    _S.UNLOADED: (_S.LOADING,),
    _S.LOADING: (_S.LOADED, _S.ERROR),
    _S.LOADED: (_S.ACTIVE, _S.UNLOADING, _S.ERROR),
    _S.ACTIVE: (_S.INACTIVE, _S.ERROR),
    _S.INACTIVE: (_S.ACTIVE, _S.UNLOADING, _S.ERROR),
    _S.UNLOADING: (_S.UNLOADED, _S.ERROR),
    _S.ERROR: (_S.LOADING, _S.UNLOADING),
}


def check_step(now: PluginState, then: PluginState, plugin_id: str) -> None:
    """Raise `StateError` naming both states when a plugin may not go from one to the other."""
    if then not in NEXT[now]:
        raise StateError(
            f"a plugin that is {now} cannot become {then}",
            where=plugin_id,
            remedy=f"It can become {' or '.join(NEXT[now])}",
        )


def way(now: PluginState, then: PluginState) -> tuple[PluginState, ...]:
    """Give the shortest way from one state to another, step by step; empty if they are the same."""
    ways: deque[tuple[PluginState, ...]] = deque([(now,)])
    seen = {now}
    while ways:
        so_far = ways.popleft()
        if so_far[-1] is then:
            return so_far[1:]
        for step in NEXT[so_far[-1]]:
            if step not in seen:
                seen.add(step)
                ways.append((*so_far, step))
    raise AssertionError(f"no way leads from {now} to {then}")  # every state can be reached
