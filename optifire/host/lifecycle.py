"""Where each plugin is in its life, since when and why: the transitions, written down as notes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

from optifire.core.ledger import NoteRow
from optifire.core.lifecycle import PluginState, check_step, way
from optifire.core.types import PluginId

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: The kind of note about a transition, and what stands between its states, and before the reason.
STATE: Final = "state"
_THEN, _WHY = " > ", ": "


@dataclass(frozen=True, slots=True)
class Life:
    """Where a plugin is: its state, since when (None: since ever), and why it came to it."""

    state: PluginState = PluginState.UNLOADED
    since: datetime | None = None
    why: str = ""


@dataclass(slots=True)
class Lifecycle:
    """The lives of all plugins of one ledger; one that has no transition was never loaded."""

    _lives: dict[PluginId, Life] = field(default_factory=dict)

    @classmethod
    def of_notes(cls, notes: Iterable[NoteRow]) -> Lifecycle:
        """Give what the notes of a ledger come to, which are given oldest first."""
        lives = {PluginId(note.subject): _life_of(note) for note in notes if note.kind == STATE}
        return cls(lives)

    def of(self, plugin_id: PluginId) -> Life:
        """Give where a plugin is."""
        return self._lives.get(plugin_id, Life())

    def step(self, plugin_id: PluginId, then: PluginState, at: datetime, why: str) -> None:
        """Go one step; raises `StateError` naming both states where there is no such step."""
        check_step(self.of(plugin_id).state, then, plugin_id)
        self._lives[plugin_id] = Life(then, at, why)

    def adopt(
        self, states: Mapping[PluginId, tuple[PluginState, str]], at: datetime
    ) -> list[NoteRow]:
        """Lead every plugin to the state that it has come to; gives a note for each that moves.

        A plugin that is not among them any more has been unloaded.

        Parameters
        ----------
        states
            The state of each plugin and why it is in it.
        """
        gone = dict.fromkeys(self._lives, (PluginState.UNLOADED, "it is gone"))
        notes = []
        for plugin_id, (state, why) in sorted({**gone, **states}.items()):
            before = self.of(plugin_id).state
            steps = way(before, state)
            for step in steps:
                self.step(plugin_id, step, at, why)
            if steps:
                text = f"{_THEN.join([before, *steps])}{_WHY}{why}"
                notes.append(NoteRow(at, STATE, plugin_id, text))
        return notes


def _life_of(note: NoteRow) -> Life:
    steps, _, why = note.text.partition(_WHY)
    return Life(PluginState(steps.rpartition(_THEN)[2]), note.at, why)
