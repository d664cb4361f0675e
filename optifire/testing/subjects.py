"""From what a test calls a plugin to what the host's catalog is built from."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from optifire.core.errors import ContractError, PluginFault
from optifire.core.ports import Description
from optifire.core.types import fold_id
from optifire.host.discovery import Candidate, Discovery, read_manifest
from optifire.host.plugin_files import facts_of
from optifire.runtime.aps_trigger import describe as describe_trigger
from optifire.sdk.plugin import Plugin
from optifire.testing.asked import is_folder
from optifire.workers.configuring import accept
from optifire.workers.describing import ask, understood
from optifire.workers.loading import PACKAGE_FOLDER, Folder, Loaded, instance, load

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Who has made what a test says is there already.
GIVEN = "given"
ORIGIN = "the test kit"


@dataclass(frozen=True, slots=True)
class Subject:
    """One plugin that is to run: what the host knows of it, and how an instance is made.

    ``loaded`` is None for a plugin that has no folder of its own.
    """

    candidate: Candidate
    description: Description
    loaded: Loaded | None
    instance: Callable[[], Plugin]

    @property
    def plugin_id(self) -> str:
        """The plugin's id, as it says it."""
        return self.description.plugin_id


def loaded_of(plugin: object) -> Loaded:
    """Load the plugin of a folder, or find the folder of a class or instance.

    In a folder of the user's own, clock reads in the plugin's files are refused, as in a replay,
    unless the plugin observes the machine.

    Raises
    ------
    PluginFault
        With file and line where the code cannot be loaded.
    """
    if is_folder(plugin):
        folder = Path(cast("str | Path", plugin)).resolve()
        own = not str(folder).startswith(f"{PACKAGE_FOLDER}/")
        found = load(str(folder), replay=own)
        return load(str(folder)) if own and _observes(found) else found
    cls = plugin if isinstance(plugin, type) else type(plugin)
    if not issubclass(cls, Plugin):
        raise ContractError(
            f"{plugin!r} is no plugin", remedy="Give a Plugin class, one made, or its folder"
        )
    file = Path(inspect.getfile(cls))
    place = file.parent if file.name == "impl.py" else file
    return Loaded(str(place), cls, Folder(str(place), replay=False))


def _observes(loaded: Loaded) -> bool:
    """Tell whether a plugin says that it looks at the machine; what it cannot say, it does not."""
    try:
        return instance(loaded).metadata.observes == "machine"
    except (PluginFault, AttributeError):
        return False


def description_of(loaded: Loaded) -> Description:
    """Ask a plugin what it is; raises `PluginFault` naming file and line."""
    return understood(ask(loaded, describe_trigger))


def subject_of(plugin: object) -> Subject:
    """Give one plugin as the host takes it up; raises `PluginFault` naming file and line."""
    if isinstance(plugin, Subject):
        return plugin
    loaded = loaded_of(plugin)
    description = description_of(loaded)
    place = Path(loaded.folder)
    making: Callable[[], Plugin] = lambda: instance(loaded)  # noqa: E731 - one of two
    if isinstance(plugin, Plugin):
        making = lambda: plugin  # noqa: E731 - as above
    if not place.is_dir():
        # Several classes may stand in one file; each is listed under a place of its own.
        plugin_id = description.plugin_id
        candidate = Candidate(plugin_id, place / plugin_id, ORIGIN, checksum=str(place))
        return Subject(candidate, description, None, making)
    facts, manifest = facts_of(place), read_manifest(place)
    plugin_id = str(manifest.get("id") or manifest.get("plugin_id") or place.name)
    candidate = Candidate(
        plugin_id, place, str(place.parent), facts.checksum, facts.modules, manifest
    )
    return Subject(candidate, description, loaded, making)


def subjects_of(plugins: Iterable[object]) -> dict[str, Subject]:
    """Give plugins by id; raises `ContractError` where two have the same."""
    found: dict[str, Subject] = {}
    for plugin in plugins:
        subject = subject_of(plugin)
        if subject.plugin_id in found:
            raise ContractError(f"two plugins have the id {subject.plugin_id!r}", where=ORIGIN)
        found[subject.plugin_id] = subject
    return found


def stand_ins(data: Mapping[str, Any], subjects: Mapping[str, Subject]) -> dict[str, list[str]]:
    """Give for each producer of given values the keys that it is said to have made.

    ``a.b`` is ``b`` made by ``a``. A bare name belongs to the plugin under test that declares it,
    else to one called ``given``.
    """
    found: dict[str, list[str]] = {}
    for name in data:
        producer, dot, key = name.partition(".")
        if not dot:
            key = name
            owners = (each for each, one in subjects.items() if key in _outputs(one))
            producer = next(owners, GIVEN)
        found.setdefault(producer, []).append(key)
    return found


def _outputs(subject: Subject) -> Sequence[str]:
    return subject.description.metadata.get("outputs") or ()


def discovery_of(subjects: Mapping[str, Subject], given: Mapping[str, list[str]]) -> Discovery:
    """Give the plugins under test, and those that stand in for others, as discovery would."""
    candidates = {fold_id(one.candidate.plugin_id): one.candidate for one in subjects.values()}
    for producer in given.keys() - subjects.keys():
        place = Path(ORIGIN) / producer
        candidates[fold_id(producer)] = Candidate(producer, place, ORIGIN)
    return Discovery(candidates)


class Describing:
    """Answers for the plugins under test, and for those that stand in for others."""

    def __init__(self, subjects: Mapping[str, Subject], given: Mapping[str, Sequence[str]]) -> None:
        self._said = {str(one.candidate.folder): one.description for one in subjects.values()}
        self._made = {str(one.candidate.folder): one.instance for one in subjects.values()}
        for producer, keys in given.items():
            metadata = {
                "plugin_id": producer,
                "version": "0",
                "description": "stands in for what a test has given",
                "outputs": list(keys),
            }
            said = Description(producer, "Given", metadata, {"schedule": "@manual"})
            self._said.setdefault(str(Path(ORIGIN) / producer), said)

    async def warm(self, modules: Sequence[str]) -> None:
        """Hold nothing back: what is under test is loaded already."""

    async def describe(self, folder: str) -> Description:
        """Give what the plugin of a folder says."""
        return self._said[folder]

    async def accept(self, folder: str, config: Mapping[str, Any]) -> None:
        """Have a plugin under test check its configuration."""
        accept(self._made[folder](), config, folder)
