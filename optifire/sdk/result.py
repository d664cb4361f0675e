"""What a plugin gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class PluginResult:
    """The answer of one run.

    The plugin says `success`, `data` and `error`; the host fills the figures below them.
    ``data`` holds plain values, numpy scalars, or frames and arrays of plain dtypes; its keys are
    the run's outputs.

    Attributes
    ----------
    degraded
        The answer is right but coarser than the method asks for.
    status, cpu_ms, mem_mb, wall_ms, started_at, finished_at
        Measured by the host: milliseconds, megabytes of peak memory, UTC instants as text.
    """

    success: bool
    data: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    degraded: bool = False
    skip_reason: str | None = None
    status: str | None = None
    cpu_ms: float | None = None
    mem_mb: float | None = None
    wall_ms: float | None = None
    started_at: str | None = None
    finished_at: str | None = None

    @classmethod
    def skipped(cls, reason: str) -> PluginResult:
        """Say that there was nothing to do the work with, and why."""
        return cls(success=False, skip_reason=reason or "no reason given")
