"""The zygotes of a service: which are there, started when needed and again when they have died."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from optifire.core.errors import TransientError
from optifire.workers import messages as say
from optifire.workers.keeping import Keeper
from optifire.workers.link import Link
from optifire.workers.orphans import adopt_orphans
from optifire.workers.remains import note_zygotes

#: What every data zygote imports, whatever the plugins ask for.
BASE_MODULES: Final = ("numpy", "pandas")
#: The kinds of zygotes.
LIGHT: Final = "light"
DATA: Final = "data"


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What isolated and pooled workers are made with.

    Attributes
    ----------
    home
        Whose ``data/`` holds the user's series.
    files
        Where plugins have their own folders; not used in a replay.
    warm
        The series that a data zygote loads beforehand; None: all built-in ones.
    aliases, symbol
        Symbols that stand for others, and the one behind ``market_data``.
    replay
        True: recorded data is not looked at again once it is loaded, and plugins' own folders
        are fresh ones that go with the worker.
    shift_after
        Microseconds after which all recorded data is changed (a look-ahead check); None: nowhere.
    noted
        The file in which zygotes are noted, for the next service; None: in none.
    spares
        Children that each zygote holds forked ahead of the runs that will take them.
    """

    home: Path
    files: Path
    warm: tuple[str, ...] | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    symbol: str = "SPY"
    replay: bool = False
    shift_after: int | None = None
    noted: Path | None = None
    spares: int = 0

    def child(self, modules: Sequence[str]) -> say.ChildSettings:
        """Give what a zygote with these modules is told."""
        return say.ChildSettings(
            home=str(self.home),
            modules=tuple(modules),
            warm=self.warm,
            aliases=dict(self.aliases),
            symbol=self.symbol,
            replay=self.replay,
            shift_after=self.shift_after,
        )


class Zygotes:
    """The two zygotes of a service, started when needed, and again when they have died."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._links: list[Link] = []
        self._kept: dict[str, Keeper] = {}
        self._scratch: Path | None = None
        self._word: int | None = None

    @property
    def files(self) -> Path:
        """Give the folder under which plugins have their own; a replay's goes with its worker.

        A replay must neither find what live runs have left there nor leave anything to them.
        """
        if not self._settings.replay:
            return self._settings.files
        if self._scratch is None:
            self._scratch = Path(tempfile.mkdtemp(prefix="optifire-replay-"))
        return self._scratch

    async def light(self) -> Link:
        """Give the zygote that has imported nothing but this package."""
        return await self.kind(LIGHT).get()

    async def data(self, modules: tuple[str, ...]) -> Link:
        """Give a zygote that has imported these modules.

        When they are more than it has, a new one is started first; the old one ends with its last
        child.
        """
        return await self.kind(DATA).get(modules)

    async def for_modules(self, modules: tuple[str, ...]) -> Link:
        """Give the zygote for a job whose files import these modules at the top."""
        return await (self.data(modules) if modules else self.light())

    def any(self) -> Link | None:
        """Give the data zygote if there is one, else the light one."""
        for name in (DATA, LIGHT):
            keeper = self._kept.get(name)
            if keeper is not None and keeper.link is not None and keeper.link.alive:
                return keeper.link
        return None

    def watch(self, word: int | None) -> None:
        """Have the service's loop watched by the light zygote, now and after it has died.

        ``word`` is the descriptor of the shared word, which stays open; None: watch no longer.
        """
        if word != self._word:
            self._word = word
            light = self._kept.get(LIGHT)
            if light is not None and light.link is not None:
                light.link.watch(word)

    def pids(self) -> list[int]:
        """Give the process ids of those that live."""
        return [link.pid for link in self._links if not link.gone]

    def spares(self) -> list[int]:
        """Give the process ids of the children that wait for a run."""
        return [pid for link in self._links for pid in link.spares.pids()]

    def troubles(self) -> tuple[list[str], list[str]]:
        """Say what is wrong: with a kind of which there is none, and with one that goes on."""
        red = [each.trouble for each in self._kept.values() if each.trouble and not each.alive]
        amber = [each.trouble for each in self._kept.values() if each.trouble and each.alive]
        return red, amber

    async def close(self) -> None:
        """End all of them."""
        for keeper in self._kept.values():
            await keeper.close()
        self._kept.clear()
        links, self._links = self._links, []
        for link in links:
            await link.close()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None

    def kind(self, name: str) -> Keeper:
        """Give what keeps the zygote of a kind, `LIGHT` or `DATA`."""
        keeper = self._kept.get(name)
        if keeper is None:
            base = BASE_MODULES if name == DATA else ()
            keeper = self._kept[name] = Keeper(name, base, self._start, self._settings.spares)
        return keeper

    async def _start(self, modules: tuple[str, ...]) -> Link:
        gone = [link for link in self._links if link.gone]
        self._links = [link for link in self._links if not link.gone]
        for old in gone:
            await old.close()
        self.files.mkdir(parents=True, exist_ok=True)
        adopt_orphans()  # what a zygote leaves when it is killed comes to this process
        link = Link(self._settings.child(modules), self.files)
        try:
            await link.start()
        except OSError as error:
            raise TransientError(
                f"no zygote could be started: {error}",
                where="optifire.child",
                remedy="Look at memory, processes and open files of this machine",
            ) from error
        self._links.append(link)
        if self._settings.noted is not None:
            note_zygotes(self._settings.noted, self.pids())
        if not modules and self._word is not None:
            link.watch(self._word)
        return link
