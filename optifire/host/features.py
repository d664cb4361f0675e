"""``configs/features.yaml``: what the operator decided; read, checked, and merged by layers.

Layers, last wins: the plugin's plan, its own default file, ``defaults``, then ``plugins.<id>`` of
features.yaml and of features.<environment>.yaml, ``OPTIFIRE_<ID>__<KEY>`` variables, the command
line.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from optifire.core.errors import ConfigError
from optifire.core.setting import Setting
from optifire.core.settings import (
    DEFAULTS_FIELDS,
    ENVIRONMENTS,
    FEATURES_FIELDS,
    PLUGIN_FIELDS,
)
from optifire.core.types import Environment, fold_id
from optifire.host.checks import Checker, WrongValueError, check_value
from optifire.host.documents import Document, KeyPath, parse_value, read_document
from optifire.host.findings import Finding, InvalidConfigError, Level
from optifire.host.home import Home
from optifire.host.layers import Leaves, Path, Sourced, overlay

SETTINGS: Mapping[str, Setting] = {setting.key: setting for setting in PLUGIN_FIELDS}
TOP: Mapping[str, Setting] = {setting.key: setting for setting in FEATURES_FIELDS}
#: Keys whose mappings merge; every other value replaces as a whole.
MERGED = frozenset({"budget", "config"})
PREFIX = "OPTIFIRE_"
COMMAND_LINE = "command line"


@dataclass(frozen=True, slots=True)
class Entry:
    """What all layers together say of one plugin."""

    plugin_id: str
    leaves: Mapping[Path, Sourced]

    def get(self, key: str) -> Any:  # noqa: ANN401 - of the setting's kind
        """Give a checked value (see `check_value`), None where no layer says anything.

        Raises
        ------
        ConfigError
            Naming the layer that says it, and what to write.
        """
        setting = SETTINGS[key]
        found = self.leaves.get(setting.path)
        if found is None:
            return None
        try:
            return check_value(setting, found.value)
        except WrongValueError as error:
            raise ConfigError(str(error), where=found.source, remedy=error.remedy) from error

    def source(self, key: str) -> str:
        """Give the place that says a value, empty where no layer does."""
        found = self.leaves.get(SETTINGS[key].path)
        return found.source if found else ""

    @property
    def enabled(self) -> bool:
        """Whether the plugin is on; one that no layer names is off."""
        return self.get("enabled") is True

    @property
    def config(self) -> dict[str, Sourced]:
        """The plugin's own settings by dotted key, variables not filled in yet."""
        return {
            ".".join(path[1:]): found
            for path, found in self.leaves.items()
            if path[0] == "config" and len(path) > 1
        }


@dataclass(frozen=True, slots=True)
class Features:
    """One accepted state of the feature files; immutable.

    ``files`` lie below the variables of ``environ``, and these below ``command``.
    """

    environment: Environment
    environment_source: str
    plugin_paths: tuple[str, ...]
    auto_load: bool
    files: tuple[Document, ...]
    command: Document = field(default_factory=lambda: Document(COMMAND_LINE))
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def named(self) -> dict[str, str]:
        """The plugins that any file or the command line names: folded id -> id as written."""
        return {
            fold_id(name): name
            for document in (*self.files, self.command)
            for name in _section(document, "plugins")
        }

    @property
    def sources(self) -> dict[str, str]:
        """Which origin to take a plugin from, by folded id, where anybody says so."""
        said: dict[str, str | None] = {}
        for folded, name in self.named.items():
            with suppress(ConfigError):  # told when the entry itself is read
                said[folded] = self.entry(name).get("source")
        return {folded: source for folded, source in said.items() if source is not None}

    def where(self, plugin_id: str) -> str:
        """Give the line of a plugin's entry, in the last file that has one."""
        for document in reversed((*self.files, self.command)):
            for name in _section(document, "plugins"):
                if fold_id(name) == fold_id(plugin_id):
                    return document.where(("plugins", name))
        return f"plugins.{plugin_id}"

    def entry(self, plugin_id: str, below: Sequence[Document] = ()) -> Entry:
        """Merge all layers for one plugin; ``below`` are its plan and its default file.

        Raises
        ------
        ConfigError
            A variable of the environment does not fit.
        """
        leaves: Leaves = {}
        for document in below:
            _lay(leaves, document, document.data, ())
        _lay_defaults(leaves, self.files)
        _lay_entries(leaves, self.files, plugin_id)
        for document in variables_of(plugin_id, self.environ):
            _lay(leaves, document, document.data, ())
        _lay_entries(leaves, [self.command], plugin_id)
        return Entry(plugin_id, leaves)

    def unused_variables(self, known: Iterable[str]) -> Iterator[Finding]:
        """Warn of ``OPTIFIRE_<ID>__<KEY>`` variables whose id no plugin has."""
        prefixes = tuple(f"{PREFIX}{fold_id(each).upper()}__" for each in known)
        for name in sorted(self.environ):
            if name.startswith(PREFIX) and "__" in name and not name.startswith(prefixes):
                message = "no plugin has this id, so the variable changes nothing"
                yield Finding("config", Level.WARNING, name, message, "Remove or correct it")


def _section(document: Document, key: str) -> Mapping[str, Any]:
    return document.data.get(key) or {}


def _lay(leaves: Leaves, document: Document, data: object, at: KeyPath) -> None:
    """Lay one mapping of plugin fields over the others."""
    for key, value in data.items() if isinstance(data, Mapping) else ():
        if key in MERGED:
            value = {} if value is None else value  # noqa: PLW2901 - an empty mapping
            overlay(leaves, (key,), value, lambda path: document.where((*at, *path)))
        else:
            leaves[(key,)] = Sourced(value, document.where((*at, key)))


