"""What plugins say of themselves, kept by checksum, so that a second start asks no worker."""

import asyncio
import hashlib
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

import optifire
from optifire.core.errors import OptifireError
from optifire.core.ports import Describer, Description
from optifire.host.discovery import Candidate

#: Descriptions kept at most; beyond that those that were not asked for longest are dropped.
MOST_KEPT = 2000
#: Plugins asked at once: each brings its packages into a process of its own, and memory is small.
AT_ONCE = 2
#: A description made by another version of OptiFIRE or of Python is asked for again.
MADE_BY = f"{optifire.__version__} {sys.version_info[0]}.{sys.version_info[1]}"


class Kept(msgspec.Struct, frozen=True):
    """One description as the cache file holds it."""

    plugin_id: str
    class_name: str
    metadata: dict[str, Any]
    plan: dict[str, Any]
    hooks: tuple[str, ...] = ()
    config_schema: dict[str, Any] | None = None
    validates_config: bool = False


class CacheFile(msgspec.Struct, frozen=True):
    """The cache file: descriptions by folder name and checksum, those asked for last at the end."""

    made_by: str
    kept: dict[str, Kept]


class Descriptions:
    """Asks a `Describer` once for each state of a folder and remembers what it said.

    What went wrong is not remembered: a missing package may be there next time.

    Parameters
    ----------
    file
        Where to keep it (``<home>/data/cache/descriptions.msgpack``); None keeps nothing.
    """

    def __init__(self, describer: Describer, file: Path | None = None) -> None:
        self._describer = describer
        self._file = file
        self._kept: dict[str, Description] | None = None
        self._fresh = False
        self._asking: dict[str, asyncio.Lock] = {}
        self._accepted: set[tuple[str, str]] = set()

    async def of(self, candidate: Candidate) -> Description:
        """Give the description of a candidate; raises `PluginFault` when it cannot be described."""
        key = _key(candidate)
        kept = self._load()
        async with self._asking.setdefault(key, asyncio.Lock()):
            if key in kept:
                kept[key] = kept.pop(key)
                return kept[key]
            said = await self._describer.describe(str(candidate.folder))
            kept[key] = said
            self._fresh = True
            return said

    async def prepare(self, candidates: Iterable[Candidate]) -> None:
        """Have what several candidates import made ready, once for all that must be asked.

        Where that fails, as it does when a package breaks the process that imports it, each is
        asked as it stands, and the one at fault says so itself.
        """
        kept = self._load()
        asked = [each for each in candidates if each.fault is None and _key(each) not in kept]
        modules = dict.fromkeys(module for each in asked for module in each.modules)
        if modules:
            with suppress(OptifireError):
                await self._describer.warm(tuple(modules))

    async def accept(self, candidate: Candidate, config: Mapping[str, Any]) -> None:
        """Have a plugin check its configuration, once for each state of both.

        Raises `PluginFault` with what the plugin says against it.
        """
        encoded = msgspec.msgpack.encode(config, order="deterministic")
        key = (_key(candidate), hashlib.sha256(encoded).hexdigest())  # it may hold secrets
        if key not in self._accepted:
            await self._describer.accept(str(candidate.folder), config)
            self._accepted.add(key)

    def save(self) -> None:
        """Write what is new to the file; a folder that cannot be written only costs time later."""
        if not self._fresh or self._file is None or self._kept is None:
            return
        newest = list(self._kept.items())[-MOST_KEPT:]
        content = CacheFile(MADE_BY, {key: _plain(said) for key, said in newest})
        partial = self._file.with_suffix(f".{os.getpid()}")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(msgspec.msgpack.encode(content))
            partial.replace(self._file)
        except OSError:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            return
        self._fresh = False

    def _load(self) -> dict[str, Description]:
        if self._kept is None:
            self._kept = {
                key: Description(**msgspec.structs.asdict(kept))
                for key, kept in _read(self._file).items()
            }
        return self._kept


def _key(candidate: Candidate) -> str:
    return f"{candidate.folder.name}@{candidate.checksum}"


def _read(file: Path | None) -> Mapping[str, Kept]:
    """Give what the file holds; a damaged or foreign one holds nothing, and is made again."""
    if file is None or not file.exists():
        return {}
    try:
        content = msgspec.msgpack.decode(file.read_bytes(), type=CacheFile)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return {}
    return content.kept if content.made_by == MADE_BY else {}


def _plain(said: Description) -> Kept:
    return Kept(
        said.plugin_id,
        said.class_name,
        dict(said.metadata),
        dict(said.plan),
        tuple(said.hooks),
        None if said.config_schema is None else dict(said.config_schema),
        said.validates_config,
    )


async def describe_all(
    descriptions: Descriptions, candidates: Mapping[str, Candidate]
) -> dict[str, Description | OptifireError]:
    """Describe several candidates, two at once; a fault of one is its answer."""
    await descriptions.prepare(candidates.values())
    gate = asyncio.Semaphore(AT_ONCE)

    async def ask(candidate: Candidate) -> Description | OptifireError:
        if candidate.fault is not None:
            return candidate.fault
        try:
            async with gate:
                return await descriptions.of(candidate)
        except OptifireError as error:
            return error

    keys = list(candidates)
    said = await asyncio.gather(*(ask(candidates[key]) for key in keys))
    descriptions.save()
    return dict(zip(keys, said, strict=True))
