"""Every setting there is: its type, range, default and meaning, once, for checks, schema and docs.

`PLUGIN_FIELDS`, `FEATURES_FIELDS` and `CONFIG_FIELDS` are the tables; `Settings` is what
``configs/config.yaml`` comes to. A setting that nothing reads does not exist.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from optifire.core.job import DEFAULT_PRIORITY, Effect, Misfire, Overlap, Placement
from optifire.core.setting import Kind, Setting
from optifire.core.settings_alerts import ALERT_FIELDS, AlertSettings
from optifire.core.settings_api import API_FIELDS, ApiSettings
from optifire.core.settings_log import LOG_FIELDS, LOG_FILES, LOG_FORMATS, LOG_MB
from optifire.core.types import Environment

NO_ALIASES: Mapping[str, str] = MappingProxyType({})
#: Environments that this version can run.
ENVIRONMENTS = (Environment.DEMO, Environment.PAPER)
#: Failures in a row after which a plugin is quarantined, where config.yaml says nothing.
QUARANTINE_AFTER = 5

_PLAN = "the plan's, else"
#: What ``plugins.<id>`` in features.yaml takes.
PLUGIN_FIELDS: tuple[Setting, ...] = (
    Setting("enabled", Kind.FLAG, "Whether the plugin runs.", required=True),
    Setting("schedule", Kind.SCHEDULE, "When it runs.", otherwise="the plan's"),
    Setting("triggers", Kind.TEXTS, "Bus events that start it.", otherwise="the plan's"),
    Setting(
        "dependencies",
        Kind.NEEDS,
        "What it needs beside the dependencies of its metadata.",
        otherwise="the plan's",
    ),
    Setting("tz", Kind.TEXT, "IANA zone of its cron lines.", otherwise=f"{_PLAN} the market's"),
    Setting(
        "calendar",
        Kind.TEXT,
        "Whose sessions its session words mean; 24/7 is always open.",
        otherwise=f"{_PLAN} market.calendar of config.yaml",
    ),
    Setting(
        "half_day",
        Kind.TEXT,
        "What session words do on half days.",
        otherwise=f"{_PLAN} follow",
        choices=("follow", "skip", "only"),
    ),
    Setting(
        "misfire",
        Kind.TEXT,
        "What becomes of an occurrence found later than its grace.",
        otherwise=f"{_PLAN} that of the schedule word",
        choices=tuple(Misfire),
    ),
    Setting(
        "overlap",
        Kind.TEXT,
        "What becomes of an occurrence while an earlier run goes on.",
        otherwise=f"{_PLAN} buffer_one for risk, skip for all others",
        choices=tuple(Overlap),
    ),
    Setting(
        "deadline",
        Kind.DURATION,
        "How long after its due instant a run may still start.",
        otherwise=f"{_PLAN} 60 s for exec, none for all others",
        above=0,
    ),
    Setting(
        "timeout",
        Kind.DURATION,
        "How long a run may take before it is stopped.",
        otherwise=f"{_PLAN} that of the category: 10 s (exec, risk), 600 s (ml, ai), 60 s",
        above=0,
        maximum=86400,
    ),
    Setting(
        "retries",
        Kind.COUNT,
        "Further attempts after a retryable error; exec always has none.",
        otherwise=f"{_PLAN} 0",
        minimum=0,
        maximum=10,
    ),
    Setting(
        "effect",
        Kind.TEXT,
        "What running twice would do outside the record.",
        otherwise=f"{_PLAN} effectful for exec, pure for all others",
        choices=tuple(Effect),
    ),
    Setting(
        "priority",
        Kind.COUNT,
        "Who goes first when not all can; lower first.",
        otherwise=f"{_PLAN} {DEFAULT_PRIORITY}",
        minimum=1,
        maximum=100,
    ),
    Setting(
        "isolation",
        Kind.TEXT,
        "Where it executes; inline takes effect only here and only for bundled plugins.",
        otherwise=f"{_PLAN} isolated",
        choices=tuple(Placement),
    ),
    Setting(
        "jitter",
        Kind.DURATION,
        "Longest random delay of a start; never on session words.",
        otherwise=f"{_PLAN} 0",
        minimum=0,
    ),
    Setting(
        "intraday",
        Kind.FLAG,
        "Whether @idle may run while the market is open.",
        otherwise=f"{_PLAN} false",
    ),
    Setting(
        "budget.cpu_ms",
        Kind.NUMBER,
        "Processor time of one run, in milliseconds.",
        otherwise="twice the plugin's estimate, else 1000",
        above=0,
    ),
    Setting(
        "budget.mem_mb",
        Kind.NUMBER,
        "Peak memory of one run, in megabytes.",
        otherwise="twice the plugin's estimate, else 64",
        above=0,
    ),
    Setting(
        "config",
        Kind.MAPPING,
        "The plugin's own settings; ${VAR} is read from the environment or secrets.env.",
        otherwise="the plugin's own",
    ),
    Setting(
        "source",
        Kind.TEXT,
        "Which folder to take the plugin from when several have it: builtin, or a folder.",
        otherwise="the only one there is",
    ),
    Setting(
        "permissions",
        Kind.TEXTS,
        "What it may touch of what it declares: network:<host>, network:<port>, fs:read:<path>, "
        "fs:write:<path>, secrets:<name>, subprocess, trade.",
        otherwise="nothing",
    ),
    Setting(
        "sandbox",
        Kind.FLAG,
        "Whether its runs are held to its own folders and to what it is granted.",
        otherwise="true for all but bundled plugins",
    ),
    Setting(
        "allow_degraded",
        Kind.FLAG,
        "Whether it may run where this machine lacks a layer of the sandbox.",
        otherwise="no for an installed package; a folder's runs, and health is amber",
    ),
)
#: Fields of an entry that are the operator's, and never the plugin's.
OPERATORS = frozenset({"enabled", "source", "permissions", "sandbox", "allow_degraded"})
#: Plan fields that ``defaults`` may set for every plugin at once: those that are not about one.
DEFAULTABLE = frozenset(
    {
        "tz", "calendar", "half_day", "misfire", "overlap", "deadline", "timeout", "retries",
        "priority", "jitter", "intraday", "budget.cpu_ms", "budget.mem_mb",
    }
)  # fmt: skip
DEFAULTS_FIELDS = tuple(setting for setting in PLUGIN_FIELDS if setting.key in DEFAULTABLE)
#: What the plan of a plugin may say: all fields of an entry but those that are the operator's.
PLAN_FIELDS = tuple(
    setting
    for setting in PLUGIN_FIELDS
    if setting.key not in OPERATORS | {"budget.cpu_ms", "budget.mem_mb", "config"}
)

#: What the top level of features.yaml takes, apart from the entries of the mappings.
FEATURES_FIELDS: tuple[Setting, ...] = (
    Setting(
        "environment",
        Kind.TEXT,
        "Recorded data at a pace (demo) or the wall clock (paper); OPTIFIRE_ENVIRONMENT wins.",
        default=Environment.PAPER.value,
        choices=tuple(ENVIRONMENTS),
    ),
    Setting(
        "plugin_paths",
        Kind.TEXTS,
        "Folders of plugins of your own, relative to the home.",
        default=(),
    ),
    Setting(
        "auto_load",
        Kind.FLAG,
        "Whether new and changed plugin folders are looked for while running.",
        default=True,
    ),
    Setting("defaults", Kind.MAPPING, "Fields of a plan, for every plugin."),
    Setting("plugins", Kind.MAPPING, "One entry for each plugin; one that has none is off."),
)

#: What config.yaml takes.
CONFIG_FIELDS: tuple[Setting, ...] = (
    Setting(
        "system.concurrency",
        Kind.COUNT,
        "Isolated runs at once, beside one slot each for risk and exec.",
        otherwise="the number of cores, at least 2",
        minimum=1,
        maximum=64,
    ),
    Setting(
        "system.max_ram_mb",
        Kind.COUNT,
        "Megabytes (2**20 bytes) that the service and its isolated runs may use together.",
        otherwise="90 % of the machine's memory or of the control group's limit, at most 900",
        minimum=128,
        maximum=1048576,
    ),
    Setting(
        "system.quarantine_after",
        Kind.COUNT,
        "Failures in a row after which a plugin is kept from running, but for trials.",
        default=QUARANTINE_AFTER,
        minimum=1,
        maximum=1000000,
    ),
    *LOG_FIELDS,
    Setting(
        "data.default_symbol",
        Kind.TEXT,
        "The symbol that market_data shows.",
        default="SPY",
    ),
    Setting(
        "data.aliases",
        Kind.NAMES,
        "Symbols that stand for another; the built-in data adds SPY: SPX.",
        default=NO_ALIASES,
    ),
    Setting("demo.from", Kind.DATE, "The first session that the demo plays.", default="2018-01-29"),
    Setting("demo.to", Kind.DATE, "The last session that the demo plays.", default="2018-12-31"),
    Setting(
        "demo.pace",
        Kind.NUMBER,
        "Real seconds between two instants of the demo, at least.",
        default=0.5,
        minimum=0,
        maximum=3600,
    ),
    Setting(
        "market.calendar",
        Kind.TEXT,
        "The calendar of plugins that name none, by its exchange_calendars code.",
        default="XNYS",
    ),
    Setting(
        "market.tz",
        Kind.TEXT,
        "IANA zone of cron lines and of times on the screen.",
        otherwise="the calendar's own",
    ),
    Setting(
        "backup.daily",
        Kind.FLAG,
        "Whether the service copies its ledger once a day, when the market is closed.",
        default=True,
    ),
    Setting(
        "backup.keep",
        Kind.COUNT,
        "How many copies of one environment stay in data/backups.",
        default=30,
        minimum=1,
        maximum=3650,
    ),
    Setting(
        "retention.days",
        Kind.COUNT,
        "Runs due longer ago are removed; their daily roll-ups stay.",
        default=400,
        minimum=7,
        maximum=36500,
    ),
    Setting(
        "retention.runs",
        Kind.COUNT,
        "How many runs of each plugin stay at most; their daily roll-ups stay all.",
        default=20000,
        minimum=100,
        maximum=10000000,
    ),
    Setting(
        "retention.table_days",
        Kind.COUNT,
        "Rows of features, signals and metrics written longer ago are removed.",
        default=400,
        minimum=7,
        maximum=36500,
    ),
    *API_FIELDS,
    *ALERT_FIELDS,
)


#: Megabytes that service and runs share where config.yaml says nothing, and of how much there is.
MOST_RAM_MB, RAM_SHARE = 900.0, 0.9


@dataclass(frozen=True, slots=True)
class SystemSettings:
    """How much the service does at once, and what it says; None leaves it to the machine."""

    concurrency: int | None = None
    log_level: str = "INFO"
    log_format: str = LOG_FORMATS[0]
    log_mb: int = LOG_MB
    log_files: int = LOG_FILES
    max_ram_mb: int | None = None
    quarantine_after: int = QUARANTINE_AFTER

    def concurrency_on(self, cores: int) -> int:
        """Give how many isolated runs may go on at once on a machine with that many cores."""
        return self.concurrency if self.concurrency is not None else max(2, cores)

    def memory_on(self, total_mb: float) -> float:
        """Give the megabytes that all may use together where there are so many."""
        if self.max_ram_mb is not None:
            return float(self.max_ram_mb)
        return min(MOST_RAM_MB, RAM_SHARE * total_mb)


@dataclass(frozen=True, slots=True)
class DataSettings:
    """Which symbols stand for which."""

    default_symbol: str = "SPY"
    aliases: Mapping[str, str] = field(default_factory=lambda: NO_ALIASES)


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """What the demo plays: market dates, both included, and real seconds between instants."""

    first: dt.date = dt.date(2018, 1, 29)
    last: dt.date = dt.date(2018, 12, 31)
    pace: float = 0.5


@dataclass(frozen=True, slots=True)
class MarketSettings:
    """The market that is meant where a plugin says nothing; ``tz`` None is the calendar's own."""

    calendar: str = "XNYS"
    tz: str | None = None


@dataclass(frozen=True, slots=True)
class BackupSettings:
    """Whether the ledger is copied daily, and how many copies stay."""

    daily: bool = True
    keep: int = 30


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """How long runs stay in the ledger, by days and by the number of each plugin's; and rows.

    ``table_days`` is for the rows of the tables that plugins share.
    """

    days: int = 400
    runs: int = 20_000
    table_days: int = 400


@dataclass(frozen=True, slots=True)
class Settings:
    """What config.yaml comes to."""

    system: SystemSettings = SystemSettings()
    data: DataSettings = field(default_factory=DataSettings)
    demo: DemoSettings = DemoSettings()
    market: MarketSettings = MarketSettings()
    backup: BackupSettings = BackupSettings()
    retention: RetentionSettings = RetentionSettings()
    api: ApiSettings = field(default_factory=ApiSettings)
    alerts: AlertSettings = field(default_factory=AlertSettings)
