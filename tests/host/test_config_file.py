"""config.yaml and secrets.env."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from optifire.core.errors import ConfigError
from optifire.core.settings import Settings
from optifire.host.config_file import read_settings
from optifire.host.variables import read_variables

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[[str, str], Path]


def test_what_is_set_is_taken_and_all_else_is_the_default(write: Write) -> None:
    file = write(
        "configs/config.yaml",
        """\
system: {concurrency: 3, log_level: DEBUG}
data: {aliases: {QQQ: COMP}}
demo: {from: 2018-02-01, pace: 0}
market: {tz: Europe/London}
""",
    )
    settings, document = read_settings(file)
    assert document is not None
    assert settings.system.concurrency_on(8) == 3
    assert settings.system.log_level == "DEBUG"
    assert settings.data.aliases == {"QQQ": "COMP"}
    assert (settings.demo.first, settings.demo.pace) == (dt.date(2018, 2, 1), 0)
    assert settings.demo.last == dt.date(2018, 12, 31)
    assert (settings.market.calendar, settings.market.tz) == ("XNYS", "Europe/London")
    assert read_settings(None) == (Settings(), None)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("systems: {}\n", 1, "Did you mean system?"),
        ("system:\n  concurency: 2\n", 2, "Did you mean concurrency?"),
        ("system:\n  concurrency: 0\n", 2, "from 1 to 64"),
        ("system:\n  log_level: info\n", 2, "Did you mean INFO?"),
        ("system: 3\n", 1, "is a number, not a mapping"),
        ("demo:\n  from: 2018-13-01\n", 2, "not a date"),
        ("demo:\n  from: 2019-01-01\n", 2, "Set from before to"),
        ("demo:\n  pace: -1\n", 2, "from 0 to 3600"),
        ("demo:\n  pace: .nan\n", 2, "not a number"),
        ("market:\n  tz: Mars/Base\n", 2, "no time zone 'Mars/Base'"),
        ("market:\n  tz: ../etc\n", 2, "no time zone"),
        ("data:\n  aliases: {SPY: 3}\n", 2, "a mapping of text to text"),
        ("data:\n  default_symbol: ''\n", 2, "not text"),
        ("alerts:\n  targets: ['discord://1/hunter2']\n", 2, "secrets.env as NAME=value"),
        ("alerts:\n  targets: discord://1/hunter2\n", 2, "may be a secret in clear text"),
        ("alerts:\n  targets: ['${OPS} hunter2']\n", 2, "a list as in [${NAME}]"),
        ("alerts:\n  targets: [hunter2: 3]\n", 2, "may be a secret in clear text"),
        ("alerts:\n  target: ['${OPS}']\n", 2, "Did you mean targets?"),
        ("alerts:\n  topics: [missing]\n", 2, "Did you mean missed?"),
        ("alerts:\n  topics: missed\n", 2, "not a list of texts"),
        ("alerts:\n  window: 10s\n", 2, "from 60 to 86400"),
        ("alerts:\n  quiet_hours: 22-7\n", 2, "'22-7' is not a part of the day"),
        ("alerts:\n  quiet_hours: 25:00-07:00\n", 2, '"22:00-07:00"'),
        ("alerts:\n  quiet_hours: 07:00-07:00\n", 2, "two times of 24 hours that differ"),
        ("alerts:\n  quiet_closed: sometimes\n", 2, "true or false"),
        ("alerts:\n  tz: Mars/Base\n", 2, "no time zone 'Mars/Base'"),
        ("alerts:\n  demo: 1\n", 2, "true or false"),
    ],
)
def test_what_is_wrong_is_refused_with_file_line_and_remedy(
    write: Write, text: str, line: int, said: str
) -> None:
    file = write("configs/config.yaml", text)
    with pytest.raises(ConfigError) as caught:
        read_settings(file)
    assert caught.value.where.startswith(f"{file}:{line}")
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_targets_of_alerts_are_names_of_variables(write: Write) -> None:
    text = """\
alerts: {targets: ["${OPS_1}", "${b}"], topics: [health], window: 2h, quiet_hours: 22:00 - 7:00}
"""
    alerts = read_settings(write("configs/config.yaml", text))[0].alerts
    assert alerts.targets == ("OPS_1", "b")
    assert (alerts.topics, alerts.window) == (("health",), 7200)
    assert (alerts.quiet_hours, alerts.demo) == ("22:00 - 7:00", False)


def test_the_environment_wins_over_secrets_env(write: Write) -> None:
    file = write("configs/secrets.env", "# keys\nA=1\nexport B = 'two words'\n\nC=\"x=y\"\n")
    file.chmod(0o600)
    found = read_variables(file, {"A": "from outside"})
    assert found == {"A": "from outside", "B": "two words", "C": "x=y"}


def test_secrets_that_others_may_read_are_refused(write: Write) -> None:
    file = write("configs/secrets.env", "A=1\n")
    file.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_variables(file, {})


def test_a_line_that_is_no_pair_is_named_and_never_shown(write: Write) -> None:
    file = write("configs/secrets.env", "A=1\nhunter2\n")
    file.chmod(0o600)
    with pytest.raises(ConfigError) as caught:
        read_variables(file, {})
    assert caught.value.where == f"{file}:2"
    assert "hunter2" not in str(caught.value)


def test_a_secret_that_is_set_twice_is_refused_by_its_name(write: Write) -> None:
    file = write("configs/secrets.env", "A=old\nA=new\n")
    file.chmod(0o600)
    with pytest.raises(ConfigError, match="A stands twice") as caught:
        read_variables(file, {})
    assert caught.value.where == f"{file}:2"


def test_a_home_without_secrets_has_the_environment(tmp_path: Path) -> None:
    assert read_variables(tmp_path / "secrets.env", {"A": "1"}) == {"A": "1"}
