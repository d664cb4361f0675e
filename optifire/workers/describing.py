"""What ``describe()`` and ``plan()`` of a plugin say, as plain values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from optifire.core.errors import OptifireError, PluginFault
from optifire.core.ports import Description
from optifire.sdk.plugin import Plugin, PluginMetadata
from optifire.workers import messages as say
from optifire.workers.configuring import accept, config_schema, validates_config
from optifire.workers.loading import Loaded, fault, instance, load, overridden_hooks
from optifire.workers.wire import decode_value, encode_value

if TYPE_CHECKING:
    from optifire.workers.context import Trigger


def described(folder: str, trigger: Trigger) -> say.Described | say.Faulty:
    """Load the plugin of a folder and ask it; a fault is an answer too."""
    try:
        return ask(load(folder), trigger)
    except OptifireError as error:
        return say.Faulty(error.message, error.where or folder, error.remedy)


def accepted(folder: str, config: Mapping[str, Any]) -> say.Accepted | say.Faulty:
    """Load the plugin of a folder and have it check its configuration."""
    try:
        loaded = load(folder)
        accept(instance(loaded), config, loaded.folder)
    except OptifireError as error:
        return say.Faulty(error.message, error.where or folder, error.remedy)
    return say.Accepted()


def ask(loaded: Loaded, trigger: Trigger) -> say.Described:
    """Give what a loaded plugin says of itself; raises `PluginFault` naming file and line."""
    plugin = instance(loaded)
    where = f"{loaded.folder}/impl.py"
    metadata = _metadata(plugin, where)
    schema = config_schema(plugin, loaded.folder)
    return say.Described(
        plugin_id=metadata.plugin_id,
        class_name=loaded.cls.__name__,
        metadata=encode_value(
            {entry.name: getattr(metadata, entry.name) for entry in fields(metadata)},
            f"{where}: describe()",
        ),
        plan=encode_value(_plan(plugin, loaded.folder, trigger), f"{where}: plan()"),
        hooks=overridden_hooks(loaded.cls),
        config_schema=None if schema is None else encode_value(schema, f"{where}: its schema"),
        validates_config=validates_config(plugin),
    )


def understood(said: say.Described) -> Description:
    """Give what a plugin said as the host takes it."""
    schema = said.config_schema
    return Description(
        plugin_id=said.plugin_id,
        class_name=said.class_name,
        metadata=decode_value(said.metadata),
        plan=decode_value(said.plan),
        hooks=said.hooks,
        config_schema=None if schema is None else decode_value(schema),
        validates_config=said.validates_config,
    )


def _metadata(plugin: Plugin, where: str) -> PluginMetadata:
    metadata: object = plugin.metadata
    if isinstance(metadata, PluginMetadata):
        return metadata
    raise PluginFault(
        f"describe() gave a {type(metadata).__name__}, not PluginMetadata",
        where=where,
        remedy="End describe() with `return PluginMetadata(...)`",
    )


def _plan(plugin: Plugin, folder: str, trigger: Trigger) -> dict[str, Any]:
    try:
        plan: object = plugin.plan()
    except (Exception, SystemExit) as error:
        raise fault(error, folder, "cannot be asked for its plan") from error
    if not isinstance(plan, Mapping):
        raise PluginFault(
            f"plan() gave a {type(plan).__name__}, not a mapping",
            where=f"{folder}/impl.py",
            remedy='End plan() with `return {"schedule": "@open"}`',
        )
    where = f"{folder}/impl.py: plan()"
    entries = {str(key): _entry(value) for key, value in plan.items()}
    if "schedule" in entries:
        schedule = entries["schedule"]
        many = isinstance(schedule, list)
        words = [_word(item, trigger, where) for item in (schedule if many else [schedule])]
        entries["schedule"] = words if many else words[0]
    return entries


def _entry(value: object) -> Any:  # noqa: ANN401 - whatever the plan says, checked when encoded
    """Give sets as sorted lists, tuples as lists and spans of time as text like ``90s``."""
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return list(value)
    return f"{value.total_seconds():g}s" if isinstance(value, dt.timedelta) else value


def _word(item: object, trigger: Trigger, where: str) -> object:
    """Give a schedule word as it is, and an APScheduler trigger as class and fields."""
    return trigger(item, where) if _is_trigger(item) else item


def _is_trigger(item: object) -> bool:
    return any(base.__module__.startswith("apscheduler.") for base in type(item).__mro__)
