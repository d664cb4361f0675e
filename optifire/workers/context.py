"""The context of one run, built the same way for every worker; effects are kept, not done."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optifire.core.errors import ContractError
from optifire.core.logger import plugin_logger
from optifire.core.ports import BarReader, RunRequest, View
from optifire.sdk.context import BusEvent, PluginContext
from optifire.sdk.http import Fetch, HttpClient
from optifire.sdk.scope import Scope
from optifire.workers.effects import Bus, Decode, Kept, Tables, Values
from optifire.workers.messages import Order, Sandbox
from optifire.workers.seeding import seed_of
from optifire.workers.session import session_view
from optifire.workers.wire import decode_value, encode_value

if TYPE_CHECKING:
    import logging
    from datetime import datetime

    from optifire.core.job import Job

#: Gives class and fields of an APScheduler trigger; the text says where it stands.
Trigger = Callable[[object, str], Mapping[str, Any]]


def no_trigger(trigger: object, where: str) -> Mapping[str, Any]:
    """Refuse a trigger where nobody can take it apart."""
    raise ContractError(
        f"a trigger of class {type(trigger).__name__} cannot be described here", where=where
    )


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a worker process offers to every run in it.

    Attributes
    ----------
    bars
        The point-in-time reader of recorded data.
    feed
        Makes ``context.feed``, when it is first asked for.
    values
        Names that the host provides lazily, such as ``market_data``: fetched as of the run's
        instant when first asked for.
    decode
        Turns stored bytes into values.
    trigger
        Gives class and fields of an APScheduler trigger in a plan.
    roots
        Files and folders that a replayed run may read besides libraries and its own.
    home
        The home of the service, which no folder of packages may hold that a sandbox lays open.
    recorded
        Files and folders that a sandboxed run may read besides libraries and its own.
    """

    bars: BarReader | None = None
    feed: Callable[[], Any] | None = None
    values: Mapping[str, Callable[[], Any]] = field(default_factory=dict)
    decode: Decode = decode_value
    trigger: Trigger = no_trigger
    roots: tuple[str, ...] = ()
    home: str = ""
    recorded: tuple[str, ...] = ()


class RunContext(PluginContext):
    """A context whose folders, feed and random numbers are made when they are first asked for."""

    _order: Order
    _around: Surroundings
    _commit: Callable[[], Awaitable[None]] | None
    _fetch: Fetch
    _scope: Scope

    def __init__(self, order: Order, around: Surroundings, fields: dict[str, Any]) -> None:
        # Not the dataclass's own: it would set all fields, the lazy ones too, at twice the time.
        self.__dict__ = fields
        self._order = order
        self._around = around

    async def commit(self) -> None:
        """Have what a stream wrote and published so far recorded as one transaction, now."""
        if self._commit is None:
            await super().commit()
        else:
            await self._commit()

    @cached_property
    def data_dir(self) -> Path:  # type: ignore[override]
        """The plugin's own folder, which stays."""
        return _made(data_folder(self._order.home, self._order.plugin_id))

    @cached_property
    def temp_dir(self) -> Path:  # type: ignore[override]
        """A folder of this attempt, which goes with it."""
        return _made(temp_folder(self._order.home, self._order.run_id, self._order.attempt))

    @cached_property
    def feed(self) -> Any:  # noqa: ANN401 - this room knows no DataFeed
        """The data feed as of `now`."""
        return None if self._around.feed is None else self._around.feed()

    @cached_property
    def http(self) -> HttpClient:
        """What fetches from granted hosts."""
        return HttpClient(self._fetch, self._scope)

    @cached_property
    def logger(self) -> logging.Logger:  # type: ignore[override]
        """The plugin's own logger."""
        return plugin_logger(self._order.plugin_id)

    @cached_property
    def rng(self) -> random.Random:  # type: ignore[override]
        """Random numbers that are the same for every attempt of the same occurrence."""
        return random.Random(seed_of(self._order.run_id))  # noqa: S311 - repeatable on purpose


