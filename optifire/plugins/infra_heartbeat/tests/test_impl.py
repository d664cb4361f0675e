"""Runs of `infra_heartbeat` against a machine clock that the test moves."""

import datetime as dt
import logging
from pathlib import Path

import pytest

from optifire.plugins import PluginContext, PluginResult
from optifire.plugins.conftest import Host
from optifire.plugins.infra_heartbeat.impl import InfraHeartbeat

START = dt.datetime(2026, 3, 2, 15, 0, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


class Machine:
    """A machine whose uptime and boot are files of the test."""

    def __init__(self, folder: Path, host: Host) -> None:
        self._host, self._uptime, self._boot = host, folder / "uptime", folder / "boot_id"
        self.uptime = 5000.0
        self.now = START
        self.boot("11111111-aaaa")

    def boot(self, boot_id: str) -> None:
        self._boot.write_text(f"{boot_id}\n", encoding="ascii")

    async def beat(self, after: float = 60.0, *, shown: dt.timedelta = MINUTE) -> PluginResult:
        """Let real seconds pass, and a shown amount of wall time, then run."""
        self.uptime += after
        self.now += shown
        self._uptime.write_text(f"{self.uptime:.2f} 123.45\n", encoding="ascii")
        plugin = InfraHeartbeat()
        plugin.uptime_file, plugin.boot_file = self._uptime, self._boot
        return await self._host.run(plugin, self.now)


@pytest.fixture
def machine(tmp_path: Path, host: Host) -> Machine:
    return Machine(tmp_path, host)


async def test_regular_beats_are_not_suspicious(machine: Machine, host: Host) -> None:
    results = [await machine.beat(60.0 + (n % 3) / 10) for n in range(12)]
    assert results[0].data["heartbeat_interval"] is None
    assert results[-1].data["beats"] == 12
    assert results[-1].data["heartbeat_interval"] == pytest.approx(60.2)
    assert results[-1].data["heartbeat_phi"] < 1.0
    assert host.bus.events == []


async def test_a_late_beat_is_published_and_warned_of(
    machine: Machine, host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(10):
        await machine.beat()
    with caplog.at_level(logging.WARNING, "optifire.plugin"):
        result = await machine.beat(180.0)
    assert result.data["heartbeat_late"] is True
    assert host.bus.events == [("heartbeat_late", result.data, "infra_heartbeat")]
    assert "silence of 180.0 s" in caplog.text


@pytest.mark.parametrize("jump", [dt.timedelta(hours=2), dt.timedelta(hours=-2)])
async def test_a_jump_of_the_wall_clock_is_no_silence(machine: Machine, jump: dt.timedelta) -> None:
    for _ in range(10):
        await machine.beat()
    result = await machine.beat(shown=jump)
    assert result.data["heartbeat_interval"] == pytest.approx(60.0)
    assert result.data["heartbeat_late"] is False


async def test_another_boot_begins_anew(machine: Machine) -> None:
    for _ in range(10):
        await machine.beat()
    machine.boot("22222222-bbbb")
    machine.uptime = 12.0
    result = await machine.beat()
    assert (result.data["beats"], result.data["heartbeat_interval"]) == (1, None)


async def test_the_real_machine_has_a_clock_that_goes_forward(host: Host) -> None:
    first = await host.run(InfraHeartbeat(), START)
    second = await host.run(InfraHeartbeat(), START + MINUTE)
    assert first.success
    assert second.data["beats"] == 2
    assert second.data["heartbeat_interval"] >= 0.0


async def test_without_tables_there_is_nothing_to_compare_with() -> None:
    result = await InfraHeartbeat().run(PluginContext(now=START))
    assert result.skip_reason == "no tables to find the beats before in"
