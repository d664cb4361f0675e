"""What can be changed over the API: first written down with its author, then made or refused."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from optifire.app.pausing import subject_of
from optifire.app.plugin_info import sources_of
from optifire.app.reading_ledger import AUDIT
from optifire.core.errors import (
    ConfigError,
    NotFoundError,
    OptifireError,
    StoreError,
    UsageError,
)
from optifire.core.ledger import Batch, NoteRow
from optifire.host.edit import edit_file
from optifire.host.records import record_of
from optifire.runtime.clock import wall_now
from optifire.store.rows import parse_run_id
from optifire.workers.wire import to_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from optifire.api.ports import Shape
    from optifire.app.service import Service
    from optifire.core.access import Caller
    from optifire.host.catalog import Listed

log = logging.getLogger("optifire.service")


class Changing:
    """Changes a service for somebody."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def toggle(self, plugin_id: str, *, enabled: bool, by: Caller) -> Shape:
        """Switch a plugin on or off in features.yaml, and go over to that.

        Raises
        ------
        NotFoundError
            No plugin has this id.
        ConfigError
            The file cannot be edited, the configuration is not taken over, or another place than
            features.yaml has the last word.
        """
        service = self._service
        listed = service.catalog.find(plugin_id)
        name, home = listed.plugin_id, service.home
        file = home.config_file("features")
        if file is None:
            raise ConfigError("there is no features.yaml", where=str(home.configs))
        if enabled and listed.candidate is None:
            raise listed.error or ConfigError(f"nobody has {name}", where=str(home.configs))
        was = listed.enabled
        async with self._noted(name, f"enabled: {str(enabled).lower()}", by):
            said = await service.reload(
                f"api: {by}", lambda: edit_file(file, name, ("enabled",), enabled)
            )
            now = service.catalog.find(name)
            if now.enabled is not enabled:
                raise _unheard(now, said["errors"])
        mine = [error for error in said["errors"] if name in error] if enabled else []
        return {
            "ok": not mine,
            "plugin_id": name,
            "enabled": now.enabled,
            "changed": was is not now.enabled,
            "errors": mine,
            "needed_by": list(service.catalog.graph.consumers_of(name)),
        }

    async def run_now(self, plugin_id: str, *, why: str, force: bool, by: Caller) -> Shape:
        """Run a plugin now and give its record when it has ended.

        Raises
        ------
        NotFoundError
            No such plugin, or it is not switched on.
        UsageError
            It is to disregard overlap, and nobody says why.
        """
        if force and not why:
            raise UsageError("force needs a reason", where="why", remedy="Say why in `why`")
        listed = self._service.catalog.find(plugin_id)
        reason = f"{why or 'asked for'}; by {by}"
        what = _said("run by force" if force else "run", why)
        async with self._noted(listed.plugin_id, what, by):
            row = await self._service.run_now(listed.plugin_id, why=reason, force=force)
        return record_of(row, to_json)

    async def cancel(self, run_id: str, *, why: str, by: Caller) -> Shape:
        """End a run in progress.

        Raises
        ------
        NotFoundError
            No run of this id is in progress.
        """
        key = parse_run_id(run_id)
        if key is None or self._service.catalog.find(key.plugin_id).plugin_id != key.plugin_id:
            raise _not_running(run_id)
        async with self._noted(run_id, _said("cancel", why), by):
            if not await self._service.cancel(run_id, f"{why or 'asked for'}; by {by}"):
                raise _not_running(run_id)
        return {"ok": True, "changed": [run_id]}

    async def pause(self, plugin_id: str | None, *, why: str, by: Caller) -> Shape:
        """Keep a plugin (None: all of them) from running until it is resumed.

        Raises
        ------
        NotFoundError
            No plugin has this id.
        """
        async with self._noted(self._subject(plugin_id), _said("pause", why), by):
            return await self._service.pausing.pause(plugin_id, who=str(by), why=why)

    async def resume(self, plugin_id: str | None, *, why: str, by: Caller) -> Shape:
        """Let a plugin (None: all of them) run again; errors as `pause`."""
        async with self._noted(self._subject(plugin_id), _said("resume", why), by):
            return await self._service.pausing.resume(plugin_id, who=str(by), why=why)

    def _subject(self, plugin_id: str | None) -> str:
        return subject_of(plugin_id, self._service.catalog)

    @asynccontextmanager
    async def _noted(self, subject: str, text: str, by: Caller) -> AsyncIterator[None]:
        """Write down what is about to be changed, and where it is refused that it was.

        Raises
        ------
        StoreError
            It cannot be written down, and is not made.
        """
        await self._note(subject, f"{text}; by {by}")
        try:
            yield
        except OptifireError as error:
            try:
                why = " ".join(error.message.split())
                await self._note(subject, f"refused: {text}; by {by}: {why}")
            except StoreError as unwritten:
                log.warning("that this was refused is not in the ledger: %s", unwritten)
            raise

    async def _note(self, subject: str, text: str) -> None:
        note = NoteRow(wall_now(), AUDIT, subject, text)
        await self._service.engine.rooms.recorder.intend(Batch(notes=[note]))


def _said(what: str, why: str) -> str:
    return f"{what}: {why}" if why else what


def _not_running(run_id: str) -> NotFoundError:
    return NotFoundError(
        f"no run {run_id!r} goes on",
        where=run_id,
        remedy="GET /status lists what is running, GET /runs what has ended",
    )


def _unheard(listed: Listed, errors: list[str]) -> ConfigError:
    """Say why a plugin is not as features.yaml now says."""
    if errors:
        return ConfigError(
            f"the configuration is not taken over: {'; '.join(errors)}",
            where=listed.plugin_id,
            remedy="Correct the file; the service goes over to it by itself",
        )
    source = sources_of(listed).get("enabled", {}).get("source", "another place")
    return ConfigError(
        "features.yaml has changed, but another place has the last word",
        where=f"{source}: plugins.{listed.plugin_id}.enabled",
        remedy="Change it there",
    )
