"""How far a replay or a backfill has come, and the time left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from optifire.cli.output import console_on

if TYPE_CHECKING:
    from datetime import datetime

    from optifire.backtest.replay import Progress as Step
    from optifire.cli.output import Output


class Bar:
    """A progress bar on standard error; nothing where that is not a terminal."""

    def __init__(self, output: Output) -> None:
        self._bar = Progress(
            TextColumn("{task.fields[day]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=console_on(output.stderr),
            disable=output.json or not output.stderr.isatty(),
        )
        self._task = self._bar.add_task("replay", total=None, day="starting", rate="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def step(self, step: Step) -> None:
        """Take in how far the replay has come."""
        task = self._bar.tasks[0]
        rate = f"{task.speed:,.0f} sessions/s" if task.speed else ""
        self._bar.update(
            self._task, completed=step.done, total=step.total, day=f"{step.now:%Y-%m-%d}", rate=rate
        )


class Stretched:
    """How far through a stretch of time a backfill has come, as `Bar` shows it."""

    def __init__(self, output: Output, first: datetime, last: datetime) -> None:
        self._bar = Progress(
            TextColumn("{task.fields[day]}"),
            BarColumn(),
            TextColumn("{task.fields[made]:,} made"),
            TimeRemainingColumn(),
            console=console_on(output.stderr),
            disable=output.json or not output.stderr.isatty(),
        )
        self._first = first
        total = (last - first).total_seconds()
        self._task = self._bar.add_task("backfill", total=total, day="starting", made=0)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def step(self, reached: datetime, made: int) -> None:
        """Take in how far it has come."""
        passed = (reached - self._first).total_seconds()
        self._bar.update(self._task, completed=passed, day=f"{reached:%Y-%m-%d}", made=made)
