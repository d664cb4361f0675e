"""When a change is taken over while the service runs: as a whole, or not at all."""

from pathlib import Path

from optifire.core.errors import ConfigError
from optifire.host.catalog import Catalog
from optifire.host.features import Features
from optifire.host.findings import InvalidConfigError
from optifire.host.home import Home


def check_change(old: Catalog, new: Catalog, before: Features, after: Features) -> None:
    """Raise when a change must not be taken over, so that the last good state stays in force.

    That is when the environment changes, or a feature file now says of a plugin what cannot be: a
    schedule word that does not parse, an id that nobody has. A fault of the plugin itself is no
    reason: it concerns that plugin alone.

    Raises
    ------
    ConfigError
        With file, line and key.
    """
    if before.environment != after.environment:
        raise ConfigError(
            f"the environment changes from {before.environment} to {after.environment}",
            where=after.environment_source,
            remedy="Restart the service; each environment has a ledger of its own",
        )
    files = tuple(f"{document.name}:" for document in after.files)
    known = {(finding.rule, finding.message) for finding in old.errors}
    fresh = [
        finding
        for finding in new.errors
        if finding.where.startswith(files) and (finding.rule, finding.message) not in known
    ]
    if fresh:
        raise InvalidConfigError(fresh)


def watched(home: Home, features: Features, catalog: Catalog) -> tuple[Path, ...]:
    """Give the folders to watch: configuration, and plugins unless ``auto_load`` is off."""
    return (home.configs, *(catalog.roots if features.auto_load else ()))
