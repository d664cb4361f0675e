"""Everything about one plugin: what it says, what holds for it, and where that comes from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from optifire.app.living import not_started
from optifire.app.status import state_of
from optifire.core.secret_names import names_secret
from optifire.core.types import fold_id
from optifire.host.layers import Sourced, is_secret
from optifire.host.lifecycle import Lifecycle
from optifire.host.records import finite, maybe_text
from optifire.ops.masking import MASK
from optifire.runtime.pauses import Pauses

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from optifire.app.known import Knowledge
    from optifire.core.job import Job
    from optifire.core.ports import Description
    from optifire.core.types import PluginId
    from optifire.host.catalog import Listed

#: What a plugin without any mixin is.
JOB_KIND = "job"


def info_of(
    known: Knowledge,
    plugin_id: str,
    held: Mapping[PluginId, str],
    pauses: Pauses | None = None,
    lives: Lifecycle | None = None,
    *,
    config: bool,
) -> dict[str, Any]:
    """Give the JSON shape of ``plugins info``.

    Raises
    ------
    NotFoundError
        No plugin has this id.
    """
    listed = known.catalog.find(plugin_id)
    folded = fold_id(listed.plugin_id)
    said = description_of(known, folded, listed)
    job = known.catalog.jobs.get(listed.plugin_id)
    pause = None if pauses is None else pauses.of(listed.plugin_id)
    shape = row_of(known, folded, listed, held, pauses, lives)
    shape["quarantined"] = held.get(listed.plugin_id)
    shape["paused"] = None if pause is None else str(pause)
    shape["folder"] = str(listed.candidate.folder) if listed.candidate else ""
    shape["checksum"] = listed.candidate.checksum if listed.candidate else ""
    shape["metadata"] = plain(dict(said.metadata)) if said else {}
    shape["plan"] = plain(dict(said.plan)) if said else {}
    shape["job"] = None if job is None else job_of(job)
    shape["permissions"] = permissions_of(listed, said, job)
    shape["needed_by"] = list(known.catalog.graph.consumers_of(listed.plugin_id))
    if config:
        shape["config"] = sources_of(listed)
    return shape


def row_of(
    known: Knowledge,
    folded: str,
    listed: Listed,
    held: Mapping[PluginId, str],
    pauses: Pauses | None = None,
    lives: Lifecycle | None = None,
) -> dict[str, Any]:
    """Give one item of the list.

    Parameters
    ----------
    held
        Who is quarantined, and why.
    lives
        Since when plugins are in their states, and why; None where nobody knows.
    """
    said = description_of(known, folded, listed)
    life = (lives or Lifecycle()).of(listed.plugin_id)
    troubles = {listed.plugin_id: life.why} if not_started(life) and listed.enabled else {}
    state = state_of(listed, held, pauses or Pauses(), troubles)
    known_since = life.since is not None and life.state == state["state"]
    return {
        "plugin_id": listed.plugin_id,
        "state": state["state"],
        "enabled": listed.enabled,
        "category": _stated(said, "category"),
        "kinds": [JOB_KIND] if said else [],
        "version": _stated(said, "version"),
        "origin": listed.origin,
        "reason": state["reason"],
        "since": maybe_text(life.since) if known_since else None,
        "why": life.why if known_since else "",
    }


def description_of(known: Knowledge, folded: str, listed: Listed) -> Description | None:
    """Give what a plugin says of itself, on or off; None where nobody could ask it."""
    return listed.description or known.others.get(folded)


def _stated(said: Description | None, key: str) -> str:
    return "" if said is None else str(said.metadata.get(key) or "")


def job_of(job: Job) -> dict[str, Any]:
    """Give what holds for a plugin that is on, all layers and defaults taken together."""
    return {
        "schedule": list(job.schedule.words),
        "meaning": job.schedule.meaning,
        "calendar": job.schedule.calendar.name,
        "tz": job.schedule.tz,
        "triggers": sorted(job.listens),
        "needs": [each.name for each in job.needs],
        "outputs": list(job.outputs),
        "misfire": job.misfire.value if job.misfire else None,
        "overlap": job.overlap.value,
        "deadline": job.deadline,
        "timeout": job.timeout,
        "retries": job.retries,
        "effect": job.effect.value,
        "priority": job.priority,
        "isolation": job.placement.value,
        "budget": {"cpu_ms": job.budget.cpu_ms, "mem_mb": job.budget.mem_mb},
    }


def permissions_of(
    listed: Listed, said: Description | None, job: Job | None
) -> dict[str, list[str]]:
    """Give what it declares, what the operator grants, and what both come to while it is on."""
    stated = said.metadata.get("permissions") if said else None
    granted = listed.entry.get("permissions") if listed.entry else None
    return {
        "declared": [str(word) for word in stated or ()],
        "granted": list(granted or ()),
        "effective": [] if job is None else list(job.grants.words),
    }


def sources_of(listed: Listed) -> dict[str, dict[str, Any]]:
    """Give each value that some layer states, by key, with the place that states it."""
    leaves = {} if listed.entry is None else listed.entry.leaves
    return {
        ".".join(path): {"value": shown(path, found), "source": found.source}
        for path, found in sorted(leaves.items())
    }


def shown(path: Sequence[str], found: Sourced) -> Any:  # noqa: ANN401 - any plain value
    """Give a value, masked where a part of its key names a secret and it is no ``${VAR}``."""
    said = found.value if isinstance(found.value, list) else [found.value]
    text = any(isinstance(each, str) for each in said)
    hidden = any(map(names_secret, path)) and text and not is_secret(found)
    return MASK if hidden else plain(found.value)


def plain(value: Any) -> Any:  # noqa: ANN401 - any plain value
    """Give a value as JSON can say it."""
    return json.loads(json.dumps(finite(value), default=str))
