"""What a plugin says of its configuration, and whether it accepts one."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from optifire.core.errors import ContractError, PluginFault
from optifire.workers.loading import fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from optifire.sdk.plugin import Plugin

_HOW = "Write a msgspec Struct, a dataclass or a pydantic model"


def config_schema(plugin: Plugin, folder: str) -> dict[str, Any] | None:
    """Give the JSON schema of a plugin's configuration, None when it says nothing of it.

    Raises
    ------
    PluginFault
        Naming file and line, when what it says is no schema and cannot be made one.
    """
    declared = getattr(plugin, "Config", None)
    asked = getattr(plugin, "get_config_schema", None)
    if declared is not None and asked is not None:
        raise PluginFault(
            "there are both Config and get_config_schema()",
            where=f"{folder}/impl.py",
            remedy="Keep one of them",
        )
    if declared is None and asked is None:
        return None
    try:
        schema: object = _schema_of(declared) if asked is None else asked()
    except ContractError as error:
        raise PluginFault(error.message, where=f"{folder}/impl.py", remedy=_HOW) from error
    except (Exception, SystemExit) as error:
        raise fault(error, folder, "cannot be asked for its configuration") from error
    if not isinstance(schema, Mapping):
        raise PluginFault(
            f"the schema of its configuration is a {type(schema).__name__}, not a mapping",
            where=f"{folder}/impl.py",
            remedy='End get_config_schema() with `return {"type": "object", "properties": {...}}`',
        )
    return dict(schema)


def _schema_of(declared: object) -> object:
    own: Callable[[], object] | None = getattr(declared, "model_json_schema", None)
    if own is not None:
        return own()
    is_struct = isinstance(declared, type) and issubclass(declared, msgspec.Struct)
    if isinstance(declared, type) and (is_struct or dataclasses.is_dataclass(declared)):
        return msgspec.json.schema(declared)
    raise ContractError("Config is no class of fields")


def validates_config(plugin: Plugin) -> bool:
    """Tell whether a plugin checks its configuration itself."""
    return callable(getattr(plugin, "validate_config", None))


def accept(plugin: Plugin, config: Mapping[str, Any], folder: str) -> None:
    """Have a plugin check its configuration, if it does that.

    Raises
    ------
    PluginFault
        With what it says against it, and the line that says so.
    """
    check = getattr(plugin, "validate_config", None)
    if not callable(check):
        return
    try:
        answer = check(config)
    except (Exception, SystemExit) as error:
        raise fault(error, folder, "refuses its configuration") from error
    if inspect.iscoroutine(answer):
        answer.close()
        message, remedy = "validate_config() is async", "Write it as an ordinary method"
    elif answer is False:
        message = "the plugin refuses its configuration: validate_config() gave False"
        remedy = "Correct the configuration; raise in validate_config() to say what is wrong"
    else:
        return
    raise PluginFault(message, where=f"{folder}/impl.py", remedy=remedy)
