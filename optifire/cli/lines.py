"""The runs of a service as plain lines, where there is no terminal to draw on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from optifire.cli.scene import total
from optifire.cli.times import local_of
from optifire.host.records import finite
from optifire.runtime.clock import real_pause

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from optifire.cli.output import Output

#: Seconds between two looks while there is something to tell, and the most when there is not.
PERIOD, LONGEST = 0.25, 1.0


class Shown(Protocol):
    """What is asked of a service."""

    async def status(self) -> dict[str, Any]:
        """Give the service's state; of 75 plugins that takes a millisecond."""


class Lines:
    """Gives the runs that ended between one status of a service and the next.

    Parameters
    ----------
    tz
        The zone of times.
    as_json
        One JSON object a line instead of text.
    """

    def __init__(self, tz: str, *, as_json: bool) -> None:
        self._tz = tz
        self._as_json = as_json
        self._seen: dict[str, tuple[str, int]] | None = None
        self._state = ""

    def of(self, status: Mapping[str, Any]) -> Iterator[str]:
        """Give a line for each plugin that ran since the status before, the latest run of it.

        The first status only says where to begin; what ended while nobody looked is counted.
        """
        first, before, self._seen = self._seen is None, self._seen, {}
        if first:
            self._state = status["state"]
            yield self._state_line(status)
        for plugin_id, plugin in status["plugins"].items():
            last, count = plugin["last"], sum(plugin["counts"].values())
            run_id = last["run_id"] if last else ""
            self._seen[plugin_id] = (run_id, count)
            if before is None or before.get(plugin_id, ("", 0))[0] == run_id:
                continue
            others = count - before.get(plugin_id, ("", 0))[1] - 1
            yield self._run_line(plugin_id, last, max(others, 0))
        if status["state"] != self._state:
            self._state = status["state"]
            yield self._state_line(status)

    def _state_line(self, status: Mapping[str, Any]) -> str:
        if self._as_json:
            keys = ("state", "environment", "recorded", "now")
            return json.dumps({key: status[key] for key in keys})
        data = ", recorded data" if status["recorded"] else ""
        when = local_of(status["now"], self._tz)
        said = f"{when}  {status['state']} ({status['environment']}{data})"
        counts = total(status["plugins"])
        ended = ", ".join(f"{number:,} {name}" for name, number in counts.most_common())
        return f"{said}: {ended or 'nothing was due'}" if status["state"] == "finished" else said

    def _run_line(self, plugin_id: str, last: Mapping[str, Any], others: int) -> str:
        if self._as_json:
            return json.dumps(finite({"plugin_id": plugin_id, **last, "others": others}))
        figures = [(last["cpu_ms"], "ms"), (last["mem_mb"], "MB")]
        used = "  ".join(f"{figure:,.0f} {unit}" for figure, unit in figures if figure is not None)
        said = [last["status"], used, last["reason"] or "", f"and {others} more" if others else ""]
        text = "  ".join(filter(None, said))
        return f"{local_of(last['due'], self._tz)}  {plugin_id:24} {text}"


async def print_lines(
    service: Shown,
    lines: Lines,
    output: Output,
    news: Callable[[], object],
    pause: Callable[[float], Awaitable[None]] = real_pause,
) -> None:
    """Print what ended, again and again, until this is cancelled.

    Parameters
    ----------
    service, lines, output
        What is asked, what makes lines of its answer, and where they go.
    news
        Gives what differs from before when there may be something to tell.
    pause
        Lets seconds pass.
    """
    period, before = PERIOD, object()
    while True:
        now, told = news(), list[str]()
        if now != before:
            before, told = now, list(lines.of(await service.status()))
        for line in told:
            output.line(line)
        output.stdout.flush()
        period = PERIOD if told else min(period * 2, LONGEST)
        await pause(period)
