"""`PluginContract`: the rules that every plugin must hold to, as tests of one's own suite."""

from __future__ import annotations

import asyncio
import unittest
from typing import TYPE_CHECKING, Any, ClassVar

from optifire.testing.once import USUAL_INSTANT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optifire.core.ports import BarReader, Frame
    from optifire.testing.asked import Instant, PluginLike
    from optifire.testing.conformance.trial import Trial


class PluginContract:
    """Runs every rule as tests of a suite, when it is derived from with the plugin named.

    ``class TestMyPlugin(PluginContract): plugin = MyPlugin`` is all that it takes.

    Attributes
    ----------
    plugin
        A class, or the folder with its ``impl.py``. Rules about folder, README and tests are
        skipped for a class that does not stand in an ``impl.py``.
    at
        An instant at which the plugin has something to say.
    config, data, bars
        As for `optifire.testing.run_plugin`; ``data`` has what the plugin needs of others.
    patience
        Seconds of real time that one run may take here.
    """

    plugin: ClassVar[PluginLike]
    at: ClassVar[Instant] = USUAL_INSTANT
    config: ClassVar[Mapping[str, Any]] = {}
    data: ClassVar[Mapping[str, Any]] = {}
    bars: ClassVar[Mapping[str, Frame] | BarReader | None] = None
    patience: ClassVar[float] = 10.0

    def test_it_can_be_loaded(self) -> None:
        """The folder holds one plugin class."""
        self._hold("loads")

    def test_it_says_what_it_is_and_nothing_else_happens(self) -> None:
        """``describe()`` is pure and gives the same each time; the id is the folder's name."""
        self._hold("describe_is_pure", "id_matches_folder", "budget_is_set")

    def test_its_plan_can_be_kept(self) -> None:
        """Words parse, keys and values exist, and it asks for nothing impossible."""
        self._hold("plan_is_sound")

    def test_its_settings_come_back_as_they_were(self) -> None:
        """Defaults written out mean the same as no settings."""
        self._hold("settings_hold")

    def test_a_run_ends_well_and_in_time(self) -> None:
        """It succeeds, or says why there was nothing to do, with a result that can be recorded."""
        self._hold("run_ends_well", "result_is_plain", "run_ends_in_time")

    def test_it_gives_what_it_declares_and_reads_no_more_than_that(self) -> None:
        """Outputs and inputs are the declared ones."""
        self._hold("outputs_are_declared", "reads_are_declared")

    def test_without_data_it_gives_no_answer(self) -> None:
        """With a feed that has nothing it is skipped, with a reason."""
        self._hold("no_data_no_answer")

    def test_the_same_input_gives_the_same_answer(self) -> None:
        """Two runs of the same instant agree to the bit."""
        self._hold("same_again", "is_repeatable", "reads_no_clock")

    def test_it_ends_when_it_is_told_to(self) -> None:
        """Wherever it waits, a cancellation ends it."""
        self._hold("ends_when_told")

    def test_it_knows_nothing_of_what_runs_it(self) -> None:
        """It imports neither the machinery nor other plugins."""
        self._hold("knows_no_machinery")

    def test_it_is_explained_and_tested(self) -> None:
        """There are a README and tests."""
        self._hold("has_readme", "has_tests")

    def _hold(self, *rules: str) -> None:
        from optifire.testing.conformance.rules import examine

        found = asyncio.run(examine(self._trial(), rules))
        errors = [finding for finding in found if finding.level == "error"]
        if errors:
            raise AssertionError("\n".join(f"{one.rule}: {one}" for one in errors))
        if found:
            raise unittest.SkipTest("; ".join(f"{one.rule}: {one}" for one in found))

    def _trial(self) -> Trial:
        """Give the trial of this class, whose runs its tests share."""
        from optifire.testing.conformance.trial import Trial

        cls = type(self)
        held = cls.__dict__.get("_held")
        if not isinstance(held, Trial):
            held = Trial(cls.plugin, cls.at, cls.config, cls.data, cls.bars, cls.patience)
            cls._held = held  # type: ignore[attr-defined] # of this class alone
        return held
