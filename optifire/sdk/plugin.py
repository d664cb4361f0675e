"""The plugin base class and its metadata."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from optifire.core.errors import ContractError

if TYPE_CHECKING:
    from optifire.sdk.context import PluginContext
    from optifire.sdk.result import PluginResult

#: Fields that take several values; lists and tuples are accepted, tuples are kept.
_LISTS = (
    "dependencies", "inputs", "keywords", "kinds", "outputs", "permissions", "requires",
    "supported_platforms",
)  # fmt: skip


#: A value of any metadata field.
FieldValue = Any


@dataclass(frozen=True)
class PluginMetadata:
    """What a plugin is. Frozen; lists given are kept as tuples.

    `plugin_id`, `version` and `description` are required (a `name` alone serves as id).
    `est_cpu_ms` is processor time of one run in milliseconds, `est_mem_mb` its peak memory in
    megabytes. `dependencies` are plugin ids or data names, or the mappings that a plan takes.
    `observes` is ``"machine"`` for a plugin that looks at the running machine and therefore has
    no place in a replay. `kinds`, `origin`, `checksum` and `signature` are set by the host.
    """

    plugin_id: str = ""
    name: str = ""
    category: str = "infra"
    version: str = ""
    author: str = ""
    description: str = ""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    est_cpu_ms: float | None = None
    est_mem_mb: float | None = None
    license: str = ""
    homepage: str = ""
    repository: str = ""
    keywords: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    dependencies: tuple[Any, ...] = ()
    api_version: str = "1"
    min_version: str = ""
    max_version: str = ""
    supported_platforms: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    observes: str = ""
    kinds: tuple[str, ...] = ()
    origin: str = ""
    checksum: str = ""
    signature: str = ""

    def __post_init__(self) -> None:
        """Fill the id from the name, turn lists into tuples and check what is required."""
        if not self.plugin_id and self.name:
            object.__setattr__(self, "plugin_id", self.name)
        for name in _LISTS:
            value = getattr(self, name)
            if type(value) is not tuple:
                object.__setattr__(self, name, _as_tuple(name, value, self.plugin_id))
        if not (self.plugin_id and self.version and self.description):
            missing = [
                name for name in ("plugin_id", "version", "description") if not getattr(self, name)
            ]
            raise ContractError(
                f"metadata lacks {', '.join(missing)}",
                where=self.plugin_id or "PluginMetadata",
                remedy="Give every plugin an id, a version and a description",
            )

    @classmethod
    def create(cls, **values: FieldValue) -> PluginMetadata:
        """Make metadata from keywords; lists are accepted, unknown names are named."""
        known = {entry.name for entry in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ContractError(
                f"metadata has no field {', '.join(unknown)}",
                where=str(values.get("plugin_id") or values.get("name") or "PluginMetadata"),
                remedy=f"Known fields: {', '.join(sorted(known))}",
            )
        return cls(**values)


def _as_tuple(name: str, value: object, plugin_id: str) -> tuple[Any, ...]:
    """Keep several values as a tuple; one string or mapping is a common slip and is refused.

    So is a set: its order, and with it what the plugin says of itself, differs between processes.
    """
    if isinstance(value, str | bytes | Mapping | AbstractSet) or not isinstance(value, Iterable):
        raise ContractError(
            f"metadata field {name} must be a list, not {value!r}",
            where=plugin_id or "PluginMetadata",
            remedy=f"Write {name}=[...]",
        )
    return tuple(value)


class Plugin(ABC):
    """One job: says what it is (`describe`), when it runs (`plan`), and does it (`run`).

    The constructor takes no arguments and sets `metadata`; a plugin that defines ``__init__``
    calls ``super().__init__()``. An instance lives for one run: what must survive belongs in
    outputs or in ``context.db``.
    """

    def __init__(self) -> None:
        self.metadata: PluginMetadata = self.describe()

    @abstractmethod
    def describe(self) -> PluginMetadata:
        """Give the metadata. Pure: no input or output, callable on a bare instance."""

    @abstractmethod
    def plan(self) -> Mapping[str, Any]:
        """Give schedule, triggers, dependencies and the other fields of a plan."""

    @abstractmethod
    async def run(self, context: PluginContext) -> PluginResult:
        """Do the work once, as of ``context.now``."""
