"""What the schedule language refuses: each bad word with its reason and its remedy."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from optifire.calendars.names import BUILTIN
from optifire.calendars.table import read_table
from optifire.core.calendar import AlwaysOpen, Calendar
from optifire.core.errors import ConfigError
from optifire.core.schedule import Schedule, parse_schedule

CALENDARS: dict[str, Calendar] = {
    "XNYS": read_table(BUILTIN / "XNYS.sessions.gz"),
    "24/7": AlwaysOpen(),
}


def read(word: object, options: str = "", where: str = "") -> Schedule:
    given = dict(option.split("=") for option in options.split())
    calendar = CALENDARS[given.pop("calendar", "XNYS")]
    return parse_schedule(word, calendar=calendar, where=where, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("word", "options", "complaint", "remedy"),
    [
        ("@opne", "", "'@opne' is not a schedule word", "Did you mean @open"),
        ("@OPEN", "", "'@OPEN' is not a schedule word", "Did you mean @open"),
        ("@monthy", "", "'@monthy' is not a schedule word", "@monthly"),
        ("@wekopen", "", "'@wekopen' is not a schedule word", "@weekopen"),
        ("open", "", "'open' is not a schedule word", "@open"),
        ("banana", "", "'banana' is not a schedule word", "Known words: @open, @close"),
        ("", "", "'' is not a schedule word", "Known words"),
        ("@open+5", "", "'@open+5' has the offset '+5'", "@open+5m"),
        ("@close-", "", "'@close-' has the offset '-'", "@close-5m"),
        ("@open+5d", "", "'@open+5d' has the offset '+5d'", "hours, minutes or seconds"),
        ("@open+5m10h", "", "'@open+5m10h' has the offset", "@open+1h30m"),
        ("@open + 5m", "", "'@open + 5m' has 3 fields", "0 9 * * 1-5"),
        ("@open+10h", "", "'@open+10h' lies after the close", "6 hours 30 minutes"),
        ("@open+6h31m", "", "'@open+6h31m' lies after the close", "6 hours 30 minutes"),
        ("@close-7h", "", "'@close-7h' lies before the open", "6 hours 30 minutes"),
        ("@open-10h", "", "'@open-10h' lies on the day before", "on the day of the session"),
        ("@close+8h", "", "'@close+8h' lies on the day after", "on the day of the session"),
        ("@weekopen+5m", "", "'@weekopen+5m' is not a schedule word", "@weekopen"),
        ("interval_0m", "", "'interval_0m' is no time at all", "interval_30s"),
        ("interval_5", "", "'interval_5' is not an interval", "interval_5m"),
        ("interval_5w", "", "'interval_5w' is not an interval", "interval_5m"),
        ("interval_-5m", "", "'interval_-5m' is not an interval", "interval_5m"),
        ("interval_1.5h", "", "'interval_1.5h' is not an interval", "interval_5m"),
        ("interval_99999d", "", "'interval_99999d' is longer than ten years", "ten years"),
        ("interval_1d@session", "", "'interval_1d@session' never fires", "market is open"),
        ("interval_5m@open", "", "'interval_5m@open' is not an interval", "interval_5m"),
        ("0 0 30 2 *", "", "'0 0 30 2 *' is not a cron line, or never fires", "day of month"),
        ("0 0 31 4,6 *", "", "never fires", "day of month 1-31"),
        ("0 0 * 2 MON#6", "", "bad day-of-week", "day of week 0-7"),
        ("60 * * * *", "", "'60 * * * *' is not a cron line, or never fires: bad minute", "0-59"),
        ("* 24 * * *", "", "bad hour", "hour 0-23"),
        ("* * * * FOO", "", "bad day-of-week", "day of week 0-7"),
        ("*/0 * * * *", "", "bad minute", "minute 0-59"),
        ("5 4 * *", "", "'5 4 * *' has 4 fields", 'as in "0 9 * * 1-5"'),
        ("0 5 4 * * *", "", "'0 5 4 * * *' has 6 fields", "0 9 * * 1-5"),
        ("0 3 * * *@session", "", "'0 3 * * *@session' never fires in a session", "is open"),
        ("0 10 * * 6@session", "", "never fires in a session of XNYS", "is open"),
        ("0 14 * * *@session", "half_day=only", "never fires in a session of XNYS that is", "open"),
        ("@open", "calendar=24/7", "'@open' means sessions, and calendar 24/7", "interval"),
        ("@close-5m", "calendar=24/7", "'@close-5m' means sessions", "name an exchange"),
        ("@idle", "calendar=24/7", "'@idle' means sessions", "name an exchange"),
        ("@weekopen", "calendar=24/7", "'@weekopen' means sessions", "name an exchange"),
        ("@premarket", "calendar=24/7", "'@premarket' means sessions", "name an exchange"),
        ("interval_5m@session", "calendar=24/7", "'interval_5m@session' means", "exchange"),
        ("0 9 * * *", "tz=America/New_Yrok", "'America/New_Yrok' is not a time zone", "New_York"),
        ("0 9 * * *", "tz=../etc/passwd", "'../etc/passwd' is not a time zone", "America/New_York"),
        ("0 9 * * *", "tz=America", "'America' is not a time zone", "America/"),
        ("@open", "half_day=never", "half_day is 'never'", "follow, skip, only"),
        (5, "", "a schedule word is text, not int (5)", "cron line in quotes"),
        (["@open", None], "", "a schedule word is text, not NoneType", "@open"),
        (b"@open", "", "a schedule word is text, not bytes", "@open"),
        ([], "", "the schedule has no words", "@manual"),
        (None, "", "the schedule has no words", "@manual"),
        (["@open", "@manual"], "", "'@manual' stands alone", "Remove it"),
        (["@continuous", "@close"], "", "'@continuous' stands alone", "Remove it"),
        ({"class": "CronTrigger"}, "", "{'class': 'CronTrigger'} is not a schedule word", "Write"),
    ],
)
def test_a_bad_word_is_refused_with_a_reason_and_a_remedy(
    word: object, options: str, complaint: str, remedy: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(word, options, where="features.yaml:7")
    assert complaint in caught.value.message
    assert remedy in caught.value.remedy
    assert caught.value.where == "features.yaml:7"


@given(
    st.text(max_size=20) | st.from_regex(r"@?[a-z_]{3,9}[+@-]?[0-9]{0,3}[smhd]?", fullmatch=True)
)
@example("\x00")
@example("* * * * L")
@example("1#2/2 * * * 1L/2")
def test_any_text_is_a_schedule_or_a_configuration_error(text: str) -> None:
    try:
        schedule = read(text)
    except ConfigError as error:
        assert error.remedy  # noqa: PT017 - both outcomes are right
    else:
        assert schedule.meaning


CRON_FIELD = st.sampled_from(
    ["*", "*/5", "0", "1", "5", "1-3", "2,4", "L", "7", "MON", "31", "1#3"]
)


@given(st.lists(CRON_FIELD, min_size=5, max_size=5))
def test_any_cron_line_fires_or_is_a_configuration_error(fields: list[str]) -> None:
    try:
        schedule = read(" ".join(fields))
    except ConfigError as error:
        assert "cron line" in error.message or "never fires" in error.message  # noqa: PT017
    else:
        since = datetime(2020, 1, 1, tzinfo=UTC)
        due = schedule.next_after(since)
        assert due is not None
        assert due.instant > since
