"""APScheduler as the one timer: one job whose trigger asks for the instant armed last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from optifire.runtime.clock import HEARTBEAT, real_pause, wall_now

if TYPE_CHECKING:
    from collections.abc import Callable

_JOB = "tick"
_TINY = timedelta(microseconds=1)


class ArmedTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler ships no types
    """Names the armed instant; always one later than now, never none, at most a heartbeat away.

    APScheduler would loop on an instant that is not later than now, and drop a job whose trigger
    names none. An instant that has rung rings no more; only the heartbeat goes on until the next
    one is armed.
    """

    def __init__(self, armed: Callable[[], datetime | None]) -> None:
        self._armed = armed

    def get_next_fire_time(
        self,
        previous_fire_time: datetime | None,
        now: datetime,
    ) -> datetime:
        """Give when to ring next."""
        wanted = self._armed()
        latest = now + HEARTBEAT
        rung = (
            previous_fire_time is not None and wanted is not None and wanted <= previous_fire_time
        )
        return latest if wanted is None or rung else min(max(wanted, now + _TINY), latest)


class ApsTimer:
    """Rings at the armed instant of the wall clock."""

    def __init__(self) -> None:
        self._instant: datetime | None = None
        self._scheduler = AsyncIOScheduler(timezone=UTC)

    def now(self) -> datetime:
        """Give the wall clock's present."""
        return wall_now()

    def start(self, ring: Callable[[], None]) -> None:
        """Begin to ring.

        A late ring still counts (no misfire grace), several at once are one, and more than one
        instance may overlap: the job does nothing but ring.
        """

        async def tick() -> None:
            ring()

        self._scheduler.add_job(
            tick,
            ArmedTrigger(lambda: self._instant),
            id=_JOB,
            misfire_grace_time=None,
            coalesce=True,
            max_instances=1000,
        )
        self._scheduler.start()

    def arm(self, instant: datetime | None) -> None:
        """Ring at an instant; every change of it re-arms the job."""
        if instant != self._instant:
            self._instant = instant
            self._scheduler.reschedule_job(_JOB, trigger=ArmedTrigger(lambda: self._instant))

    def stop(self) -> None:
        """End without waiting."""
        self._scheduler.shutdown(wait=False)

    async def pause(self, seconds: float) -> None:
        """Let real time pass."""
        await real_pause(seconds)
