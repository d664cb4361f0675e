"""Which plugins a person has paused, and since when: their occurrences are recorded, not run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from optifire.core.ledger import NoteRow

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Kinds of notes: who is paused, and who no longer is.
PAUSED, RESUMED = "paused", "resumed"
#: What a pause of everything is about, where a plugin's id stands otherwise.
ALL: Final = "*"


@dataclass(frozen=True, slots=True)
class Pause:
    """One stretch of time: from when, who and why in one line, until when (None: it goes on)."""

    since: datetime
    said: str
    until: datetime | None = None

    def __str__(self) -> str:
        return f"since {self.since:%Y-%m-%dT%H:%M:%SZ} {self.said}"

    def covers(self, instant: datetime) -> bool:
        """Tell whether an instant lies in it."""
        return self.since <= instant and (self.until is None or instant < self.until)


class Pauses:
    """All pauses of one ledger, those that are over too: what was due in them is not owed later.

    Parameters
    ----------
    notes
        The notes of both kinds, oldest first.
    """

    def __init__(self, notes: Iterable[NoteRow] = ()) -> None:
        self._known: dict[str, list[Pause]] = {}
        for note in notes:
            self.take(note)

    def take(self, note: NoteRow) -> None:
        """Take in a note; one that changes nothing is let go."""
        before = self.own(note.subject)
        if note.kind == PAUSED and before is None:
            self._known.setdefault(note.subject, []).append(Pause(note.at, note.text))
        elif note.kind == RESUMED and before is not None:
            self._known[note.subject][-1] = replace(before, until=note.at)

    def own(self, subject: str) -> Pause | None:
        """Give the pause that goes on of one plugin by itself, or of all (`ALL`)."""
        pauses = self._known.get(subject)
        return pauses[-1] if pauses and pauses[-1].until is None else None

    def changed(self, subject: str) -> datetime | None:
        """Give when a subject was paused or resumed last, None if it never was."""
        pauses = self._known.get(subject)
        return (pauses[-1].until or pauses[-1].since) if pauses else None

    def of(self, plugin_id: str) -> Pause | None:
        """Give the pause of a plugin that goes on: its own, else that of all."""
        return self.own(plugin_id) or self.own(ALL)

    def at(self, plugin_id: str, due: datetime) -> Pause | None:
        """Give the pause by which an occurrence is not run: one that goes on, or did when due."""
        held = self.of(plugin_id)
        if held is not None or not self._known:
            return held
        own = (*self._known.get(plugin_id, ()), *self._known.get(ALL, ()))
        return next((pause for pause in own if pause.covers(due)), None)

    def alone(self) -> list[str]:
        """Give the ids of those who are paused by themselves."""
        return [each for each in sorted(self._known) if each != ALL and self.own(each)]

    def sentences(self) -> list[str]:
        """Say that everything is paused, if it is."""
        held = self.own(ALL)
        return [] if held is None else [f"all plugins are paused {held}"]


def note_of(kind: str, subject: str, at: datetime, who: str, why: str) -> NoteRow:
    """Give the note of a pause or its end, with who said so and why."""
    line = " ".join(why.split())
    return NoteRow(at, kind, subject, f"by {who}: {line}" if line else f"by {who}")
