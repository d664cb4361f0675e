"""A plugin's own settings: merged, variables filled in, checked, with the schema's defaults."""

from collections.abc import Mapping
from typing import Any

from optifire.host.config_schema import ConfigSchema, Place
from optifire.host.features import Entry
from optifire.host.findings import Finding, InvalidConfigError, Level
from optifire.host.layers import Sourced, interpolate, nested


def plugin_config(
    entry: Entry, variables: Mapping[str, str], schema: Mapping[str, Any] | None, impl: str
) -> dict[str, Any]:
    """Give the settings under ``config`` as the plugin gets them.

    Parameters
    ----------
    schema
        The JSON schema of the settings, None where the plugin says none: then all are taken.
    impl
        The plugin's file, which a broken schema is about.

    Raises
    ------
    ConfigError
        A variable is not set, or settings do not fit the schema; each with file and line.
    ContractError
        The schema is broken.
    """
    filled = {
        path[1:]: Sourced(interpolate(found, variables), found.source)
        for path, found in entry.leaves.items()
        if path[0] == "config"
    }
    config = nested(filled)
    if schema is None:
        return config
    checker = ConfigSchema(schema, impl)
    whole = checker.filled(config)
    findings = [
        Finding(
            "config",
            Level.ERROR,
            place_of(entry, misfit.place, impl),
            f"{_name(misfit.place)} {misfit.message}",
            misfit.remedy,
        )
        for misfit in checker.misfits(whole)
    ]
    if findings:
        raise InvalidConfigError(findings)
    return whole


def place_of(entry: Entry, place: Place, impl: str) -> str:
    """Give the place that says a setting, what lies nearest to it, or that switches it on.

    What the plugin's own file says counts only where it says that very setting.
    """
    path = ("config", *map(str, place))
    for length in range(len(path), 0, -1):
        near = [
            found.source for key, found in entry.leaves.items() if key[:length] == path[:length]
        ]
        others = [source for source in near if not source.startswith(f"{impl}:")]
        if others or (near and place and length == len(path)):
            return (others or near)[0]
    return entry.source("enabled") or impl


def _name(place: Place) -> str:
    """Give the dotted name of a setting."""
    return "config" + "".join(
        f"[{each}]" if isinstance(each, int) else f".{each}" for each in place
    )
