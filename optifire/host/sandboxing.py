"""Whether a plugin's runs are sandboxed here, from its origin and what features.yaml says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optifire.core.errors import SecurityError
from optifire.core.sandboxing import Sandboxing, decide
from optifire.host.findings import Finding, Level

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from optifire.host.discovery import Candidate
    from optifire.host.features import Entry


def sandboxing_of(candidate: Candidate, entry: Entry, missing: Sequence[str] | None) -> Sandboxing:
    """Give what is decided for a plugin; ``missing`` None: nobody lays a sandbox.

    Raises
    ------
    SecurityError
        It may not run on this machine, and why.
    """
    found = decide(
        candidate.whose,
        missing or (),
        sandbox=entry.get("sandbox"),
        allow_degraded=entry.get("allow_degraded") is True,
    )
    if found.refused:
        raise SecurityError(
            f"{candidate.plugin_id} is an installed package, and {found.refused}",
            where=entry.source("sandbox") or entry.source("enabled") or str(candidate.folder),
            remedy="Upgrade the kernel, or accept it by allow_degraded: true in its entry",
        )
    return found


def sandboxing_notes(entry: Entry, missing: Sequence[str] | None) -> Iterator[Finding]:
    """Tell who asks for a sandbox where there is none."""
    if entry.get("sandbox") is True and missing is None:
        where, message = entry.source("sandbox"), "nothing lays a sandbox here; it runs without"
        yield Finding("sandbox", Level.WARNING, where, message, "See docs/isolation.md")
