"""All that a home says, read at one moment: features, settings, variables, and their version."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optifire.core.settings import Settings
from optifire.host.config_file import read_settings
from optifire.host.features import Features, load_features
from optifire.host.home import Home
from optifire.host.variables import read_variables
from optifire.host.versions import ConfigVersion, version_of


@dataclass(frozen=True, slots=True)
class Configuration:
    """One state of the configuration that has passed all checks of its own."""

    features: Features
    settings: Settings
    variables: Mapping[str, str]
    version: ConfigVersion


def read_configuration(
    home: Home, environ: Mapping[str, str], command: Mapping[str, Any] | None = None
) -> Configuration:
    """Read the configuration of a home.

    Raises
    ------
    ConfigError
        With file, line, key and remedy.
    """
    features = load_features(home, environ, command)
    settings, document = read_settings(home.config_file("config"))
    documents = (*features.files, *([document] if document else []))
    return Configuration(
        features, settings, read_variables(home.secrets, environ), version_of(documents)
    )
