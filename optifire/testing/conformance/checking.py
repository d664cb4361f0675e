"""Checks a plugin against every rule and gives the findings."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optifire.testing.once import USUAL_INSTANT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optifire.core.ports import BarReader, Frame
    from optifire.host.findings import Finding
    from optifire.testing.asked import Instant, PluginLike

#: Seconds of real time that one run of a check may take.
PATIENCE = 10.0


async def check(
    plugin: PluginLike,
    *,
    at: Instant = USUAL_INSTANT,
    config: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    bars: Mapping[str, Frame] | BarReader | None = None,
    patience: float = PATIENCE,
) -> tuple[Finding, ...]:
    """Give all findings about one plugin, errors first; see `PluginContract` for the parameters.

    A warning says what could not be tried.
    """
    # Late, because pytest imports this module at its start.
    from optifire.testing.conformance.rules import RULES, examine
    from optifire.testing.conformance.trial import Trial

    trial = Trial(plugin, at, config or {}, data or {}, bars, patience)
    return await examine(trial, RULES)


def check_folder(
    folder: Path | str, *, at: Instant = USUAL_INSTANT, patience: float = PATIENCE
) -> tuple[Finding, ...]:
    """Give all findings about the plugin of a folder; its code is run in this process."""
    return asyncio.run(check(Path(folder), at=at, patience=patience))
