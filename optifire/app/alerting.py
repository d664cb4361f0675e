"""The alerts of a running service: hears what is committed, looks at health, and tells people."""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol
from zoneinfo import ZoneInfo

from optifire.app.alarms import Alarms, RedChecks
from optifire.app.alert_memory import Keeping, Memory
from optifire.app.speaking import secrets_of
from optifire.core.calendar import Calendar, CalendarRangeError
from optifire.core.errors import ConfigError
from optifire.core.quiet_hours import QuietHours, always_in_session, parse_span
from optifire.core.types import PluginId
from optifire.ops.alert_desk import Desk, Rules
from optifire.ops.delivery import NOTHING, Delivery, Pause, Send
from optifire.ops.masking import Masker
from optifire.ops.messages import Message, Writer
from optifire.ops.sending import lacking, send
from optifire.runtime.clock import real_pause, wall_now

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import date, datetime

    from optifire.app.joining import Catalogs, Configuration
    from optifire.app.vitals import Health
    from optifire.core.alerts import Alert
    from optifire.core.ledger import Batch
    from optifire.host.catalog import Catalog

log = logging.getLogger("optifire.alerts")

#: Seconds between two looks at windows and quiet hours, and so many of these between two at health.
LOOK: Final = 1.0
HEALTH_EVERY: Final = 2


class Around(Protocol):
    """What alerts ask of the service around them: as it is whenever they ask."""

    recorded: bool
    configuration: Configuration
    catalog: Catalog
    catalogs: Catalogs

    def health(self) -> Health:
        """Give what is not well."""


class Alerting:
    """Tells people what they should know, through the targets that config.yaml names.

    Parameters
    ----------
    service
        Whose alerts these are.
    write
        Writes a batch to its ledger, once.
    deliver
        Sends one message to an address.
    pause
        Waits between two looks.
    """

    def __init__(
        self,
        service: Around,
        write: Callable[[Batch], Awaitable[object]],
        deliver: Send = send,
        pause: Pause = real_pause,
    ) -> None:
        self._service = service
        self._keeping = Keeping(write)
        self._deliver = deliver
        self._pause = pause
        self._alarms = Alarms(self._category_of)
        self._checks = RedChecks()
        self._known: tuple[Configuration, Calendar] | None = None
        self._addresses: Mapping[str, str] = {}
        self._deliveries: dict[str, Delivery] = {}
        self._desk = self._follow()

    def remember(self, unclean: Sequence[datetime], kept: str) -> None:
        """Take in what the ledger knows of earlier starts.

        ``kept`` is what they had still to tell, "" for nothing.
        """
        self._alarms = Alarms(self._category_of, unclean)
        memory = self._keeping.recall(kept) if kept else Memory()
        self._desk = self._follow()
        self._desk.repeats.causes.update(memory.causes)
        self._desk.waiting.extend(memory.held)
        self._desk.dropped += memory.dropped
        for name in self._deliveries.keys() & memory.unsent.keys():
            self._deliveries[name].take_up(memory.unsent[name])
        self._checks.recall(name for name, cause in memory.causes.items() if cause.trouble)

    def listen(self, batch: Batch) -> None:
        """Take in a committed batch."""
        if self.is_on():
            now = wall_now()
            for alert in self._alarms.of_batch(batch, now):
                self._take(alert, now)

    def is_on(self) -> bool:
        """Tell whether anybody is told: there are targets, and the demo tells only if asked to."""
        wanted = self._service.configuration.settings.alerts
        return bool(wanted.targets) and (wanted.demo or not self._service.recorded)

    async def run(self) -> None:
        """Look and send until this is cancelled."""
        looks, sending = 0, dict[Delivery, asyncio.Task[None]]()
        async with asyncio.TaskGroup() as tasks:
            try:
                while True:
                    self._desk = self._follow()
                    wanted = set(self._deliveries.values())
                    for each in sending.keys() - wanted:
                        sending.pop(each).cancel()
                    for each in wanted - sending.keys():
                        sending[each] = tasks.create_task(each.run())
                    if self.is_on():
                        self._look(at_health=looks % HEALTH_EVERY == 0)
                    await self._keeping.keep(self._memory())
                    looks += 1
                    await self._pause(LOOK)
            finally:
                for task in sending.values():
                    task.cancel()
                memory = self._memory()
                memory.say_what_is_left()
                await self._keeping.keep(memory)

    def _look(self, *, at_health: bool) -> None:
        now = wall_now()
        if at_health:
            for alert in self._checks.see(self._service.health().red(), now):
                self._take(alert, now)
        self._give(self._desk.tick(now))

    def _take(self, alert: Alert, now: datetime) -> None:
        self._desk = self._follow()
        mask = self._desk.rules.writer.mask
        masked = replace(alert, what=mask(alert.what), why=mask(alert.why))
        log.info("alert: %s: %s", masked.what, masked.why)
        self._give(self._desk.take(masked, now))

    def _give(self, messages: Sequence[Message]) -> None:
        for message in messages:
            for delivery in self._deliveries.values():
                delivery.put(message)

    def sentences(self) -> list[str]:
        """Give what keeps alerts from arriving, for health."""
        if not self.is_on():
            return []
        found = [
            f"{name}: {reason}"
            for name, address in self._addresses.items()
            if (reason := lacking(address))
        ]
        for delivery in self._deliveries.values():
            trouble = delivery.trouble
            if trouble is not None and not lacking(self._addresses.get(delivery.name, "")):
                tries = f"{trouble.tries} {'try' if trouble.tries == 1 else 'tries'}"
                found.append(f"no alert reaches {delivery.name} ({tries}): {trouble.reason}")
        return found

    async def test(self) -> dict[str, Any]:
        """Send one message to every target now, whatever the hour, and say what came of it."""
        self._desk = self._follow()
        return await try_all(self._addresses, self._desk.rules.writer, self._deliver)

    def _follow(self) -> Desk:
        """Give the desk for the settings as they are now; what waits and is counted stays."""
        configuration = self._service.configuration
        market = self._service.catalogs.calendars.in_use
        if (configuration, market) == self._known:
            return self._desk
        window = configuration.settings.alerts.window
        rules = rules_of(configuration, market)
        if self._known is None:
            desk = Desk.with_window(rules, window)
        else:
            desk = self._desk
            desk.change(rules, window)
        self._addresses = addresses_of(configuration)
        kept = self._deliveries
        self._deliveries = {
            name: kept.get(name) or self._delivery(name) for name in self._addresses
        }
        self._known = configuration, market
        return desk

    def _delivery(self, name: str) -> Delivery:
        return Delivery(name, lambda: self._addresses.get(name, ""), self._deliver, real_pause)

    def _category_of(self, plugin_id: str) -> str:
        """Give the category of a plugin, "" where it is not on."""
        job = self._service.catalog.jobs.get(PluginId(plugin_id))
        return "" if job is None else job.category

    def _memory(self) -> Memory:
        """Give what a restart must not forget."""
        desk, deliveries = self._desk, self._deliveries
        backlogs = {name: each.backlog() for name, each in deliveries.items()}
        unsent = {name: each for name, each in backlogs.items() if each != NOTHING}
        return Memory(desk.repeats.causes, list(desk.waiting), desk.dropped, unsent)


