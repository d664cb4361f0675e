"""A home to write files in."""

import ast
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from optifire.core.calendar import AlwaysOpen, Calendar, RegularHours, SessionTable
from optifire.core.errors import ConfigError, PluginFault
from optifire.core.ports import Description
from optifire.host.build import Ground, build_catalog
from optifire.host.catalog import Catalog
from optifire.host.config_file import read_settings
from optifire.host.descriptions import Descriptions
from optifire.host.discovery import Scanner
from optifire.host.features import load_features
from optifire.host.home import Home
from optifire.host.kept_code import KeptCode

DAYS = [day for n in range(60) if (day := dt.date(2018, 1, 2) + timedelta(days=n)).weekday() < 5]
#: Weekdays of two months in winter, 14:30 to 21:00 UTC.
TABLE = SessionTable(
    name="XNYS",
    tz="America/New_York",
    first=DAYS[0],
    horizon=DAYS[-1],
    regular=RegularHours(timedelta(hours=9, minutes=30), timedelta(hours=16)),
    dates=DAYS,
    opens=[datetime(day.year, day.month, day.day, 14, 30, tzinfo=UTC) for day in DAYS],
    closes=[datetime(day.year, day.month, day.day, 21, tzinfo=UTC) for day in DAYS],
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with an empty configs folder."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "data").mkdir()
    return Home(tmp_path)


@pytest.fixture
def write(home: Home) -> Callable[[str, str], Path]:
    """Write a file below the home."""

    def to(name: str, text: str) -> Path:
        file = home.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    return to


class FakeDescriber:
    """Says what a plugin's ``impl.py`` holds as a literal: ``{"metadata": .., "plan": ..}``."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.accepted: list[tuple[str, dict[str, Any]]] = []

    async def warm(self, modules: Sequence[str]) -> None:
        """Hold nothing back: there is nothing to import."""

    async def accept(self, folder: str, config: Mapping[str, Any]) -> None:
        """Refuse what has the key ``refused``."""
        self.accepted.append((Path(folder).name, dict(config)))
        if "refused" in config:
            raise PluginFault("refuses its configuration", where=f"{folder}/impl.py:7")

    async def describe(self, folder: str) -> Description:
        """Read the literal; a file that does not parse is a fault with its line."""
        self.asked.append(Path(folder).name)
        impl = Path(folder) / "impl.py"
        try:
            said = ast.literal_eval(impl.read_text() or "{}")
        except SyntaxError as error:
            raise PluginFault("cannot be imported", where=f"{impl}:{error.lineno}") from error
        metadata = {"plugin_id": Path(folder).name, "version": "1.0", **said.get("metadata", {})}
        return Description(
            plugin_id=metadata["plugin_id"],
            class_name="Some",
            metadata=metadata,
            plan=said.get("plan", {"schedule": "@manual"}),
            hooks=said.get("hooks", ()),
            config_schema=said.get("config_schema"),
            validates_config=said.get("validates_config", False),
        )


class World:
    """A home with plugins whose catalog can be built again and again."""

    def __init__(self, home: Home, builtin: Path) -> None:
        self.home = home
        self.describer = FakeDescriber()
        self.environ: dict[str, str] = {}
        self.scanner = Scanner(builtin)
        self.ground = Ground(
            descriptions=Descriptions(self.describer, home.cache / "descriptions.msgpack"),
            calendars=self._calendar,
            kept_code=KeptCode(home.cache / "code"),
            home=home,
        )
        self.builtin = builtin

    def again(self) -> "World":
        """Give the same files as a new process finds them."""
        return World(self.home, self.builtin)

    async def _calendar(self, name: str, where: str) -> Calendar:
        if name == "24/7":
            return AlwaysOpen()
        if name != "XNYS":
            raise ConfigError(f"no calendar {name!r}", where=where)
        return TABLE

    def plugin(self, plugin_id: str, root: str = "", /, **said: object) -> Path:
        """Write a plugin folder that describes itself as said."""
        folder = (self.home.root / root if root else self.builtin) / plugin_id
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "impl.py").write_text(repr(said))
        return folder

    def features(self, text: str) -> Path:
        """Write features.yaml."""
        file = self.home.configs / "features.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    async def catalog(self, last: Catalog | None = None) -> Catalog:
        """Build the catalog of the files as they are."""
        features = load_features(self.home, self.environ)
        settings, _ = read_settings(self.home.config_file("config"))
        return await build_catalog(
            ground=self.ground,
            features=features,
            settings=settings,
            discovery=self.scanner.scan(self.home, features.plugin_paths, features.sources),
            variables=self.environ,
            last=last,
        )


@pytest.fixture
def world(home: Home) -> World:
    """A home, and a built-in folder of its own."""
    builtin = home.root / "builtin"
    builtin.mkdir()
    return World(home, builtin)
