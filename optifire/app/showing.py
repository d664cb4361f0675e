"""Every setting of the system as it holds, and the place that says so."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optifire.core.setting import Kind
from optifire.core.settings import CONFIG_FIELDS, FEATURES_FIELDS
from optifire.host.documents import Document, read_document
from optifire.host.features import load_features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optifire.core.setting import Setting
    from optifire.host.home import Home


def settings_with_sources(home: Home) -> dict[str, dict[str, Any]]:
    """Give each setting by its key: its ``value``, and the ``source`` that states it.

    Where no file does, the value is the default, or what holds instead in words.

    Raises
    ------
    ConfigError
        A file is not as it should be; with file, line and key.
    """
    features = load_features(home, os.environ, {})
    file = home.config_file("config")
    config = [read_document(file)] if file is not None else []
    found: dict[str, dict[str, Any]] = {}
    for setting in FEATURES_FIELDS:
        if setting.kind is not Kind.MAPPING:
            found[setting.key] = _stated(setting, features.files)
    found["environment"] = {
        "value": features.environment.value,
        "source": features.environment_source,
    }
    return found | {setting.key: _stated(setting, config) for setting in CONFIG_FIELDS}


def _stated(setting: Setting, documents: Sequence[Document]) -> dict[str, Any]:
    """Give what the last document that states a setting says."""
    for document in reversed(documents):
        value: Any = document.data
        for key in setting.path:
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            return {"value": value, "source": document.where(setting.path)}
    default = setting.default if setting.default is not None else setting.otherwise
    return {"value": _plain(default), "source": "default"}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value
