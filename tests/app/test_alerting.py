"""The alerts of a service: from a committed batch to a target, as the settings say."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest

from optifire.app.alert_memory import ALERTS
from optifire.app.alerting import Alerting, sessions_of
from optifire.app.joining import Calendars, Configuration, read_configuration
from optifire.app.vitals import Health
from optifire.core.calendar import AlwaysOpen
from optifire.core.errors import ConfigError
from optifire.core.ledger import Batch, NoteRow, new_run
from optifire.core.run import RunKey, RunStatus
from optifire.core.types import PluginId
from optifire.host.home import Home, init_home
from optifire.ops.health import Level
from optifire.runtime.clock import real_pause, wall_now

if TYPE_CHECKING:
    from pathlib import Path

    from optifire.ops.messages import Message

DUE = datetime(2018, 11, 23, 14, 30, tzinfo=UTC)
SECRET = "t0ken0fTheTarget"  # noqa: S105 - opens nothing


@dataclass
class Surroundings:
    """A service as alerts see it, on a real home."""

    home: Home
    configuration: Configuration
    catalogs: Any
    recorded: bool = False
    well: bool = True
    catalog: Any = field(default_factory=lambda: cast("Any", NoJobs()))

    def health(self) -> Health:
        health = Health()
        health.add("ledger", Level.RED, [] if self.well else ["full"])
        return health

    def configure(self, secrets: str = f"OPS=json://{SECRET}", **alerts: object) -> None:
        self.home.secrets.write_text(f"{secrets}\n", encoding="utf-8")
        self.home.secrets.chmod(0o600)
        text = f"alerts: {json.dumps(alerts)}\n"
        (self.home.root / "configs" / "config.yaml").write_text(text, encoding="utf-8")
        self.configuration = read_configuration(self.home)


class NoJobs:
    """A catalog where nothing is on."""

    jobs: dict[str, Any] = {}  # noqa: RUF012 - never written


@dataclass
class Joined:
    """What a calendar is asked of."""

    calendars: Calendars


class Sent:
    """A way to send that remembers instead."""

    def __init__(self, reason: str = "") -> None:
        self.reason = reason
        self.given: list[tuple[str, Message]] = []
        self.came = asyncio.Event()

    async def __call__(self, address: str, message: Message) -> str:
        self.given.append((address, message))
        self.came.set()
        return self.reason


class Ledger:
    """What the ledger keeps of alerts."""

    kept = ""

    async def __call__(self, batch: Batch) -> None:
        self.kept = batch.meta[ALERTS]


@pytest.fixture
async def around(tmp_path: Path) -> Surroundings:
    """Give a fresh home with one target."""
    init_home(tmp_path / "home")
    home = Home(tmp_path / "home")
    made = Surroundings(home, read_configuration(home), Joined(Calendars(home)))
    await made.catalogs.calendars.market(made.configuration.settings)
    made.configure(targets=["${OPS}"])
    return made


def missed(plugin_id: str = "a") -> Batch:
    return Batch(runs=[new_run(RunKey(PluginId(plugin_id), DUE), RunStatus.MISSED, "@open")])


async def first_sent(alerting: Alerting, sent: Sent) -> Message:
    """Let it run until something is sent."""
    task = asyncio.create_task(alerting.run())
    try:
        async with asyncio.timeout(10):
            await sent.came.wait()
    finally:
        task.cancel()
        await asyncio.wait([task])
    return sent.given[0][1]


async def test_what_is_committed_before_it_runs_is_told_when_it_does(around: Surroundings) -> None:
    sent = Sent()
    alerting = Alerting(around, Ledger(), sent)
    alerting.listen(missed())
    message = await first_sent(alerting, sent)
    assert message.title.endswith("a was missed")
    assert sent.given[0][0] == f"json://{SECRET}"


async def test_recorded_data_tells_nobody_unless_it_is_asked_to(around: Surroundings) -> None:
    around.recorded = True
    sent = Sent()
    alerting = Alerting(around, Ledger(), sent)
    assert not alerting.is_on()
    alerting.listen(missed("unheard"))
    around.configure(targets=["${OPS}"], demo=True)
    assert alerting.is_on()
    alerting.listen(missed("heard"))
    assert (await first_sent(alerting, sent)).title.endswith("heard was missed")


async def test_a_target_without_its_variable_is_named_by_health(around: Surroundings) -> None:
    around.configure("OTHER=1", targets=["${OPS}"])
    alerting = Alerting(around, Ledger(), Sent())
    assert len(alerting.sentences()) == 1
    assert alerting.sentences()[0].startswith("OPS: its variable is not set")
    around.configure(targets=["${OPS}"])
    alerting.listen(missed())
    assert alerting.sentences() == []


async def test_a_target_that_refuses_is_named_by_health_without_its_address(
    around: Surroundings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sent = Sent("it answered with HTTP 403")
    alerting = Alerting(around, Ledger(), sent)
    alerting.listen(missed())
    await first_sent(alerting, sent)
    assert alerting.sentences() == ["no alert reaches OPS (1 try): it answered with HTTP 403"]
    assert "not sent to OPS before the end: 1 alerts" in caplog.text
    assert SECRET not in caplog.text


async def test_what_waits_goes_on_under_new_settings(around: Surroundings) -> None:
    sent = Sent()
    alerting = Alerting(around, Ledger(), sent)
    alerting.listen(missed())
    around.configure(f"OPS=json://new-{SECRET}", targets=["${OPS}"], topics=["health"])
    await first_sent(alerting, sent)
    assert [address for address, _ in sent.given] == [f"json://new-{SECRET}"]
    alerting.listen(missed("b"))
    assert len(sent.given) == 1


async def test_a_target_that_is_no_longer_named_is_told_nothing_more(around: Surroundings) -> None:
    around.configure(f"OPS=json://{SECRET}\nNEW=json://new", targets=["${OPS}"])
    sent = Sent()
    alerting = Alerting(around, Ledger(), sent)
    around.configure(f"OPS=json://{SECRET}\nNEW=json://new", targets=["${NEW}"])
    alerting.listen(missed())
    await first_sent(alerting, sent)
    assert [address for address, _ in sent.given] == ["json://new"]


async def test_every_target_is_tried_and_says_what_came_of_it(around: Surroundings) -> None:
    sent = Sent("it answered with HTTP 403")
    alerting = Alerting(around, Ledger(), sent)
    refused = {"target": "OPS", "ok": False, "reason": "it answered with HTTP 403"}
    assert await alerting.test() == {"ok": False, "changed": [], "targets": [refused]}
    around.configure()
    with pytest.raises(ConfigError, match="nobody is told"):
        await alerting.test()


async def test_a_secret_in_what_happened_is_not_sent(around: Surroundings) -> None:
    sent = Sent()
    alerting = Alerting(around, Ledger(), sent)
    batch = missed()
    batch.runs[0].trigger = f"@open+5m json://{SECRET}"
    alerting.listen(batch)
    message = await first_sent(alerting, sent)
    assert "@open+5m ***" in message.body
    assert SECRET not in f"{message}"


async def test_a_day_that_the_market_does_not_know_is_no_quiet_one(around: Surroundings) -> None:
    market = await around.catalogs.calendars.get("XNYS")
    in_session = sessions_of(market)
    assert in_session(date(2018, 11, 23))
    assert not in_session(date(2018, 11, 22))
    assert not in_session(date(2018, 11, 24))
    assert in_session(date(2999, 1, 1))
    assert sessions_of(AlwaysOpen())(date(2018, 11, 24))


# --- restarts -----------------------------------------------------------------------------------


def hours_from_now(first: int, last: int) -> str:
    """Give quiet hours of UTC, by hours from now."""
    now = wall_now()
    return "-".join(f"{now + timedelta(hours=each):%H:%M}" for each in (first, last))


def started(around: Surroundings, ledger: Ledger, sent: Sent) -> Alerting:
    """Give the alerts of a next start."""
    alerting = Alerting(around, ledger, sent, quick)
    alerting.remember((), ledger.kept)
    return alerting


async def until_kept(alerting: Alerting, ledger: Ledger, what: str) -> str:
    """Let it run until the ledger keeps something; gives what it kept before any clean end."""
    task = asyncio.create_task(alerting.run())
    try:
        async with asyncio.timeout(10):
            while what not in ledger.kept:
                await real_pause(0.01)
        return ledger.kept
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_what_quiet_hours_hold_is_sent_once_by_whichever_start_they_end_in(
    around: Surroundings,
) -> None:
    sent, ledger = Sent(), Ledger()
    around.configure(targets=["${OPS}"], tz="UTC", quiet_hours=hours_from_now(-2, 2))
    first = Alerting(around, ledger, sent)
    first.listen(missed("a"))
    first.listen(missed("b"))
    killed = await until_kept(first, ledger, "b was missed")
    second = started(around, ledger, sent)
    await until_kept(second, ledger, "b was missed")
    assert sent.given == []
    around.configure(targets=["${OPS}"], tz="UTC", quiet_hours=hours_from_now(2, 4))
    ledger.kept = killed
    third = started(around, ledger, sent)
    message = await first_sent(third, sent)
    assert message.title.endswith("2 alerts from quiet hours")
    assert "a was missed" in message.body
    fourth = started(around, ledger, sent)
    fourth.listen(missed("c"))
    sent.came.clear()
    await first_sent(fourth, sent)
    assert [each.title[-12:] for _, each in sent.given[1:]] == ["c was missed"]


async def test_what_a_target_did_not_take_is_sent_by_the_next_start(around: Surroundings) -> None:
    sent, ledger = Sent("it answered with HTTP 503"), Ledger()
    before = Alerting(around, ledger, sent)
    before.listen(missed())
    await first_sent(before, sent)
    taking = Sent()
    assert (await first_sent(started(around, ledger, taking), taking)).title.endswith(
        "a was missed"
    )
    silent = Sent()
    await until_kept(started(around, ledger, silent), ledger, "")
    assert silent.given == []


async def test_a_window_and_an_all_clear_reach_over_a_restart(around: Surroundings) -> None:
    sent, ledger = Sent(), Ledger()
    before = Alerting(around, ledger, sent)
    before.listen(quarantine("quarantined"))
    await first_sent(before, sent)
    after = started(around, ledger, sent)
    after.listen(quarantine("quarantined"))
    after.listen(quarantine("released"))
    sent.came.clear()
    await first_sent(after, sent)
    said = [each.title.partition(": ")[2] for _, each in sent.given]
    assert said == ["a is quarantined", "a is no longer quarantined"]


def quarantine(kind: str) -> Batch:
    return Batch(notes=[NoteRow(DUE, kind, "a", "5 runs in a row went wrong")])


async def test_red_health_that_ended_over_a_restart_has_its_all_clear(around: Surroundings) -> None:
    sent, ledger = Sent(), Ledger()
    around.well = False
    await first_sent(Alerting(around, ledger, sent, quick), sent)
    around.well = True
    sent.came.clear()
    await first_sent(started(around, ledger, sent), sent)
    said = [each.title.partition(": ")[2] for _, each in sent.given]
    assert said == ["health is red: ledger", "all clear: ledger is no longer red"]


async def quick(_: float) -> None:
    """Look again at once, as nobody waits for a minute."""
    await real_pause(0.001)


async def test_what_is_kept_holds_no_secret(around: Surroundings) -> None:
    ledger = Ledger()
    around.configure(targets=["${OPS}"], tz="UTC", quiet_hours=hours_from_now(-2, 2))
    alerting = Alerting(around, ledger, Sent())
    batch = missed()
    batch.runs[0].trigger = f"@open+5m json://{SECRET}"
    alerting.listen(batch)
    assert "@open+5m ***" in await until_kept(alerting, ledger, "a was missed")
    assert SECRET not in ledger.kept
