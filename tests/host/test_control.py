import asyncio
import json
import os
import socket
import stat
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from optifire.core.errors import (
    ConfigError,
    LockedError,
    NotFoundError,
    OptifireError,
    TransientError,
    UsageError,
)
from optifire.core.ledger import RunRow
from optifire.core.run import RunKey, RunStatus
from optifire.core.types import PluginId
from optifire.host.client import NoServiceError, ask, is_listening
from optifire.host.control import ControlServer, handlers_for


class FakeService:
    """A service that remembers what it was asked."""

    backfilling: Any = None

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.backing = self.pausing = self.metrics = self.alerting = self
        self.begun = asyncio.Event()
        self.release = asyncio.Event()

    async def status(self) -> dict[str, Any]:
        return {"state": "running"}

    def text(self) -> str:
        return "optifire_slots_held 0\n"

    async def report(self) -> dict[str, Any]:
        return {"live": True}

    async def run_now(self, plugin_id: str, *, why: str, force: bool = False) -> RunRow:
        self.asked.append(("run", plugin_id, why, force))
        if plugin_id == "slow":
            self.begun.set()
            await self.release.wait()
        if plugin_id == "nobody":
            raise NotFoundError("no plugin 'nobody'", where="nobody", remedy="See the list")
        if plugin_id == "bug":
            raise ZeroDivisionError
        key = RunKey(PluginId(plugin_id), datetime(2018, 11, 23, 18, tzinfo=UTC))
        return RunRow(key, key.run_id, RunStatus.SUCCEEDED)

    async def cancel(self, run_id: str, why: str) -> bool:
        self.asked.append(("cancel", run_id, why))
        return run_id == "known"

    async def test(self) -> dict[str, Any]:
        return {"ok": True, "changed": ["OPS"], "targets": []}

    async def backup(self, into: str) -> dict[str, Any]:
        self.asked.append(("backup", into))
        return {"ok": True}

    async def reload(self) -> dict[str, Any]:
        return {"ok": True, "changed": [], "errors": []}

    def stop(self) -> None:
        self.asked.append(("stop",))

    async def pause(self, plugin_id: str | None, *, who: str, why: str) -> dict[str, Any]:
        self.asked.append(("pause", plugin_id, who, why))
        return {"ok": True}

    async def resume(self, plugin_id: str | None, *, who: str, why: str) -> dict[str, Any]:
        self.asked.append(("resume", plugin_id, who, why))
        return {"ok": True}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "optifire.sock"


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
async def server(path: Path, service: FakeService) -> AsyncIterator[ControlServer]:
    made = ControlServer(path, handlers_for(service, lambda value: value))
    await made.start()
    yield made
    await made.close()


async def asked(
    path: Path, command: str, *, wait: float | None = 10.0, **fields: object
) -> Mapping[str, Any]:
    found: Mapping[str, Any] = await asyncio.to_thread(
        partial(ask, path, command, wait=wait, **fields)
    )
    return found


def exists(path: Path) -> bool:
    return path.exists()


async def raw(path: Path, line: bytes) -> Mapping[str, Any]:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(line)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    found: Mapping[str, Any] = json.loads(answer)
    return found


# --- what is wrong ------------------------------------------------------------------------------


def test_without_a_service_the_error_says_so_and_how_to_start_one(path: Path) -> None:
    with pytest.raises(NoServiceError, match="no service is running") as caught:
        ask(path, "status")
    assert "optifire up" in caught.value.remedy
    assert not is_listening(path)


