"""The settings of alerts."""

from dataclasses import dataclass

from optifire.core.alerts import Topic
from optifire.core.setting import Kind, Setting

#: Seconds in which alerts of one cause are one, where config.yaml says nothing.
WINDOW_S = 1800.0

TOPICS = tuple(topic.value for topic in Topic)

#: The section ``alerts`` of config.yaml.
ALERT_FIELDS: tuple[Setting, ...] = (
    Setting(
        "alerts.targets",
        Kind.VARIABLES,
        "Who is told: variables, each holding one address of apprise (Discord, mail, Slack, json).",
        default=(),
    ),
    Setting(
        "alerts.topics",
        Kind.TEXTS,
        "What is told.",
        default=TOPICS,
        choices=TOPICS,
    ),
    Setting(
        "alerts.window",
        Kind.DURATION,
        "For how long alerts of one cause are one; twice as long each time that it goes on.",
        default="30m",
        minimum=60,
        maximum=86400,
    ),
    Setting(
        "alerts.quiet_hours",
        Kind.TEXT,
        'When only urgent alerts are sent, as in "22:00-07:00"; the others follow as one.',
        otherwise="never",
    ),
    Setting(
        "alerts.quiet_closed",
        Kind.FLAG,
        "Whether days without a session of market.calendar are quiet as a whole.",
        default=False,
    ),
    Setting(
        "alerts.tz",
        Kind.TEXT,
        "IANA zone of the quiet hours and of times in alerts.",
        otherwise="market.tz, else the calendar's own",
    ),
    Setting(
        "alerts.demo",
        Kind.FLAG,
        "Whether the demo, which plays recorded data, tells anybody.",
        default=False,
    ),
)


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """Who is told what, and when; ``targets`` are names of variables, ``window`` is seconds."""

    targets: tuple[str, ...] = ()
    topics: tuple[str, ...] = TOPICS
    window: float = WINDOW_S
    quiet_hours: str | None = None
    quiet_closed: bool = False
    tz: str | None = None
    demo: bool = False
