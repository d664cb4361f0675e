"""Keeps the catalog in force: a change is checked and taken over as a whole, or not at all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from optifire.core.errors import ConfigError
from optifire.host.build import Ground, build_catalog
from optifire.host.catalog import Catalog, Change, difference
from optifire.host.configuration import Configuration, read_configuration
from optifire.host.discovery import Scanner
from optifire.host.features import Features
from optifire.host.findings import Finding, InvalidConfigError
from optifire.host.home import Home
from optifire.host.versions import ConfigVersions


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What came of a look at the files.

    ``error`` is set when they were refused: ``catalog`` and ``configuration`` are then the last
    good ones, and health is red. ``accepted`` says that a new version of the configuration is in
    force.
    """

    catalog: Catalog
    configuration: Configuration
    change: Change = field(default_factory=Change)
    error: ConfigError | None = None
    accepted: bool = False


class Reloader:
    """Reads a home and keeps what was accepted last.

    Parameters
    ----------
    environ, command
        What lies above the files: environment variables and the command line.
    versions
        Where accepted versions are kept, with ``now`` as their time.
    """

    def __init__(
        self,
        home: Home,
        ground: Ground,
        *,
        now: Callable[[], datetime],
        environ: Mapping[str, str],
        command: Mapping[str, Any] | None = None,
        versions: ConfigVersions | None = None,
        scanner: Scanner | None = None,
    ) -> None:
        self._home = home
        self._ground = ground
        self._now = now
        self._environ = environ
        self._command = command
        self._versions = versions
        self._scanner = scanner or Scanner()
        self._good: tuple[Catalog, Configuration] | None = None
        self._roots: tuple[Path, ...] = ()

    @property
    def roots(self) -> Sequence[Path]:
        """The folders to watch: configuration, and plugins unless ``auto_load`` is off."""
        watch_code = self._good is None or self._good[1].features.auto_load
        return (self._home.configs, *(self._roots if watch_code else ()))

    async def start(self) -> Reloaded:
        """Read everything for the first time; raises `ConfigError` when it is refused."""
        configuration = read_configuration(self._home, self._environ, self._command)
        catalog = await self._build(configuration, None)
        return await self._accept(catalog, configuration, "start")

    async def reload(self, author: str = "file") -> Reloaded:
        """Look at everything again; whatever is wrong, what was accepted last stays in force."""
        if self._good is None:
            return await self.start()
        old, before = self._good
        try:
            configuration = read_configuration(self._home, self._environ, self._command)
            _refuse_other_environment(before.features, configuration.features)
            catalog = await self._build(configuration, old)
            _refuse_new_errors(old, catalog, configuration)
        except ConfigError as error:
            return Reloaded(old, before, error=error)
        return await self._accept(catalog, configuration, author)

    async def _build(self, configuration: Configuration, last: Catalog | None) -> Catalog:
        features = configuration.features
        discovery = self._scanner.scan(self._home, features.plugin_paths, features.sources)
        self._roots = discovery.roots
        return await build_catalog(
            ground=self._ground,
            features=features,
            settings=configuration.settings,
            discovery=discovery,
            variables=configuration.variables,
            config_hash=configuration.version.hash,
            last=last,
        )

    async def _accept(
        self, catalog: Catalog, configuration: Configuration, author: str
    ) -> Reloaded:
        before = self._good
        self._good = (catalog, configuration)
        accepted = before is None or before[1].version.hash != configuration.version.hash
        if accepted and self._versions is not None:
            await self._versions.put(configuration.version, self._now(), author)
        change = difference(before[0] if before else Catalog(), catalog)
        return Reloaded(catalog, configuration, change, accepted=accepted)


def _refuse_other_environment(before: Features, after: Features) -> None:
    if before.environment != after.environment:
        raise ConfigError(
            f"the environment changes from {before.environment} to {after.environment}",
            where=after.environment_source,
            remedy="Restart the service; each environment has a ledger of its own",
        )


def _refuse_new_errors(old: Catalog, new: Catalog, configuration: Configuration) -> None:
    """Raise when a feature file now says something about a plugin that cannot be."""
    files = tuple(document.name for document in configuration.features.files)
    known = {(finding.rule, finding.message) for finding in old.errors}
    fresh: list[Finding] = [
        finding
        for finding in new.errors
        if finding.where.startswith(files) and (finding.rule, finding.message) not in known
    ]
    if fresh:
        raise InvalidConfigError(fresh)
