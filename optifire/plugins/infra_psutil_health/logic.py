"""Whether memory grows, and when it would reach its limit at that rate."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import linear_regression

HOUR = 3600.0
#: Readings and seconds that a trend must rest on: an hour of five-minute readings.
MIN_READINGS, MIN_SPAN = 12, 3300.0
#: Readings that a trend looks back on: one day.
WINDOW = 288


@dataclass(frozen=True, slots=True)
class Point:
    """Memory of one service process: process id, seconds since the machine started, megabytes."""

    pid: int
    uptime: float
    memory: float


@dataclass(frozen=True, slots=True)
class Trend:
    """Growth in megabytes an hour, and hours until the limit; None where nobody can tell."""

    mb_per_hour: float | None
    hours_left: float | None


def same_service(now: Point, earlier: Iterable[Point]) -> list[Point]:
    """Give the points of the same start of the service, oldest first, ``now`` last.

    ``earlier`` comes newest first. It ends at another process, or where uptime does not go down:
    there the machine was started again.
    """
    found = [now]
    for point in earlier:
        if point.pid != now.pid or point.uptime >= found[-1].uptime:
            break
        found.append(point)
    return found[::-1]


def trend(points: Sequence[Point], limit: float) -> Trend:
    """Give the least-squares trend of memory, and how long it leaves until ``limit`` megabytes.

    ``points`` are of one service, oldest first.
    """
    if len(points) < MIN_READINGS or points[-1].uptime - points[0].uptime < MIN_SPAN:
        return Trend(None, None)
    ages = [point.uptime - points[0].uptime for point in points]
    slope = linear_regression(ages, [point.memory for point in points]).slope * HOUR
    room = max(limit - points[-1].memory, 0.0)
    return Trend(slope, room / slope if slope > 0.0 else None)
