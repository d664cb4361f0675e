"""The control socket of a service: one JSON line each way over ``<home>/data/optifire.sock``.

A request is ``{"command": NAME, ...}``, an answer ``{"result": ...}`` or
``{"error": {type, message, where, remedy}}``. The socket belongs to the user of the service alone
(mode 0600), which is all the authentication there is.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from optifire.core.errors import ConfigError, LockedError, OptifireError, UsageError
from optifire.core.stretch import Stretch
from optifire.host.client import address_of, is_listening
from optifire.host.records import ToJson, error_of, record_of

if TYPE_CHECKING:
    from pathlib import Path

    from optifire.core.ledger import RunRow

Handler = Callable[[Mapping[str, Any]], Awaitable[Any]]

#: Bytes of the longest request; what a person types is far shorter.
LONGEST_REQUEST = 64 << 10
#: Seconds in which a client must have sent its line.
PATIENCE = 5.0
#: Seconds that answers under way may still take when the server closes.
FAREWELL = 1.0


class Backups(Protocol):
    """What makes the backups of a service."""

    async def backup(self, into: str) -> dict[str, Any]:
        """Copy the ledger into a folder ("": the home's own) and say what was made."""


class Pausing(Protocol):
    """Lets plugins pause and go on."""

    async def pause(self, plugin_id: str | None, *, who: str, why: str) -> dict[str, Any]:
        """Let nothing more of a plugin (None: of all) begin."""

    async def resume(self, plugin_id: str | None, *, who: str, why: str) -> dict[str, Any]:
        """Let a plugin (None: all) begin again."""


class Slice(Protocol):
    """What one slice of a backfill came to."""

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON can say it."""


class Backfills(Protocol):
    """Makes up for what is missing of the past."""

    async def backfill(self, stretch: Stretch) -> Slice:
        """Make what is missing of a stretch for a few seconds, from where the last slice ended."""


class Measured(Protocol):
    """What a service counts and measures."""

    def text(self) -> str:
        """Give all of it in the text format of Prometheus."""


class Alerting(Protocol):
    """What tells people of trouble."""

    async def test(self) -> dict[str, Any]:
        """Send one message to every target and say what came of it."""


class Controlled(Protocol):
    """What a service lets others do."""

    @property
    def alerting(self) -> Alerting:
        """What tells people of trouble."""

    @property
    def backing(self) -> Backups:
        """What makes its backups."""

    @property
    def pausing(self) -> Pausing:
        """What lets plugins pause and go on."""

    @property
    def backfilling(self) -> Backfills:
        """What makes up for the past."""

    async def status(self) -> dict[str, Any]:
        """Give the service's state, as JSON can say it."""

    @property
    def metrics(self) -> Measured:
        """What it counts and measures."""

    async def report(self) -> dict[str, Any]:
        """Give how well it is: liveness, readiness, and every check with its reasons."""

    async def run_now(self, plugin_id: str, *, why: str, force: bool = False) -> RunRow:
        """Run one plugin now and give its record when it has ended."""

    async def cancel(self, run_id: str, why: str) -> bool:
        """Cancel a run; False if it is not running."""

    async def reload(self) -> dict[str, Any]:
        """Read the configuration again, now."""

    def stop(self) -> None:
        """Begin to drain and stop."""


def handlers_for(service: Controlled, to_json: ToJson) -> dict[str, Handler]:
    """Give the commands of the socket for a service; ``to_json`` shows encoded values."""

    async def run(request: Mapping[str, Any]) -> object:
        plugin_id = _text(request, "plugin_id")
        why = _text(request, "why", default="by hand")
        force = _flag(request, "force")
        return record_of(await service.run_now(plugin_id, why=why, force=force), to_json)

    async def cancel(request: Mapping[str, Any]) -> object:
        done = await service.cancel(_text(request, "run_id"), _text(request, "why", default=""))
        return {"ok": done, "changed": [request["run_id"]] if done else []}

    async def reload(_: Mapping[str, Any]) -> object:
        return await service.reload()

    async def backup(request: Mapping[str, Any]) -> object:
        return await service.backing.backup(_text(request, "to", default=""))

    async def alerts_test(_: Mapping[str, Any]) -> object:
        return await service.alerting.test()

    async def stop(_: Mapping[str, Any]) -> object:
        service.stop()
        return {"ok": True, "changed": ["service"]}

    own = {
        **_questions(service),
        "run": run,
        "cancel": cancel,
        "reload": reload,
        "backup": backup,
        "alerts_test": alerts_test,
        "stop": stop,
    }
    return own | _policies_for(service)


def _policies_for(service: Controlled) -> dict[str, Handler]:
    """Give the commands that let plugins pause, go on, and make up for the past."""

    async def pause(request: Mapping[str, Any]) -> object:
        return await service.pausing.pause(_subject(request), **_author(request))

    async def resume(request: Mapping[str, Any]) -> object:
        return await service.pausing.resume(_subject(request), **_author(request))

    async def backfill(request: Mapping[str, Any]) -> object:
        stretch = Stretch(
            _text(request, "plugin_id"),
            _instant(request, "first"),
            _instant(request, "last"),
            after=_instant(request, "after") if request.get("after") is not None else None,
            **_author(request),
        )
        return (await service.backfilling.backfill(stretch)).as_json()

    return {"pause": pause, "resume": resume, "backfill": backfill}


def _questions(service: Controlled) -> dict[str, Handler]:
    """Give the commands that change nothing."""

    async def status(_: Mapping[str, Any]) -> object:
        return await service.status()

    async def health(_: Mapping[str, Any]) -> object:
        return await service.report()

    async def metrics(_: Mapping[str, Any]) -> object:
        return service.metrics.text()

    return {"status": status, "health": health, "metrics": metrics}


class ControlServer:
    """Answers requests on a socket file until it is closed.

    Parameters
    ----------
    path
        The socket file. Its folder must exist.
    handlers
        What each command does. Their `OptifireError`s become answers; anything else they raise is
        a bug: it goes to the loop's exception handler, and the client is told to look there.
    """

    def __init__(self, path: Path, handlers: Mapping[str, Handler]) -> None:
        self._path = path
        self._handlers = dict(handlers)
        self._server: asyncio.Server | None = None
        self._identity = 0
        self._talks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen; a socket file that nobody answers on is replaced.

        Raises
        ------
        LockedError
            Another service answers on it.
        ConfigError
            The file cannot be made.
        """
        if is_listening(self._path):
            raise LockedError(
                "another service is running in this home",
                where=str(self._path),
                remedy="Stop it with Ctrl-C or SIGTERM, or use it: `optifire status`",
            )
        sock = _bound(self._path)
        self._identity = self._path.stat().st_ino
        self._server = await asyncio.start_unix_server(
            self._serve, sock=sock, limit=LONGEST_REQUEST
        )

    async def close(self) -> None:
        """Stop listening, let answers under way be sent for a second, and remove the file."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        with suppress(FileNotFoundError):
            if self._path.stat().st_ino == self._identity:
                self._path.unlink()
        if self._talks:
            _, late = await asyncio.wait(self._talks, timeout=FAREWELL)
            for talk in late:
                talk.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        if talk is not None:
            self._talks.add(talk)
            talk.add_done_callback(self._talks.discard)
        try:
            line = await _request_line(reader)
            if line:
                writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            pass  # the client has gone; what it asked for has been done
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = _request(line)
            handler = self._handlers.get(str(request.get("command")))
            if handler is None:
                raise UsageError(
                    f"this service has no command {request.get('command')!r}",
                    where=str(self._path),
                    remedy=f"Ask for one of {', '.join(sorted(self._handlers))}",
                )
            return {"result": await handler(request)}
        except OptifireError as error:
            return {"error": error_of(error)}


async def _request_line(reader: asyncio.StreamReader) -> bytes:
    """Give the first line, or what makes the answer say what was wrong with it."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await reader.readline()
    except TimeoutError:
        return b'"nothing in time"'
    except ValueError:  # longer than the limit
        return b'"too long"'


def _request(line: bytes) -> Mapping[str, Any]:
    try:
        request = json.loads(line)
    except ValueError:
        request = None
    if not isinstance(request, dict):
        raise UsageError(
            "a request is one line of JSON, a mapping of at most 64 KB",
            where="control socket",
            remedy='Write {"command": "status"} and a line feed within five seconds',
        )
    return request


def _text(request: Mapping[str, Any], key: str, default: str | None = None) -> str:
    value = request.get(key, default)
    if not isinstance(value, str) or (not value and default is None):
        raise UsageError(f"{key} is text", where=f"control socket: {request['command']}")
    return value


def _instant(request: Mapping[str, Any], key: str) -> datetime:
    with suppress(ValueError):
        found = datetime.fromisoformat(_text(request, key))
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    raise UsageError(
        f"{key} is an instant with its offset, as in 2018-11-23T18:00:00Z",
        where=f"control socket: {request['command']}",
    )


def _subject(request: Mapping[str, Any]) -> str | None:
    """Give the plugin that is meant, None for all of them; a request has to say which."""
    everything = _flag(request, "all")
    if everything == ("plugin_id" in request):
        raise UsageError(
            "one of plugin_id and all is needed, and not both",
            where=f"control socket: {request['command']}",
        )
    return None if everything else _text(request, "plugin_id")


def _author(request: Mapping[str, Any]) -> dict[str, str]:
    return {
        "who": _text(request, "who", default="") or "a program",
        "why": _text(request, "why", default=""),
    }


def _flag(request: Mapping[str, Any], key: str) -> bool:
    value = request.get(key, False)
    if not isinstance(value, bool):
        raise UsageError(f"{key} is true or false", where=f"control socket: {request['command']}")
    return value


def _bound(path: Path) -> socket.socket:
    """Give a socket bound to a file of mode 0600; nobody can connect until somebody listens."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with suppress(FileNotFoundError):
            path.unlink()
        with address_of(path) as address:
            sock.bind(address)
        path.chmod(0o600)
    except OSError as error:
        sock.close()
        raise ConfigError(
            f"the control socket cannot be made: {error.strerror}",
            where=str(path),
            remedy="Check that the home's data folder exists and may be written",
        ) from error
    return sock
