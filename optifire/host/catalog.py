"""The catalog: an immutable snapshot of every plugin, the jobs that run, and who needs whom."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType

from optifire.core.errors import NotFoundError, OptifireError
from optifire.core.graph import Graph
from optifire.core.job import Job
from optifire.core.lifecycle import PluginState
from optifire.core.ports import Description
from optifire.core.sandboxing import degraded_line
from optifire.core.types import Environment, PluginId, fold_id
from optifire.host.discovery import Candidate
from optifire.host.features import Entry
from optifire.host.findings import Finding, Level

#: Data names that the host itself provides.
HOST_NAMES = ("market_data",)


@dataclass(frozen=True, slots=True)
class Listed:
    """One plugin as the catalog lists it, whether it runs or not.

    ``candidate`` is None for one that features.yaml names and nobody has; ``description`` is None
    where nobody asked (it is off) or it could not be described. ``stale`` says why older code
    than that of the folder goes on.
    """

    plugin_id: PluginId
    state: PluginState
    enabled: bool
    reason: str = ""
    candidate: Candidate | None = None
    description: Description | None = None
    entry: Entry | None = None
    error: OptifireError | None = None
    stale: str = ""

    @property
    def origin(self) -> str:
        """Where it was found: builtin, a folder, or nowhere."""
        return self.candidate.origin if self.candidate else ""

    @property
    def version(self) -> str:
        """The version it states, empty where nobody asked."""
        return self._stated("version")

    @property
    def category(self) -> str:
        """The category it states, empty where nobody asked."""
        return self._stated("category")

    def _stated(self, key: str) -> str:
        return str(self.description.metadata.get(key) or "") if self.description else ""


@dataclass(frozen=True, slots=True)
class Catalog:
    """One accepted state of plugins and configuration; a cycle keeps the one it began with.

    Attributes
    ----------
    jobs
        What runs, by plugin id.
    graph
        Edges, owners of names and order of these jobs.
    plugins
        Every plugin known, by folded id.
    findings
        Whatever is wrong or odd, errors first.
    config_hash
        The version of the configuration that this comes from.
    roots
        The folders in which plugins were looked for.
    """

    environment: Environment = Environment.PAPER
    jobs: Mapping[PluginId, Job] = field(default_factory=lambda: MappingProxyType({}))
    graph: Graph = field(default_factory=Graph)
    plugins: Mapping[str, Listed] = field(default_factory=lambda: MappingProxyType({}))
    findings: tuple[Finding, ...] = ()
    config_hash: str = ""
    roots: tuple[Path, ...] = ()
    #: The layers of the sandbox that this machine lacks.
    missing: tuple[str, ...] = ()

    def find(self, plugin_id: str) -> Listed:
        """Give one plugin; ids compare folded. Raises `NotFoundError` with the nearest ids."""
        listed = self.plugins.get(fold_id(plugin_id))
        if listed is not None:
            return listed
        raise not_found(plugin_id, [each.plugin_id for each in self.plugins.values()])

    @property
    def stale(self) -> tuple[Listed, ...]:
        """The plugins whose older code goes on; health is amber while there is any."""
        return tuple(each for each in self.plugins.values() if each.stale)

    @property
    def degraded(self) -> str:
        """Say in one line who runs with fewer layers of the sandbox than it should, if any does."""
        run = sorted(job.plugin_id for job in self.jobs.values() if job.degraded)
        return degraded_line(run, self.missing) if run else ""

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What stops something from running."""
        return tuple(each for each in self.findings if each.level is Level.ERROR)


def not_found(plugin_id: str, known: Iterable[str]) -> NotFoundError:
    """Make the error for an id that nobody has."""
    close = get_close_matches(fold_id(plugin_id), [fold_id(each) for each in known], n=3)
    hint = f"Did you mean {' or '.join(close)}?" if close else ""
    return NotFoundError(
        f"no plugin has the id {plugin_id!r}",
        where=plugin_id,
        remedy=hint or "`optifire plugins list` shows all there are; see plugin_paths too",
    )


@dataclass(frozen=True, slots=True)
class Change:
    """How one catalog differs from the one before it."""

    started: tuple[PluginId, ...] = ()
    stopped: tuple[PluginId, ...] = ()
    changed: tuple[PluginId, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.started or self.stopped or self.changed)


def difference(old: Catalog, new: Catalog) -> Change:
    """Tell which jobs a new catalog starts, stops and changes."""
    return Change(
        started=tuple(sorted(new.jobs.keys() - old.jobs.keys())),
        stopped=tuple(sorted(old.jobs.keys() - new.jobs.keys())),
        changed=tuple(
            sorted(
                each
                for each in new.jobs.keys() & old.jobs.keys()
                if new.jobs[each] != old.jobs[each]
            )
        ),
    )
