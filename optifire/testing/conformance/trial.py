"""One plugin on trial: how it loads, and what its runs leave, each tried once."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from optifire.core.errors import OptifireError
from optifire.core.ports import BarReader, Frame
from optifire.host.discovery import Candidate
from optifire.host.findings import Finding, Level
from optifire.testing.asked import ONLY, Asked, Instant, PluginLike, is_folder
from optifire.testing.feeds import NoBars
from optifire.testing.host import PluginHost
from optifire.testing.subjects import Subject, loaded_of, subject_of

if TYPE_CHECKING:
    from optifire.host.catalog import Catalog
    from optifire.testing.testrun import TestRun
    from optifire.workers.loading import Loaded


class NotTriedError(Exception):
    """A rule cannot be tried on this plugin, or not here; the message says why."""


@dataclass
class Trial:
    """One plugin and the world it is tried in; see `PluginContract` for the parts."""

    plugin: PluginLike
    at: Instant
    config: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    bars: Mapping[str, Frame] | BarReader | None = None
    patience: float = 10.0

    def __post_init__(self) -> None:
        self._usual: TestRun | None = None
        self._catalog: Catalog | None = None

    @cached_property
    def loaded(self) -> Loaded | OptifireError:
        """The plugin's class, or why there is none."""
        try:
            return loaded_of(self.plugin)
        except OptifireError as error:
            return error

    @cached_property
    def subject(self) -> Subject | OptifireError:
        """The plugin as the host takes it up, or why it cannot."""
        try:
            return subject_of(self.plugin)
        except OptifireError as error:
            return error

    @property
    def folder(self) -> Path | None:
        """The plugin's own folder, None for a class that stands elsewhere."""
        if is_folder(self.plugin):
            return Path(str(self.plugin)).resolve()
        place = None if isinstance(self.loaded, OptifireError) else Path(self.loaded.folder)
        return place if place is not None and place.is_dir() else None

    @property
    def where(self) -> str:
        """The file that findings are about."""
        if self.folder is not None:
            return str(self.folder / "impl.py")
        return repr(self.plugin) if isinstance(self.loaded, OptifireError) else self.loaded.folder

    def asked(self, **instead: Any) -> Asked:  # noqa: ANN401 - fields of `Asked`
        """Give the world of a run, with some of its parts replaced."""
        parts: dict[str, Any] = {
            "config": {ONLY: self.config},
            "data": self.data,
            "bars": self.bars,
            "features": {ONLY: {"timeout": self.patience, "retries": 0}},
            "strict": False,
        }
        return Asked(**(parts | instead))

    async def run(self, **instead: Any) -> TestRun:  # noqa: ANN401 - fields of `Asked`
        """Make a run in a host of its own.

        Raises
        ------
        NotTriedError
            The plugin cannot be loaded; other rules say why.
        """
        try:
            async with PluginHost(self._made(), start=self.at, asked=self.asked(**instead)) as host:
                self._catalog = host.catalog
                return await host.run()
        except OptifireError as error:
            raise NotTriedError(f"it cannot be run here: {error.message}") from error

    async def usual(self) -> TestRun:
        """Give the usual run, made once."""
        if self._usual is None:
            self._usual = await self.run()
        return self._usual

    async def without_data(self) -> TestRun:
        """Give a run whose feed has nothing."""
        return await self.run(bars=NoBars())

    async def catalog(self) -> Catalog:
        """Give the catalog with this plugin alone; raises the error that stands in its way."""
        if self._catalog is None:
            async with PluginHost(self._made(), start=self.at, asked=self.asked()) as host:
                self._catalog = host.catalog
        return self._catalog

    @property
    def candidate(self) -> Candidate:
        """The plugin's folder as discovery finds it."""
        if isinstance(self.subject, Subject):
            return self.subject.candidate
        folder = self.folder or Path(self.where)
        return Candidate(folder.name, folder, str(folder.parent))

    def finding(self, rule: str, message: str, remedy: str = "") -> Finding:
        """Make the finding that a rule is broken."""
        return Finding(rule, Level.ERROR, self.where, message, remedy)

    def _made(self) -> PluginLike:
        """Give the plugin, loaded once: what it keeps in its modules outlives its runs."""
        if isinstance(self.subject, OptifireError):
            raise self.subject
        return cast("PluginLike", self.subject)


# --- what describe() and plan() do besides ----------------------------------------------------

_SEEN: ContextVar[list[str] | None] = ContextVar("optifire_testing_seen", default=None)
_DEEDS = frozenset(
    {
        "socket.connect", "socket.getaddrinfo", "socket.bind", "subprocess.Popen", "os.system",
        "sqlite3.connect", "os.mkdir", "os.remove", "os.rename", "shutil.rmtree", "os.listdir",
    }
)  # fmt: skip
#: What importing a module opens.
_CODE = (".py", ".pyc", ".so")


class _Watch:
    """The audit hook of this process; once installed it stays, and mostly sleeps."""

    installed = False

    @staticmethod
    def hook(event: str, args: tuple[Any, ...]) -> None:
        """Note what is done while somebody watches."""
        seen = _SEEN.get()
        if seen is None:
            return
        if event == "open" and isinstance(args[0], str | bytes):
            name = str(args[0])
            if not name.rstrip("'").endswith(_CODE):
                seen.append(f"opens {name}")
        elif event in _DEEDS:
            seen.append(f"{event} {args[0] if args else ''}".strip())


@contextmanager
def watched() -> Iterator[list[str]]:
    """Note the files, sockets and processes that the ``with`` block opens."""
    if not _Watch.installed:
        sys.addaudithook(_Watch.hook)
        _Watch.installed = True
    seen: list[str] = []
    token = _SEEN.set(seen)
    try:
        yield seen
    finally:
        _SEEN.reset(token)
