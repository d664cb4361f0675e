"""Runs: their ids, their statuses, and which moves are legal."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optifire.core.errors import StateError
from optifire.core.ledger import new_run
from optifire.core.run import NEXT, TERMINAL, Reason, RunKey, RunKind, RunStatus, check_move
from optifire.core.types import PluginId

NOON = datetime(2018, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("due", "turn", "kind", "expected"),
    [
        (NOON, 0, RunKind.SCHEDULED, "fe_garch@20181123T120000Z"),
        (NOON, 2, RunKind.SCHEDULED, "fe_garch@20181123T120000Z.t2"),
        (NOON, 0, RunKind.MANUAL, "fe_garch@20181123T120000Z~manual"),
        (NOON, 1, RunKind.BACKFILL, "fe_garch@20181123T120000Z.t1~backfill"),
        (NOON + timedelta(microseconds=7), 0, RunKind.SHADOW,
         "fe_garch@20181123T120000.000007Z~shadow"),
        (NOON.astimezone(timezone(timedelta(hours=-5))), 0, RunKind.SCHEDULED,
         "fe_garch@20181123T120000Z"),
        (datetime(987, 1, 2, 3, 4, 5, tzinfo=UTC), 0, RunKind.SCHEDULED,
         "fe_garch@09870102T030405Z"),
    ],
)  # fmt: skip
def test_an_id_follows_from_the_key(due: datetime, turn: int, kind: RunKind, expected: str) -> None:
    assert RunKey(PluginId("fe_garch"), due, turn, kind).run_id == expected


keys = st.builds(
    RunKey,
    st.sampled_from([PluginId("a"), PluginId("a.t1"), PluginId("b")]),
    st.integers(-3, 3).map(lambda us: NOON + timedelta(microseconds=us)),
    st.integers(0, 3),
    st.sampled_from(RunKind),
)


@given(keys, keys)
def test_two_keys_share_an_id_only_if_they_are_one(one: RunKey, other: RunKey) -> None:
    assert (one.run_id == other.run_id) is (one == other)


def test_every_status_is_either_terminal_or_leads_somewhere() -> None:
    assert TERMINAL.isdisjoint(NEXT)
    assert TERMINAL | set(NEXT) == set(RunStatus)
    reached = {status for following in NEXT.values() for status in following}
    assert reached == set(RunStatus)


@pytest.mark.parametrize("now", list(RunStatus))
@pytest.mark.parametrize("then", list(RunStatus))
def test_only_listed_moves_are_made(now: RunStatus, then: RunStatus) -> None:
    if then in NEXT.get(now, ()):
        check_move(now, then, "a@1")
    else:
        with pytest.raises(StateError, match=f"a@1: a run that is {now} cannot become {then}"):
            check_move(now, then, "a@1")


def test_what_never_started_cannot_have_succeeded() -> None:
    row = new_run(RunKey(PluginId("a"), NOON))
    with pytest.raises(StateError):
        row.move(RunStatus.SUCCEEDED)
    assert row.status is RunStatus.DUE


def test_a_move_takes_its_reason_along() -> None:
    row = new_run(RunKey(PluginId("a"), NOON), trigger="@open")
    row.move(RunStatus.SKIPPED, Reason("upstream", "x failed"))
    assert (row.status, str(row.reason), row.trigger) == (
        RunStatus.SKIPPED, "upstream: x failed", "@open",
    )  # fmt: skip


def test_a_reason_without_detail_is_its_code() -> None:
    assert str(Reason("overlap")) == "overlap"
