"""The lives of plugins: no way around a step, and the notes of a ledger give all of it back."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from optifire.core.errors import StateError
from optifire.core.ledger import NoteRow
from optifire.core.lifecycle import NEXT, PluginState
from optifire.core.types import PluginId
from optifire.host.lifecycle import STATE, Life, Lifecycle

T = datetime(2026, 3, 2, 15, tzinfo=UTC)
A, B = PluginId("a"), PluginId("b")
IDS = st.sampled_from([A, B])
ACTIVE, ERROR = PluginState.ACTIVE, PluginState.ERROR


def test_a_plugin_that_is_switched_on_leaves_one_note_of_all_its_steps() -> None:
    lives = Lifecycle()
    note = NoteRow(T, STATE, A, "unloaded > loading > loaded > active: switched on by alice")
    assert lives.adopt({A: (ACTIVE, "switched on by alice")}, T) == [note]
    assert lives.of(A) == Life(ACTIVE, T, "switched on by alice")


def test_a_plugin_that_stays_as_it_is_keeps_since_when_and_why() -> None:
    lives = Lifecycle()
    lives.adopt({A: (ACTIVE, "first")}, T)
    assert lives.adopt({A: (ACTIVE, "second")}, T + timedelta(days=1)) == []
    assert lives.of(A) == Life(ACTIVE, T, "first")


def test_a_plugin_that_is_gone_has_been_unloaded() -> None:
    lives = Lifecycle()
    lives.adopt({A: (ERROR, "impl.py:3")}, T)
    assert [note.text for note in lives.adopt({}, T)] == [
        "error > unloading > unloaded: it is gone"
    ]


def test_a_plugin_that_was_never_loaded_is_unloaded_since_ever() -> None:
    assert Lifecycle().of(A) == Life(PluginState.UNLOADED, None, "")
    assert Lifecycle().adopt({A: (PluginState.UNLOADED, "off")}, T) == []


def test_a_reason_may_hold_whatever_stands_between_the_parts_of_a_note() -> None:
    lives = Lifecycle()
    notes = lives.adopt({A: (ERROR, "a: b > c: d")}, T)
    assert Lifecycle.of_notes(notes).of(A) == Life(ERROR, T, "a: b > c: d")


class Lives(RuleBasedStateMachine):
    """Whatever comes to whom: steps outside the diagram are refused and change nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.lives, self.notes, self.now = Lifecycle(), list[NoteRow](), T
        self.before = {A: PluginState.UNLOADED, B: PluginState.UNLOADED}

    @rule(states=st.dictionaries(IDS, st.sampled_from(PluginState)), why=st.text(max_size=3))
    def come_to(self, states: dict[PluginId, PluginState], why: str) -> None:
        self.now += timedelta(seconds=1)
        found = {each: (state, why) for each, state in states.items()}
        notes = self.lives.adopt(found, self.now)
        for note in notes:
            steps = [PluginState(each) for each in note.text.partition(": ")[0].split(" > ")]
            assert steps[0] is self.before[PluginId(note.subject)]
            assert all(b in NEXT[a] for a, b in pairwise(steps))
        assert len({note.subject for note in notes}) == len(notes)
        for each in (A, B):
            known = each in states or self.lives.of(each).since is not None
            wanted = states.get(each, PluginState.UNLOADED)
            assert not known or self.lives.of(each).state is wanted
            self.before[each] = self.lives.of(each).state
        self.notes += notes

    @rule(plugin_id=IDS, then=st.sampled_from(PluginState))
    def step(self, plugin_id: PluginId, then: PluginState) -> None:
        before = self.lives.of(plugin_id)
        if then in NEXT[before.state]:
            return
        with pytest.raises(StateError, match=f"{before.state} cannot become {then}"):
            self.lives.step(plugin_id, then, self.now, "")
        assert self.lives.of(plugin_id) == before

    @invariant()
    def the_notes_give_it_back(self) -> None:
        again = Lifecycle.of_notes(self.notes)
        for each in (A, B):
            assert again.of(each) == self.lives.of(each)


TestLives = Lives.TestCase
