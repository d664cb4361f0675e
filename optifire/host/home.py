"""The home of a service: where its configuration and its data are, and how a new one is made."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from optifire.core.errors import ConfigError
from optifire.core.types import Environment

#: Formats of configuration files, by the ending of their name.
SUFFIXES = (".yaml", ".yml", ".toml", ".json")
#: What `init` writes, and the template of each.
TEMPLATES: Mapping[str, str] = {
    "configs/features.yaml": "features.yaml",
    "configs/config.yaml": "config.yaml",
    "configs/secrets.env.template": "secrets.env.template",
    "data/README.md": "data-README.md",
}


@dataclass(frozen=True, slots=True)
class Home:
    """A folder with ``configs`` and ``data``; gives the path of everything in it."""

    root: Path

    @property
    def configs(self) -> Path:
        """The folder of what a person writes."""
        return self.root / "configs"

    @property
    def data(self) -> Path:
        """The folder of what the service writes."""
        return self.root / "data"

    def database(self, environment: str) -> Path:
        """Give the ledger of an environment."""
        return self.data / f"{environment}.db"

    @property
    def socket(self) -> Path:
        """Where a running service listens."""
        return self.data / "optifire.sock"

    @property
    def tokens(self) -> Path:
        """The tokens of the HTTP API, as hashes."""
        return self.data / "tokens.json"

    @property
    def first_token(self) -> Path:
        """Where the first token is written, for whoever may read the home."""
        return self.data / "first-token"

    @property
    def blobs(self) -> Path:
        """The folder of large values, by their SHA-256."""
        return self.data / "blobs"

    @property
    def cache(self) -> Path:
        """The folder of what can be made again."""
        return self.data / "cache"

    @property
    def secrets(self) -> Path:
        """The optional file of variables that no other file should hold."""
        return self.configs / "secrets.env"

    @property
    def closures(self) -> Path:
        """The days that somebody declared closed."""
        return self.configs / "closures.yaml"

    def config_file(self, stem: str) -> Path | None:
        """Give the configuration file of that name, whatever its format; None if there is none.

        Raises
        ------
        ConfigError
            There are several, and nobody can say which is meant.
        """
        found = [self.configs / f"{stem}{suffix}" for suffix in SUFFIXES]
        found = [file for file in found if file.exists() or file.is_symlink()]
        if len(found) > 1:
            names = " and ".join(file.name for file in found)
            raise ConfigError(
                f"there are {names}, and both say the same thing",
                where=str(self.configs),
                remedy="Keep one of them",
            )
        return found[0] if found else None

    @property
    def ledgers(self) -> list[Path]:
        """The ledgers there are, the one written last first."""
        found = [self.database(environment) for environment in Environment]
        there = [file for file in found if file.is_file()]
        return sorted(there, key=lambda file: file.stat().st_mtime, reverse=True)

    @property
    def is_one(self) -> bool:
        """Whether this is a home: one that has run is, also when its features.yaml is gone."""
        if self.config_file("features") is not None:
            return True
        return self.configs.is_dir() and bool(self.ledgers)

    def resolve(self, folder: str) -> Path:
        """Give a folder of ``plugin_paths``: ``~`` is the user's, others are relative to here."""
        return Path(os.path.normpath(self.root / Path(folder).expanduser()))


def find_home(asked: str | None, environ: Mapping[str, str], current: Path) -> Home:
    """Give the home that a command means.

    That is ``--home``, else OPTIFIRE_HOME, else the current folder or the nearest above it that
    has ``configs/features.*``, or had it when a service ran there.

    Raises
    ------
    ConfigError
        There is none, or the one that was named has no configuration.
    """
    named = asked or environ.get("OPTIFIRE_HOME")
    if named:
        home = Home(Path(named).expanduser().resolve())
        if not home.is_one:
            raise ConfigError(
                "there is no configs/features.yaml",
                where=str(home.root),
                remedy=f"Run `optifire init {named}`",
            )
        return home
    for folder in (current.resolve(), *current.resolve().parents):
        if Home(folder).is_one:
            return Home(folder)
    raise ConfigError(
        "there is no configs/features.yaml here or above",
        where=str(current),
        remedy="Run `optifire init DIR`, then name it with --home DIR or OPTIFIRE_HOME",
    )


def template(name: str) -> str:
    """Give the text of a file that ships in ``templates``."""
    return files("optifire.host").joinpath("templates", name).read_text(encoding="utf-8")


def init_home(folder: Path) -> tuple[Path, ...]:
    """Write the files of a new home and give their paths.

    Raises
    ------
    ConfigError
        One of them is already there (nothing is written then), or the folder cannot be written.
    """
    targets = {folder / target: template(name) for target, name in TEMPLATES.items()}
    there = [file for file in targets if file.exists()]
    there += [file for file in [Home(folder).config_file("features")] if file and not there]
    if there:
        raise ConfigError(
            f"{there[0].relative_to(folder)} is already there",
            where=str(folder),
            remedy="Choose another folder; init never overwrites",
        )
    return write_new(targets, folder)


def write_new(texts: Mapping[Path, str], folder: Path) -> tuple[Path, ...]:
    """Write files that are not there yet, with their folders; gives them.

    Raises `ConfigError` naming the file that cannot be written, or is there already.
    """
    try:
        for file, text in texts.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8") as stream:
                stream.write(text)
    except OSError as error:
        raise ConfigError(
            f"cannot be written: {error.strerror}",
            where=str(error.filename or folder),
            remedy="Choose a folder that you may write",
        ) from error
    return tuple(texts)
