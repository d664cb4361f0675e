"""From a home to a catalog: configuration, calendars, plugins, and the worker that asks them."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from optifire.calendars.closures import parse_closures
from optifire.calendars.names import ALWAYS_OPEN, resolve
from optifire.calendars.refresh import refresh
from optifire.calendars.registry import NoTableError, load_calendar, table_header, table_path
from optifire.core.errors import OptifireError, StateError
from optifire.core.settings import Settings
from optifire.core.types import Environment
from optifire.host.build import Ground, build_catalog
from optifire.host.config_file import read_settings
from optifire.host.descriptions import Descriptions
from optifire.host.discovery import Scanner
from optifire.host.documents import read_document
from optifire.host.features import Features, load_features
from optifire.host.kept_code import KeptCode
from optifire.host.variables import read_variables
from optifire.runtime.aps_trigger import rebuild
from optifire.runtime.clock import wall_now

if TYPE_CHECKING:
    from datetime import date, datetime, timedelta

    from optifire.core.calendar import Calendar
    from optifire.core.ports import Describer
    from optifire.host.catalog import Catalog
    from optifire.host.home import Home

log = logging.getLogger("optifire.service")


@dataclass(frozen=True, slots=True)
class Configuration:
    """One accepted state of all configuration files of a home.

    ``texts`` holds the files as they were read, by name; ``version`` is their hash. ``secrets``
    names the variables that stand in ``secrets.env``.
    """

    features: Features
    settings: Settings
    variables: Mapping[str, str]
    texts: Mapping[str, str]
    secrets: frozenset[str] = frozenset()

    @property
    def of_features(self) -> Mapping[str, str]:
        """The texts of the feature files alone."""
        own = {Path(document.name).name for document in self.features.files}
        return {name: text for name, text in self.texts.items() if name in own}

    @property
    def version(self) -> str:
        """The hash of what the files say, environment variables left out."""
        total = hashlib.sha256()
        for name in sorted(self.texts):
            total.update(f"{name}\0{self.texts[name]}\0".encode())
        return total.hexdigest()[:16]


def read_configuration(home: Home, *, command: Mapping[str, object] | None = None) -> Configuration:
    """Read and check every configuration file of a home; `command` overrides the feature files.

    Raises
    ------
    ConfigError
        With file, line and key of what is wrong.
    """
    variables = read_variables(home.secrets, os.environ)
    features = load_features(home, os.environ, command)
    settings, config = read_settings(home.config_file("config"))
    documents = [*features.files, *(each for each in (config,) if each is not None)]
    if home.closures.exists():
        closures = read_document(home.closures)
        parse_closures(closures.text, home.closures)  # else each plugin of that calendar would go
        documents.append(closures)
    texts = {Path(document.name).name: document.text for document in documents}
    secrets = frozenset(read_variables(home.secrets, {}))
    return Configuration(features, settings, variables, texts, secrets)


class Calendars:
    """The calendars of one home; a table that is missing is built.

    Each is read again only when its table or the closures by hand have changed, so that a job
    stays the same job through every other change.
    """

    def __init__(self, home: Home) -> None:
        #: Why the market's calendar is still the one before, None where it is not.
        self.trouble: OptifireError | None = None
        self._home = home
        self._market: Calendar | None = None
        self._known: dict[str, Calendar] = {}
        self._stamps: dict[str, tuple[object, ...]] = {}
        self._looked_at: set[str] = set()

    def look_again(self) -> None:
        """Ask the files again at the next question: a new catalog is about to be built."""
        self._looked_at.clear()

    async def get(self, name: str, where: str = "") -> Calendar:
        """Give a calendar by name; raises `ConfigError` naming the place that asks for it."""
        code = resolve(name, where)
        if code in self._looked_at:
            return self._known[code]
        stamp = self._stamp(code)
        if self._stamps.get(code) != stamp:
            try:
                self._known[code] = load_calendar(code, self._home.root, where=where)
            except NoTableError:
                await self.refresh(code, wall_now().date())
                stamp = self._stamp(code)
                self._known[code] = load_calendar(code, self._home.root, where=where)
            self._stamps[code] = stamp
        self._looked_at.add(code)
        return self._known[code]

    async def market(self, settings: Settings) -> Calendar:
        """Give the calendar that holds where a job names none; raises `ConfigError`."""
        self._market = await self.get(settings.market.calendar, "market.calendar of config.yaml")
        self.trouble = None
        return self._market

    async def follow(self, settings: Settings) -> None:
        """Go over to the market's calendar of other settings; one that is not to be had is said."""
        try:
            await self.market(settings)
        except OptifireError as error:
            log.warning("the market's calendar stays as it was: %s", error)
            self.trouble = error

    @property
    def in_use(self) -> Calendar:
        """The market's calendar as it was had last, whatever its files and settings are now."""
        if self._market is None:
            raise StateError("nobody has asked for the market's calendar yet")
        return self._market

    async def refresh(self, code: str, today: date) -> None:
        """Build the table of an exchange anew in a child process."""
        await refresh(self._home.root, code, today)

    def is_old(self, code: str, now: datetime, age: timedelta) -> bool:
        """Tell whether the table in use was built longer ago than that."""
        header = table_header(code, self._home.root)
        return header is not None and now.date() - header.built > age

    def _stamp(self, code: str) -> tuple[object, ...]:
        """Tell one state of the files behind a calendar from another."""
        table = None if code == ALWAYS_OPEN else table_path(code, self._home.root)
        files = [file for file in (table, self._home.closures) if file is not None]
        return tuple(
            (file, file.stat().st_mtime_ns, file.stat().st_size) for file in files if file.exists()
        )

    @property
    def loaded(self) -> Mapping[str, Calendar]:
        """The calendars in use, by code."""
        return self._known


class Catalogs:
    """Builds the catalog of a home, again and again as its files change.

    Parameters
    ----------
    home
        Whose configuration and plugins are read.
    describer
        Asks plugins what they are, away from this process.
    missing
        The layers of the sandbox that this machine lacks; None: nobody lays one.
    """

    def __init__(
        self, home: Home, describer: Describer, missing: tuple[str, ...] | None = None
    ) -> None:
        self.home = home
        self.calendars = Calendars(home)
        self._scanner = Scanner(file=home.cache / "plugins.msgpack")
        descriptions = Descriptions(describer, home.cache / "descriptions.msgpack")
        kept = KeptCode(home.cache / "code")
        self._ground = Ground(descriptions, self.calendars.get, rebuild, kept, home, missing)

    async def build(self, configuration: Configuration, last: Catalog | None = None) -> Catalog:
        """Give the catalog of one configuration; a plugin at fault is listed with its reason."""
        features = configuration.features
        self.calendars.look_again()
        discovery = self._scanner.scan(self.home, features.plugin_paths, features.sources)
        return await build_catalog(
            ground=self._ground,
            features=features,
            settings=configuration.settings,
            discovery=discovery,
            variables=configuration.variables,
            config_hash=configuration.version,
            last=last,
        )


def is_recorded(environment: Environment) -> bool:
    """Tell whether an environment plays recorded data instead of the wall clock."""
    return environment is Environment.DEMO
