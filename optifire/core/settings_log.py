"""The settings of the service's log: how serious, in which form, and how much of it stays."""

from optifire.core.setting import Kind, Setting

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_FORMATS = ("console", "json")
#: Where config.yaml says nothing: the file is renamed away at so many megabytes (2**20 bytes), and
#: so many old ones stay.
LOG_MB, LOG_FILES = 5, 5

#: What ``system.log_*`` in config.yaml takes.
LOG_FIELDS: tuple[Setting, ...] = (
    Setting(
        "system.log_level",
        Kind.TEXT,
        "The least serious messages of the service that are shown.",
        default="INFO",
        choices=LOG_LEVELS,
    ),
    Setting(
        "system.log_format",
        Kind.TEXT,
        "How log lines look on standard error; those of data/optifire.log are always JSON.",
        default=LOG_FORMATS[0],
        choices=LOG_FORMATS,
    ),
    Setting(
        "system.log_mb",
        Kind.COUNT,
        "Megabytes (2**20 bytes) at which data/optifire.log is renamed away.",
        default=LOG_MB,
        minimum=1,
        maximum=1024,
    ),
    Setting(
        "system.log_files",
        Kind.COUNT,
        "How many log files that were renamed away stay.",
        default=LOG_FILES,
        minimum=1,
        maximum=100,
    ),
)
