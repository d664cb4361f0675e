"""What a zygote is exec'ed with: joins data, calendars and workers into what a run is given.

``python -m optifire.child CONTROL PARENT SETTINGS``: the number of the control socket, the
service's process, and the settings as JSON. A zygote with modules in them is the data one.
"""

from __future__ import annotations

import importlib
import os
import socket
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

import optifire.plugins  # noqa: F401 - what every plugin imports, shared by all children
from optifire.core.errors import OptifireError
from optifire.workers.context import Surroundings
from optifire.workers.messages import ChildSettings
from optifire.workers.zygote import Zygote, die_with_parent, threads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from optifire.core.ports import Frame
    from optifire.data.source import BarSource


#: Where a home keeps what runs read through the feed.
RECORDED = ("data/bars", "data/macro", "data/calendars", "configs/closures.yaml")


class LazyBars:
    """Recorded data, opened when it is first asked for: a light child pays for it only then."""

    def __init__(self, settings: ChildSettings) -> None:
        self._settings = settings
        self._source: BarSource | None = None

    @property
    def source(self) -> BarSource:
        """Give the reader of recorded data."""
        if self._source is None:
            from optifire.calendars.registry import load_calendar
            from optifire.data.shift import shift_after
            from optifire.data.source import BarSource

            settings = self._settings
            if settings.shift_after is not None:
                shift_after(settings.shift_after)
            home = Path(settings.home)
            self._source = BarSource(
                home,
                load_calendar("XNYS", home),
                settings.aliases,
                watch=not settings.replay,
            )
        return self._source

    def bars(
        self,
        symbol: str,
        *,
        asof: datetime,
        limit: int | None = None,
        freq: str = "1d",
        stale_ok: bool = False,
        adjusted: bool = True,
    ) -> Frame:
        """Give the latest bars known at an instant."""
        return self.source.bars(
            symbol, asof=asof, limit=limit, freq=freq, stale_ok=stale_ok, adjusted=adjusted
        )

    def series(
        self,
        key: str,
        *,
        asof: datetime,
        limit: int | None = None,
        freq: str | None = None,
        stale_ok: bool = False,
    ) -> Frame:
        """Give the latest values of one series known at an instant."""
        return self.source.series(key, asof=asof, limit=limit, freq=freq, stale_ok=stale_ok)

    def closes(
        self,
        symbols: Sequence[str],
        *,
        asof: datetime,
        limit: int | None = None,
        freq: str | None = None,
        stale_ok: bool = False,
    ) -> Frame:
        """Give the values of several series known at an instant, side by side."""
        return self.source.closes(symbols, asof=asof, limit=limit, freq=freq, stale_ok=stale_ok)


def surroundings(settings: ChildSettings, bars: LazyBars) -> Surroundings:
    """Give what every run in this process is offered."""
    return Surroundings(
        bars=bars,
        feed=_feed,
        values={"market_data": _market_data(settings.symbol)},
        trigger=_trigger,
        roots=(f"{settings.home}/data", f"{settings.home}/configs/closures.yaml"),
        home=settings.home,
        recorded=tuple(f"{settings.home}/{each}" for each in RECORDED),
    )


def _feed() -> object:
    from optifire.data.feeds import DataFeed

    return DataFeed()


def _market_data(symbol: str) -> Callable[[], Frame]:
    """Give the function behind ``context.data["market_data"]``: the default symbol's bars."""

    def fetch() -> Frame:
        from optifire.data.feeds import DataFeed

        asking = DataFeed().get_bars(symbol)
        try:
            asking.send(None)  # recorded data is there without waiting
        except StopIteration as answer:
            return answer.value
        asking.close()
        raise RuntimeError("the feed of recorded data waited for something")

    return fetch


def _trigger(trigger: object, where: str) -> Mapping[str, Any]:
    from optifire.runtime.aps_trigger import describe

    return describe(trigger, where)


def _preload(arguments: Sequence[str], settings: ChildSettings) -> None:
    """Import what children are to share.

    A module that cannot be imported is left to the plugin that wants it, whose run then says so. A
    process with two threads must not fork, so one that starts a thread is left out, by starting
    again without it.
    """
    for name in settings.modules:
        try:
            importlib.import_module(name)
        except Exception:  # noqa: BLE001 - whatever a package raises is its user's matter
            traceback.print_exc()
        if threads() > 1:
            rest = tuple(module for module in settings.modules if module != name)
            text = msgspec.json.encode(replace(settings, modules=rest)).decode()
            command = [sys.executable, "-P", "-m", "optifire.child", *arguments[:2], text]
            os.execv(sys.executable, command)  # noqa: S606 - ourselves again


def _warm(bars: LazyBars, keys: Sequence[str] | None) -> None:
    """Load series that children are to share; one that cannot be read fails who asks for it."""
    from optifire.data.providers.builtin import catalog

    for key in catalog() if keys is None else keys:
        try:
            bars.source.warm([key])
        except OptifireError as error:
            sys.stderr.write(f"{key} is not shared: {error}\n")


def main(arguments: Sequence[str]) -> None:
    """Import what was asked for, then fork children until the service hangs up."""
    control, parent, text = int(arguments[0]), int(arguments[1]), arguments[2]
    die_with_parent(parent)
    settings = msgspec.json.decode(text, type=ChildSettings)
    bars = LazyBars(settings)
    around = surroundings(settings, bars)
    _preload(arguments, settings)
    if "numpy" in sys.modules:
        importlib.import_module("optifire.workers.unframed")  # else each reader of a frame does
    if settings.modules:
        _warm(bars, settings.warm)
    Zygote(socket.socket(fileno=control), around).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