def _lay_defaults(leaves: Leaves, documents: Iterable[Document]) -> None:
    for document in documents:
        _lay(leaves, document, _section(document, "defaults"), ("defaults",))


def _lay_entries(leaves: Leaves, documents: Iterable[Document], plugin_id: str) -> None:
    for document in documents:
        for name, entry in _section(document, "plugins").items():
            if fold_id(name) == fold_id(plugin_id):
                _lay(leaves, document, entry, ("plugins", name))


def variables_of(plugin_id: str, environ: Mapping[str, str]) -> Iterator[Document]:
    """Give each ``OPTIFIRE_<ID>__<KEY>`` variable of a plugin as a document of its own.

    Keys are lower-cased; ``__`` goes one level down (``..._GARCH__BUDGET__CPU_MS``). Raises
    `ConfigError` naming the variable when its key or value does not fit.
    """
    prefix = f"{PREFIX}{fold_id(plugin_id).upper()}__"
    for name in sorted(each for each in environ if each.startswith(prefix)):
        data: Any = parse_value(environ[name], name)
        for key in reversed(name.removeprefix(prefix).lower().split("__")):
            data = {key: data}
        document = Document(name, data)
        findings = list(Checker(document, PLUGIN_FIELDS).findings(data))
        if findings:
            raise InvalidConfigError(findings)
        yield document


def load_features(
    home: Home, environ: Mapping[str, str] = os.environ, command: Mapping[str, Any] | None = None
) -> Features:
    """Read and check the feature files of a home.

    Parameters
    ----------
    command
        What the command line overrides, in the shape of the file.

    Raises
    ------
    ConfigError
        With file, line and key; `InvalidConfigError` holds all that is wrong.
    """
    main = home.config_file("features")
    if main is None:
        raise ConfigError(
            "there is no features.yaml",
            where=str(home.configs),
            remedy="Put back what was accepted last: `optifire config rollback`"
            if home.ledgers
            else f"Run `optifire init {home.root}`",
        )
    base = read_document(main)
    if not base.text.strip():
        raise ConfigError(
            "the file is empty, which may be a write that was cut short",
            where=str(main),
            remedy="Write `plugins: {}` to switch everything off, or restore the file: "
            "`optifire config rollback`",
        )
    override = Document(COMMAND_LINE, command or {})
    _refuse([*_check(base), *_check(override)])
    environment, source = _environment(base, override, environ)
    special = home.config_file(f"features.{environment.value}")
    files = (base,) if special is None else (base, read_document(special))
    _refuse([finding for document in files[1:] for finding in _check_special(document)])
    _refuse(list(_check_enabled(files)))
    return Features(
        environment=environment,
        environment_source=source,
        plugin_paths=tuple(_top("plugin_paths", (*files, override))),
        auto_load=bool(_top("auto_load", (*files, override))),
        files=files,
        command=override,
        environ={name: value for name, value in environ.items() if name.startswith(PREFIX)},
    )


def _refuse(findings: Sequence[Finding]) -> None:
    if findings:
        raise InvalidConfigError(findings)


def _top(key: str, documents: Sequence[Document]) -> Any:  # noqa: ANN401 - of the setting's kind
    said = [document.data[key] for document in documents if key in document.data]
    return said[-1] if said else TOP[key].default


def _environment(
    base: Document, override: Document, environ: Mapping[str, str]
) -> tuple[Environment, str]:
    """Give the environment and who says so."""
    variable = f"{PREFIX}ENVIRONMENT"
    if "environment" in override.data:
        name, source = override.data["environment"], COMMAND_LINE
    elif environ.get(variable):
        name, source = environ[variable], variable
    elif "environment" in base.data:
        name, source = base.data["environment"], base.where(("environment",))
    else:
        name, source = TOP["environment"].default, "default"
    if name not in list(ENVIRONMENTS):
        raise ConfigError(
            f"no environment {name!r}",
            where=source,
            remedy=f"Write {' or '.join(ENVIRONMENTS)}",
        )
    return Environment(name), source


def _check(document: Document) -> Iterator[Finding]:
    """Give all that is wrong with one document of the shape of features.yaml."""
    yield from Checker(document, FEATURES_FIELDS).findings(document.data)
    defaults = document.data.get("defaults")
    if isinstance(defaults, Mapping):
        yield from Checker(document, DEFAULTS_FIELDS, ("defaults",)).findings(defaults)
    plugins = document.data.get("plugins")
    seen: dict[str, str] = {}
    for name, entry in plugins.items() if isinstance(plugins, Mapping) else ():
        at: KeyPath = ("plugins", name)
        yield from Checker(document, PLUGIN_FIELDS, at).findings(entry)
        other = seen.setdefault(fold_id(name), name)
        if other != name:
            message = f"{name!r} and {other!r} are the same id"
            yield Finding("config", Level.ERROR, document.where(at), message, "Keep one entry")


def _check_special(document: Document) -> Iterator[Finding]:
    """Check the file of one environment, which cannot say which environment there is."""
    if "environment" in document.data:
        where = document.where(("environment",))
        message = "the file of one environment cannot set the environment"
        yield Finding("config", Level.ERROR, where, message, "Set it in features.yaml")
    yield from _check(document)


def _check_enabled(files: Sequence[Document]) -> Iterator[Finding]:
    """Find entries for which no file says whether they are on."""
    said = {
        fold_id(name)
        for document in files
        for name, entry in _section(document, "plugins").items()
        if isinstance(entry, Mapping) and "enabled" in entry
    }
    for document in files:
        for name in _section(document, "plugins"):
            if fold_id(name) not in said:
                where = document.where(("plugins", name))
                message = "does not say whether it is enabled"
                yield Finding("config", Level.ERROR, where, message, "Add enabled: true or false")