def encode_config(job: Job) -> bytes:
    """Give a job's configuration as it travels; raises `ContractError` where it is not plain."""
    return encode_value(job.config, f"config of {job.plugin_id}")


def sandbox_for(job: Job) -> Sandbox | None:
    """Give what the sandbox of a job's runs lets through, None for a job without one."""
    if not job.sandbox:
        return None
    grants = job.grants
    return Sandbox(grants.read, grants.write, grants.ports, grants.subprocess)


def order_of(request: RunRequest, files: Path | str, config: bytes | None = None) -> Order:
    """Give the request as it travels; ``files`` is where plugins have their own folders.

    ``config`` is the job's, encoded, where that is known already.
    """
    job = request.job
    if config is None:
        config = encode_config(job)
    return Order(
        run_id=request.run_id,
        plugin_id=job.plugin_id,
        due=request.key.due,
        started=request.started,
        attempt=request.attempt,
        folder=job.code.folder,
        class_name=job.code.class_name,
        checksum=job.code.checksum,
        config=config,
        given=request.given,
        events=request.events,
        session=session_view(job.schedule.calendar, request.key.due),
        replay=request.replay,
        home=str(files),
        stream=request.commit is not None,
        sandbox=sandbox_for(job),
    )


def hook_order(job: Job, files: Path | str, now: datetime) -> Order:
    """Give what a hook is told: an order without a run."""
    return Order(
        run_id="",
        plugin_id=job.plugin_id,
        due=now,
        started=now,
        attempt=0,
        folder=job.code.folder,
        class_name=job.code.class_name,
        checksum=job.code.checksum,
        config=encode_config(job),
        given={},
        events=(),
        session=session_view(job.schedule.calendar, now),
        replay=False,
        home=str(files),
        sandbox=sandbox_for(job),
    )


def scope_of(order: Order, around: Surroundings, now: datetime | None = None) -> Scope:
    """Give the scope in which helpers without arguments find instant and data.

    The instant is the order's, unless another one is given.
    """
    return Scope(
        now=now or order.due,
        run_id=order.run_id,
        plugin_id=order.plugin_id,
        bars=around.bars,
        replay=order.replay,
    )


def context_of(
    order: Order,
    view: View,
    kept: Kept,
    scope: Scope,
    around: Surroundings,
    fetch: Fetch,
    commit: Callable[[], Awaitable[None]] | None = None,
) -> PluginContext:
    """Build the context of one attempt.

    ``fetch`` makes the calls of ``context.http``; ``commit`` records what a stream has made so far.
    """
    fields: dict[str, Any] = {
        "config": around.decode(order.config),
        "db": Tables(view, kept, around.decode, order.plugin_id),
        "bus": Bus(kept, order.plugin_id),
        "data": Values(order.given, view, kept, scope, around),
        "plugin_id": order.plugin_id,
        "run_id": order.run_id,
        "key": order.run_id,
        "now": order.due,
        "started": order.started,
        "session": order.session,
        "events": [BusEvent(e.name, around.decode(e.data), e.source) for e in order.events],
        "secrets": {},
        "_commit": commit,
        "_fetch": fetch,
        "_scope": scope,
    }
    return RunContext(order, around, fields)


def data_folder(files: str | Path, plugin_id: str) -> str:
    """Name the folder that stays with a plugin."""
    return f"{files}/plugins/{plugin_id}"


def temp_folder(files: str | Path, run_id: str, attempt: int) -> str:
    """Name the folder that goes with an attempt."""
    return f"{temp_place(files, run_id.partition('@')[0])}/{run_id}.{attempt}"


def temp_place(files: str | Path, plugin_id: str) -> str:
    """Name the folder that holds those of a plugin's attempts."""
    return f"{files}/tmp/{plugin_id}"  # noqa: S108 - a folder of the home


def _made(folder: str) -> Path:
    made = Path(folder)
    made.mkdir(parents=True, exist_ok=True)
    return made
