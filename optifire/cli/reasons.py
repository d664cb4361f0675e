"""Why a plugin ran or did not, as sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optifire.cli.times import local_of

if TYPE_CHECKING:
    from optifire.cli.output import Output


def show_reasons(found: dict[str, Any], tz: str, output: Output) -> None:
    """Print the answer as sentences."""
    output.line(f"{found['plugin_id']}: {found['status']}")
    if found["reason"]:
        output.line(f"  reason   {found['reason']}")
    if found["quarantined"]:
        output.line(f"  held     quarantined: {found['quarantined']}")
    if found["paused"]:
        output.line(f"  held     paused {found['paused']}")
    last = found["last"]
    if last is not None:
        output.line(f"  last due {local_of(last['due'], tz)}  ({last['status']}, {last['run_id']})")
        if last["error"]:
            output.line(f"  error    {last['error']}")
    for each in found["waited_for"]:
        said = f"{each['status']}, {each['run_id']}" if each["run_id"] else "no run of it"
        output.line(f"  waited   for {each['name']}  ({said})")
    by_hand = found["by_hand"]
    if by_hand is not None:
        said = f"({by_hand['status']}, {by_hand['run_id']})"
        output.line(f"  by hand  {local_of(by_hand['due'], tz)}  {said}  {by_hand['why'] or ''}")
    output.line(f"  next     {local_of(found['next'], tz) or 'nothing is due'}")
