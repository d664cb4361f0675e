"""What became of one run, with everything that it left."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from optifire.core.run import Source
from optifire.sdk.context import BusEvent
from optifire.sdk.result import PluginResult


@dataclass(frozen=True)
class TestRun:
    """One run as the record holds it, values decoded.

    Attributes
    ----------
    due
        The instant that the run was about; ``context.now``.
    status, reason
        As `optifire runs` shows them: ``succeeded``; ``skipped`` with ``no data: ...``.
    result
        What ``run()`` returned, None when it raised, did not run, or gave something else;
        ``returned`` tells whether it gave anything.
    outputs
        What is recorded as outputs: the result's data and `writes`. Empty without a success.
    writes
        What the run wrote to ``context.data``.
    events
        What it published on the bus, in order.
    statements
        Its table writes, SQL and parameters; `rows` are the rows that these made in the shared
        tables, by table, with the columns that the host fills.
    inputs
        Where what it read came from.
    missing, undeclared
        Declared outputs that a success did not give; names it read without declaring them.
    no_data
        What the feed said when it had nothing.
    waits
        How often the run waited for something, that is, could have been cancelled.
    deaf
        It was told to end (`Asked.cancel_at`) and went on.
    error, traceback
        Class and message of what went wrong, and where.
    """

    #: Not a class of tests, whatever its name begins with.
    __test__: ClassVar[bool] = False

    run_id: str
    plugin_id: str
    due: dt.datetime
    status: str
    reason: str = ""
    result: PluginResult | None = None
    returned: bool = False
    outputs: Mapping[str, Any] = field(default_factory=dict)
    writes: Mapping[str, Any] = field(default_factory=dict)
    events: Sequence[BusEvent] = ()
    statements: Sequence[tuple[str, Any]] = ()
    rows: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    inputs: Mapping[str, Source] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    undeclared: tuple[str, ...] = ()
    no_data: tuple[str, ...] = ()
    waits: int = 0
    deaf: bool = False
    attempts: int = 0
    error: str = ""
    traceback: str = ""
    log: str = ""

    @property
    def ok(self) -> bool:
        """Whether the run succeeded."""
        return self.status == "succeeded"

    def __str__(self) -> str:
        """Say what became of the run, with the traceback where there is one."""
        said = f"{self.run_id}: {self.status}" + (f" ({self.reason})" if self.reason else "")
        return f"{said}\n{self.traceback}" if self.traceback else said
