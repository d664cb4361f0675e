"""A session table that ends soon is red long before a session is missed for it."""

from datetime import UTC, date, datetime, timedelta

import pytest

from optifire.app.status import horizon_trouble
from optifire.core.calendar import AlwaysOpen, RegularHours, SessionTable

NOON = datetime(2018, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(("days", "named"), [(29, True), (30, False), (-1, True)])
def test_a_table_is_named_from_30_days_before_its_end_on(days: int, *, named: bool) -> None:
    ends = NOON.date() + timedelta(days=days)
    hours = RegularHours(timedelta(hours=14), timedelta(hours=21))
    table = SessionTable("TEST", "UTC", date(2018, 1, 1), ends, hours, [], [], [])
    found = horizon_trouble({"TEST": table, "24/7": AlwaysOpen()}, NOON)
    assert found == ([f"the session table of TEST ends on {ends}"] if named else [])
