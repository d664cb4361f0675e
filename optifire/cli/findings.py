"""What checks found, as text or JSON, and the exit code that follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optifire.host.findings import Finding, Level, has_errors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from optifire.cli.output import Output

#: Worst first.
ORDER = (Level.ERROR, Level.WARNING, Level.NOTE)


def tell(found: Iterable[Finding], output: Output, *, well: str) -> int:
    """Print findings, the worst first; ``well`` stands there when nothing is wrong.

    Returns
    -------
    int
        1 if any finding is an error, else 0.
    """
    findings = sorted(dict.fromkeys(found), key=lambda each: ORDER.index(each.level))
    failed = has_errors(findings)
    if output.json:
        output.data([each.as_dict() for each in findings])
        return int(failed)
    for each in findings:
        place = f"{each.where}: " if each.where else ""
        output.line(f"{each.level.value}: {place}{each.message}  [{each.rule}]")
        if each.remedy:
            output.line(f"  {each.remedy}")
    if all(each.level is Level.NOTE for each in findings):
        output.line(well)
    return int(failed)
