"""Which alerts go out, when, and what their messages say."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from optifire.core.alerts import Alert, Topic
from optifire.core.quiet_hours import QuietHours, parse_span
from optifire.ops.alert_desk import MOST_HELD, Desk, Rules
from optifire.ops.masking import Masker
from optifire.ops.messages import LINE, MOST_LINES, REASON, TITLE, Writer
from optifire.ops.repeats import Told

BERLIN = ZoneInfo("Europe/Berlin")
#: 12:00 and 23:00 in Berlin.
NOON = datetime(2026, 3, 9, 11, 0, tzinfo=UTC)
NIGHT = NOON + timedelta(hours=11)
MORNING = NIGHT + timedelta(hours=8)
WRITER = Writer("paper on fire1", BERLIN, Masker(["hunter2"]))
NIGHTS = QuietHours(BERLIN, parse_span("22:00-07:00"))


def desk(*topics: Topic, quiet: QuietHours = NIGHTS) -> Desk:
    wanted = frozenset(each.value for each in topics or tuple(Topic))
    return Desk.with_window(Rules(wanted, quiet, WRITER), 1800)


def alert(at: datetime, cause: str = "missed:a", *, urgent: bool = False) -> Alert:
    what = f"{cause.partition(':')[2]} was missed"
    return Alert(Topic.MISSED, cause, at, what, "due 14:30Z", "See `optifire why a`", urgent=urgent)


def test_a_message_says_what_why_what_to_do_and_when_in_the_zone() -> None:
    found = desk().take(alert(NOON), NOON)
    assert [each.title for each in found] == ["OptiFIRE paper on fire1: a was missed"]
    assert found[0].body.splitlines() == [
        "Why: due 14:30Z",
        "What to do: See `optifire why a`",
        "When: 2026-03-09 12:00:00 CET",
    ]
    assert found[0].kind == "warning"


def test_a_topic_that_is_not_wanted_is_not_told() -> None:
    assert desk(Topic.HEALTH).take(alert(NOON), NOON) == []


def test_quiet_hours_hold_what_is_not_urgent_and_sum_it_up_when_they_end() -> None:
    made = desk()
    assert made.take(alert(NIGHT, "missed:a"), NIGHT) == []
    assert made.take(alert(NIGHT, "missed:b"), NIGHT) == []
    assert made.held == 2
    urgent = made.take(alert(NIGHT, "missed:order", urgent=True), NIGHT)
    assert [(each.title[-16:], each.kind) for each in urgent] == [("order was missed", "failure")]
    assert made.tick(MORNING - timedelta(seconds=1)) == []
    assert [each.title for each in made.tick(MORNING)] == [
        "OptiFIRE paper on fire1: 2 alerts from quiet hours"
    ]
    assert made.held == 0
    assert made.tick(MORNING) == []


def test_a_single_alert_from_quiet_hours_keeps_its_own_words() -> None:
    made = desk()
    made.take(alert(NIGHT), NIGHT)
    message = made.tick(MORNING)[0]
    assert message.title.endswith("a was missed")
    assert "When: 2026-03-09 23:00:00 CET" in message.body


def test_a_window_that_ends_in_quiet_hours_waits_with_the_others() -> None:
    made = desk()
    at = NIGHT - timedelta(hours=1, minutes=10)
    assert made.take(alert(at), at)
    assert made.take(alert(at), at) == []
    assert made.tick(NIGHT) == []
    assert made.tick(MORNING)[0].title.endswith("again: a was missed")


def test_what_quiet_hours_hold_is_bounded_and_counted() -> None:
    made = desk()
    for number in range(MOST_HELD + 5):
        made.take(alert(NIGHT, f"missed:p{number}"), NIGHT)
    assert made.held == MOST_HELD + 5
    message = made.tick(MORNING)[0]
    assert message.title.endswith(f"{MOST_HELD + 5} alerts from quiet hours")
    assert f"{MOST_HELD + 5 - MOST_LINES} more are in data/optifire.log" in message.body
    assert f"p{MOST_HELD + 4} was missed" in message.body


def test_new_rules_keep_what_waits() -> None:
    made = desk()
    made.take(alert(NIGHT), NIGHT)
    made.change(Rules(frozenset(), QuietHours(BERLIN), WRITER), 60)
    assert len(made.tick(NIGHT)) == 1


def test_the_gravest_are_shown_where_not_all_can_be() -> None:
    told = [Told(alert(NOON, f"missed:p{each}", urgent=each == 0)) for each in range(40)]
    message = WRITER.several(told, 0, "from quiet hours")
    lines = message.body.splitlines()
    assert "p0 was missed" in lines[0]
    assert "p39 was missed" in lines[MOST_LINES - 1]
    assert message.kind == "failure"


TEXTS = st.text(max_size=3000) | st.just("hunter2 " * 300) | st.just("@everyone <!channel> <@1>")


@given(TEXTS, TEXTS, TEXTS, st.integers(0, 9), st.booleans())
def test_any_alert_fits_is_without_secrets_and_pings_nobody(
    what: str,
    why: str,
    remedy: str,
    more: int,
    again: bool,  # noqa: FBT001 - drawn
) -> None:
    one = Told(Alert(Topic.HEALTH, "c", NOON, what, why, remedy), more, again=again)
    for message in (WRITER.one(one), WRITER.several([one] * 30, more, "from quiet hours")):
        text = f"{message.title}\n{message.body}"
        assert len(text) < 2000
        assert len(message.title.replace("\u200b", "")) <= TITLE
        assert "hunter2" not in text
        assert "@everyone" not in text
        assert "<@" not in text
        assert "<!" not in text
        assert len(message.body.splitlines()) <= MOST_LINES + 2


def test_a_secret_that_is_cut_off_is_masked_before() -> None:
    why = "x" * (REASON - 6) + "hunter2"
    body = WRITER.one(Told(Alert(Topic.HEALTH, "c", NOON, "w", why, "r"))).body
    assert "hun" not in body
    assert LINE < REASON