def test_a_stale_socket_file_is_no_service(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert path.exists()
    with pytest.raises(NoServiceError):
        ask(path, "status")


async def test_a_stale_socket_file_is_replaced_at_start(path: Path, service: FakeService) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    server = ControlServer(path, handlers_for(service, lambda value: value))
    await server.start()
    assert await asked(path, "status") == {"state": "running"}
    await server.close()


@pytest.mark.usefixtures("server")
async def test_a_second_service_is_refused_and_the_first_goes_on(path: Path) -> None:
    second = ControlServer(path, {})
    with pytest.raises(LockedError, match="another service is running") as caught:
        await second.start()
    assert str(path) in caught.value.where
    await second.close()
    assert await asked(path, "status") == {"state": "running"}


async def test_a_missing_folder_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be made") as caught:
        await ControlServer(tmp_path / "none" / "optifire.sock", {}).start()
    assert "data folder" in caught.value.remedy


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("line", [b"hello\n", b"[]\n", b"\xff\n", b'"status"\n', b"{\n"])
async def test_a_line_that_is_no_request_is_answered_with_what_one_is(
    path: Path, line: bytes
) -> None:
    answer = await raw(path, line)
    assert answer["error"]["type"] == "UsageError"
    assert '{"command": "status"}' in answer["error"]["remedy"]


@pytest.mark.usefixtures("server")
async def test_a_line_that_is_too_long_is_refused(path: Path) -> None:
    answer = await raw(path, b'{"command": "' + b"x" * (1 << 17) + b'"}\n')
    assert answer["error"]["type"] == "UsageError"


@pytest.mark.usefixtures("server")
async def test_an_unknown_command_names_the_known_ones(path: Path) -> None:
    with pytest.raises(UsageError, match="no command 'halt'") as caught:
        await asked(path, "halt")
    named = "backup, cancel, health, metrics, pause, reload, resume, run, status, stop"
    assert named in caught.value.remedy


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("command", "fields"),
    [
        ("run", {}),
        ("run", {"plugin_id": ""}),
        ("run", {"plugin_id": 5}),
        ("run", {"plugin_id": "a", "why": ["x"]}),
        ("run", {"plugin_id": "a", "force": "yes"}),
        ("cancel", {}),
        ("backup", {"to": 5}),
    ],
)
async def test_a_field_of_the_wrong_type_is_named(
    path: Path, service: FakeService, command: str, fields: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match=r"(plugin_id|why|run_id|to) is text|force is true"):
        await asked(path, command, **fields)
    assert service.asked == []


@pytest.mark.usefixtures("server")
async def test_an_error_of_the_service_arrives_with_its_class_and_words(path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        await asked(path, "run", plugin_id="nobody")
    assert (caught.value.message, caught.value.where, caught.value.remedy) == (
        "no plugin 'nobody'",
        "nobody",
        "See the list",
    )


async def test_an_error_class_that_only_the_service_has_becomes_the_root(path: Path) -> None:
    class OwnError(OptifireError):
        pass

    async def fail(_: Mapping[str, Any]) -> object:
        raise OwnError("only there", where="here", remedy="do that")

    server = ControlServer(path, {"status": fail})
    await server.start()
    with pytest.raises(OptifireError, match="only there") as caught:
        await asked(path, "status")
    assert type(caught.value) is OptifireError
    await server.close()


@pytest.mark.usefixtures("server")
async def test_a_bug_in_a_command_is_reported_to_the_loop_and_the_server_goes_on(
    path: Path,
) -> None:
    reported: list[BaseException | None] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reported.append(context.get("exception")))
    with pytest.raises(TransientError, match="without an answer"):
        await asked(path, "run", plugin_id="bug")
    assert await asked(path, "status") == {"state": "running"}
    assert [type(each) for each in reported] == [ZeroDivisionError]


def test_a_service_that_does_not_answer_in_time_is_named(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(path))
        mute.listen()
        with pytest.raises(TransientError, match=r"has not answered within 0\.05 s"):
            ask(path, "status", wait=0.05)


