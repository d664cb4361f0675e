"""Rules about what a plugin says of itself: loading, metadata, plan, settings, and its source."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from optifire.core.errors import ContractError, DependencyError, OptifireError
from optifire.core.lifecycle import PluginState
from optifire.core.types import PluginId, fold_id
from optifire.host import validate
from optifire.host.catalog import Listed
from optifire.host.findings import Finding, Level, error_of
from optifire.sdk.plugin import PluginMetadata
from optifire.testing.asked import ONLY
from optifire.testing.conformance.trial import NotTriedError, Trial, watched
from optifire.testing.subjects import Subject
from optifire.workers.loading import fault, instance
from optifire.workers.plain import canonical
from optifire.workers.wire import decode_value, encode_value

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from optifire.sdk.plugin import Plugin
    from optifire.workers.loading import Loaded

#: How often a plugin is made, and each asked, to see whether it says the same.
TIMES = 2


async def loads(trial: Trial) -> AsyncIterator[Finding]:
    """Hold when the code imports and has one plugin class."""
    if isinstance(trial.loaded, OptifireError):
        yield error_of("loads", trial.loaded, trial.where)


async def describe_is_pure(trial: Trial) -> AsyncIterator[Finding]:
    """Hold when instances say the same of themselves however often, and touch nothing."""
    rule = "describe_is_pure"
    metadata: list[object] = []
    plans: list[str] = []
    try:
        with watched() as seen:
            for _ in range(TIMES):
                plugin = instance(_loaded(trial))
                for _ in range(TIMES):
                    metadata.append(_metadata(plugin, trial))
                    plans.append(_plan(plugin, trial))
    except OptifireError as error:
        yield error_of(rule, error, trial.where)
        return
    for deed in dict.fromkeys(seen):
        yield trial.finding(rule, f"describe() or plan() {deed}", "Only answer in them")
    for what, answers in (("describe", metadata), ("plan", plans)):
        if any(answer != answers[0] for answer in answers):
            yield trial.finding(rule, f"{what}() answers differently each time", "Give constants")


def _loaded(trial: Trial) -> Loaded:
    if isinstance(trial.loaded, OptifireError):
        raise NotTriedError("it cannot be loaded")
    return trial.loaded


def _metadata(plugin: Plugin, trial: Trial) -> PluginMetadata:
    said: object = plugin.describe()
    if isinstance(said, PluginMetadata):
        return said
    raise ContractError(
        f"describe() gave a {type(said).__name__}, not PluginMetadata",
        where=trial.where,
        remedy="End describe() with `return PluginMetadata(...)`",
    )


def _plan(plugin: Plugin, trial: Trial) -> str:
    """Give the plan as text that compares; `plan_is_sound` looks at what it says."""
    try:
        return repr(plugin.plan())
    except Exception as error:
        where = str(trial.folder or trial.where)
        raise fault(error, where, "cannot be asked for its plan") from error


async def id_matches_folder(trial: Trial) -> AsyncIterator[Finding]:
    """Hold when the folder is called as the plugin, spelling included."""
    rule = "id_matches_folder"
    if trial.folder is None:
        raise NotTriedError("the class does not stand in a folder of its own")
    said = subject(trial).plugin_id
    if said != trial.folder.name:
        message = f"the plugin is called {said!r} and its folder {trial.folder.name!r}"
        yield trial.finding(rule, message, f"Rename the folder or plugin_id to {said!r}")


def subject(trial: Trial) -> Subject:
    """Give the plugin as the host takes it up; where it cannot, other rules say why."""
    if isinstance(trial.subject, OptifireError):
        raise NotTriedError("it cannot say what it is")
    return trial.subject


async def plan_is_sound(trial: Trial) -> AsyncIterator[Finding]:
    """Hold when the host makes a job of it: words, keys, values, requirements and needs."""
    rule = "plan_is_sound"
    said = trial.subject
    if isinstance(said, OptifireError):
        pure = [one async for one in describe_is_pure(trial)]
        if isinstance(trial.loaded, OptifireError) or pure:
            raise NotTriedError("it cannot say what it is")
        yield error_of(rule, said, trial.where)
        return
    try:
        await trial.catalog()
    except DependencyError as error:
        message = f"it cannot be tried alone: {error.message}"
        remedy = "Derive a PluginContract in its tests, with `data` that holds what it needs"
        yield Finding(rule, Level.WARNING, trial.where, message, remedy)
    except OptifireError as error:
        if fold_id(said.plugin_id) != fold_id(said.candidate.plugin_id):
            raise NotTriedError("the folder has another name than the plugin") from error
        yield error_of(rule, error, trial.where)


async def settings_hold(trial: Trial) -> AsyncIterator[Finding]:
    """Hold when settings survive being written down, and defaults written out change nothing."""
    rule = "settings_hold"
    shape = getattr(_loaded(trial).cls, "Config", None)
    if shape is None:
        if decode_value(encode_value(dict(trial.config))) != dict(trial.config):
            yield trial.finding(rule, "the settings are not plain values", "Use what YAML has")
        return
    try:
        made = shape(**trial.config)
        spelled = _spelled(made)
        back = shape(**decode_value(encode_value(spelled, "Config")))
    except (TypeError, ValueError, OptifireError) as error:
        remedy = "Give every setting a plain default, so that the plugin can be switched on"
        yield trial.finding(rule, f"Config cannot be made or written down: {error}", remedy)
        return
    if back != made:
        yield trial.finding(rule, f"{made!r} comes back as {back!r}", "Use plain values")
        return
    plain, written = await trial.usual(), await trial.run(config={ONLY: spelled})
    if plain.status != written.status or not _agree(plain.outputs, written.outputs, trial):
        message = "the settings written out give another answer than the same left out"
        yield trial.finding(rule, message, "Take defaults from Config alone")


def _agree(one: Mapping[str, Any], other: Mapping[str, Any], trial: Trial) -> bool:
    """Tell whether two runs gave the same; of the machine, which changes, the same names."""
    return one.keys() == other.keys() if observes_machine(trial) else same(one, other)


def observes_machine(trial: Trial) -> bool:
    """Tell whether the plugin looks at the machine, which is not the same twice."""
    return subject(trial).description.metadata.get("observes") == "machine"


_SPELL: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "model_dump": lambda made: dict(made.model_dump()),
    "__struct_fields__": lambda made: {n: getattr(made, n) for n in made.__struct_fields__},
    "__dataclass_fields__": dataclasses.asdict,
}


def _spelled(made: object) -> dict[str, Any]:
    """Give all settings of a `Config`: a pydantic model, a msgspec Struct or a dataclass."""
    for attribute, spell in _SPELL.items():
        if hasattr(made, attribute):
            return spell(made)
    raise TypeError(f"{type(made).__name__} is no dataclass, msgspec Struct or pydantic model")


def from_source(rule: validate.Rule) -> Callable[[Trial], AsyncIterator[Finding]]:
    """Give a rule of the host over the plugin's source as one that must hold."""

    async def hold(trial: Trial) -> AsyncIterator[Finding]:
        if trial.folder is None:
            raise NotTriedError("the class does not stand in a folder of its own")
        for finding in rule(await _examined(trial)):
            yield dataclasses.replace(finding, level=Level.ERROR)

    return hold


async def _examined(trial: Trial) -> validate.Subject:
    """Give the plugin as the host's rules examine it, as far as it could be loaded."""
    candidate = trial.candidate
    try:
        listed = (await trial.catalog()).find(candidate.plugin_id)
    except OptifireError:
        said = trial.subject.description if isinstance(trial.subject, Subject) else None
        named = PluginId(candidate.plugin_id)
        listed = Listed(named, PluginState.ERROR, enabled=True, description=said)
    return validate.Subject(candidate, listed)


def same(one: object, other: object) -> bool:
    """Tell whether two values are the same to the bit, whatever order mappings are in."""
    return canonical(encode_value(one)) == canonical(encode_value(other))