def addresses_of(configuration: Configuration) -> dict[str, str]:
    """Give the address of each target by the name of its variable; "" where it is not set."""
    variables = configuration.variables
    return {each: variables.get(each, "").strip() for each in configuration.settings.alerts.targets}


def rules_of(configuration: Configuration, market: Calendar) -> Rules:
    """Give who is told what, and when."""
    settings = configuration.settings
    wanted = settings.alerts
    zone = ZoneInfo(wanted.tz or settings.market.tz or market.tz)
    span = None if wanted.quiet_hours is None else parse_span(wanted.quiet_hours)
    in_session = sessions_of(market) if wanted.quiet_closed else always_in_session
    source = f"{configuration.features.environment.value} on {socket.gethostname()}"
    writer = Writer(source, zone, Masker(secrets_of(configuration)))
    return Rules(frozenset(wanted.topics), QuietHours(zone, span, in_session), writer)


def sessions_of(market: Calendar) -> Callable[[date], bool]:
    """Give what tells whether a day has a session; a day that the table does not know has one."""

    def in_session(day: date) -> bool:
        if market.always_open:
            return True
        try:
            return market.session_on(day) is not None
        except CalendarRangeError:
            return True

    return in_session


async def try_all(addresses: Mapping[str, str], writer: Writer, deliver: Send) -> dict[str, Any]:
    """Send a message to every target and give for each whether it was taken, and why not.

    Raises
    ------
    ConfigError
        There is no target.
    """
    if not addresses:
        raise ConfigError(
            "nobody is told: there is no target",
            where="alerts.targets of config.yaml",
            remedy="Put an address of apprise into configs/secrets.env, as in "
            "OPS=json://example.com/hook, and write targets: [${OPS}]",
        )
    message = writer.plain("a test", "If you can read this, alerts reach you here.")
    reasons = await asyncio.gather(*(deliver(each, message) for each in addresses.values()))
    tried = [
        {"target": name, "ok": not reason, "reason": reason or None}
        for name, reason in zip(addresses, reasons, strict=True)
    ]
    reached = [name for name, reason in zip(addresses, reasons, strict=True) if not reason]
    return {"ok": len(reached) == len(tried), "changed": reached, "targets": tried}