# --- what works ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("server")
def test_the_socket_file_belongs_to_its_user_alone(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.usefixtures("server")
async def test_run_passes_reason_and_force_on_and_gives_a_record(
    path: Path, service: FakeService
) -> None:
    record = await asked(path, "run", plugin_id="fe_garch", why="test", force=True)
    assert service.asked == [("run", "fe_garch", "test", True)]
    assert record["run_id"] == "fe_garch@20181123T180000Z"
    assert record["status"] == "succeeded"
    assert record["due"] == "2018-11-23T18:00:00Z"


@pytest.mark.usefixtures("server")
async def test_pause_and_resume_say_for_whom_by_whom_and_why(
    path: Path, service: FakeService
) -> None:
    await asked(path, "pause", plugin_id="fe_garch", who="eva", why="odd data")
    await asked(path, "resume", all=True)
    assert service.asked == [
        ("pause", "fe_garch", "eva", "odd data"),
        ("resume", None, "a program", ""),
    ]


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("fields", [{}, {"plugin_id": "a", "all": True}, {"all": "yes"}])
async def test_a_pause_of_nobody_or_of_one_and_all_is_refused(
    path: Path, service: FakeService, fields: dict[str, Any]
) -> None:
    with pytest.raises(UsageError):
        await asked(path, "pause", **fields)
    assert service.asked == []


@pytest.mark.usefixtures("server")
async def test_cancel_reload_and_stop_reach_the_service(path: Path, service: FakeService) -> None:
    assert await asked(path, "cancel", run_id="known", why="late") == {
        "ok": True,
        "changed": ["known"],
    }
    assert await asked(path, "cancel", run_id="unknown") == {"ok": False, "changed": []}
    assert await asked(path, "reload") == {"ok": True, "changed": [], "errors": []}
    assert await asked(path, "backup") == await asked(path, "backup", to="/mnt") == {"ok": True}
    assert (await asked(path, "stop"))["ok"] is True
    assert service.asked == [
        ("cancel", "known", "late"), ("cancel", "unknown", ""), ("backup", ""), ("backup", "/mnt"),
        ("stop",),
    ]  # fmt: skip


@pytest.mark.usefixtures("server")
async def test_a_long_run_does_not_keep_others_waiting(path: Path, service: FakeService) -> None:
    slow = asyncio.create_task(asked(path, "run", plugin_id="slow", wait=None))
    await service.begun.wait()
    assert await asked(path, "status") == {"state": "running"}
    service.release.set()
    assert (await slow)["status"] == "succeeded"


async def test_an_answer_under_way_is_sent_before_the_server_closes(
    path: Path, service: FakeService
) -> None:
    server = ControlServer(path, handlers_for(service, lambda value: value))
    await server.start()
    slow = asyncio.create_task(asked(path, "run", plugin_id="slow", wait=None))
    await service.begun.wait()
    service.release.set()
    await server.close()
    assert (await slow)["status"] == "succeeded"
    assert not exists(path)


async def test_a_client_that_went_away_harms_nobody(path: Path, service: FakeService) -> None:
    server = ControlServer(path, handlers_for(service, lambda value: value))
    await server.start()
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(path))
    client.sendall(b'{"command": "run", "plugin_id": "slow"}\n')
    await service.begun.wait()
    client.close()
    service.release.set()
    assert await asked(path, "status") == {"state": "running"}
    await server.close()


async def test_closing_leaves_the_socket_file_of_a_successor(
    path: Path, service: FakeService
) -> None:
    first = ControlServer(path, handlers_for(service, lambda value: value))
    await first.start()
    path.unlink()  # noqa: ASYNC240 - a local file
    second = ControlServer(path, handlers_for(service, lambda value: value))
    await second.start()
    await first.close()
    assert await asked(path, "status") == {"state": "running"}
    await second.close()


async def test_a_home_with_a_very_long_path_has_a_socket_too(
    tmp_path: Path, service: FakeService
) -> None:
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    server = ControlServer(folder / "optifire.sock", handlers_for(service, lambda value: value))
    await server.start()
    assert await asked(folder / "optifire.sock", "status") == {"state": "running"}
    assert len(os.fsencode(folder / "optifire.sock")) > 108
    await server.close()
    assert not exists(folder / "optifire.sock")
