"""What a name in a dependency stands for: a plugin, one of its outputs, or a name of the host."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from optifire.core.job import DEFAULT_PRIORITY, Need
from optifire.core.types import PluginId, fold_id

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What an edge says of a producer that somebody switched off.
IS_OFF = "is off"
#: What an edge says of a producer that has a load error.
IS_NOT_LOADED = "is not loaded"


@dataclass(frozen=True, slots=True)
class Declaration:
    """What one switched-on plugin declares: what it gives, and what it asks for."""

    plugin_id: PluginId
    outputs: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    needs: tuple[Need, ...] = ()
    priority: int = DEFAULT_PRIORITY


@dataclass(frozen=True, slots=True)
class Absent:
    """A plugin that is known but makes no runs, why (`IS_OFF`, `IS_NOT_LOADED`), and its outputs.

    ``outputs`` is empty where nobody has looked.
    """

    plugin_id: PluginId
    outputs: tuple[str, ...] = ()
    why: str = IS_OFF


@dataclass(frozen=True, slots=True)
class Found:
    """What a name stands for: a plugin as a whole, one of its outputs, or a name of the host."""

    producer: PluginId | None
    key: str | None


class Names:
    """Everything that a need may name, and who stands behind it."""

    def __init__(
        self,
        declared: Iterable[Declaration],
        absent: Iterable[Absent],
        host_names: Iterable[str],
    ) -> None:
        on = list(declared)
        self.off = {each.plugin_id: each for each in absent}
        self.host = frozenset(host_names)
        self.outputs = {each.plugin_id: each.outputs for each in self.off.values()}
        self.outputs |= {each.plugin_id: each.outputs for each in on}
        self._ids = {fold_id(plugin_id): plugin_id for plugin_id in sorted(self.outputs)}
        producers = _producers(on)
        self.owners = {key: who[0] for key, who in producers.items() if len(who) == 1}
        self.ambiguous = {key: who for key, who in producers.items() if len(who) > 1}
        self._idle_producers = _producers(self.off.values())

    def find(self, name: str, *, fold: bool = True) -> Found | tuple[PluginId, ...]:
        """Give what a name means; several ids where it is ambiguous, none where nobody has it."""
        if name in self.outputs:
            return Found(PluginId(name), None)
        if full := self._full_name(name):
            return full
        if fold and fold_id(name) in self._ids:
            return Found(self._ids[fold_id(name)], None)
        who = (self.owners[name],) if name in self.owners else self.ambiguous.get(name, ())
        if not who and name in self.host:
            return Found(None, name)
        who = who or self._idle_producers.get(name, ())
        return Found(who[0], name) if len(who) == 1 else who

    def _full_name(self, name: str) -> Found | None:
        """Read ``<id>.<key>``, the longest id first, since ids may hold dots themselves."""
        cut = name.rfind(".")
        while cut > 0:
            plugin_id = self._ids.get(fold_id(name[:cut]))
            if plugin_id is not None and name[cut + 1 :] in self.outputs[plugin_id]:
                return Found(plugin_id, name[cut + 1 :])
            cut = name.rfind(".", 0, cut)
        return None

    def nearest(self, name: str) -> str:
        """Give a remedy that names what comes closest, and who could have provided it."""
        known = {*self.outputs, *self.owners, *self.ambiguous, *self._idle_producers, *self.host}
        close = get_close_matches(name, sorted(known), n=3, cutoff=0.6)
        hint = f"Did you mean {' or '.join(close)}?" if close else "Declare it as an output"
        broken = [
            each.plugin_id
            for each in self.off.values()
            if each.why == IS_NOT_LOADED and not each.outputs
        ]
        if broken:
            hint += f" ({', '.join(sorted(broken))} could not be loaded and may be who provides it)"
        return hint


def _producers(plugins: Iterable[Declaration | Absent]) -> dict[str, tuple[PluginId, ...]]:
    """Give for each declared output who declares it, sorted."""
    found: dict[str, set[PluginId]] = {}
    for plugin in plugins:
        for key in plugin.outputs:
            found.setdefault(key, set()).add(plugin.plugin_id)
    return {key: tuple(sorted(who)) for key, who in sorted(found.items())}
