"""Values survive the way into a column and back."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from optifire.core.ledger import Statement
from optifire.core.run import Failure, RunKey, RunKind, Source
from optifire.core.types import Encoded, PluginId, RunId
from optifire.store import codec, rows

texts = st.text(st.characters(exclude_categories=["Cs"]))
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | texts
    | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
encoded = plain.map(lambda value: Encoded(msgspec.msgpack.encode(value)))
instants = st.datetimes(timezones=st.just(UTC))


def same(one: object, two: object) -> bool:
    """Compare, taking NaN for equal to NaN."""
    if isinstance(one, float) and isinstance(two, float):
        return one == two or (math.isnan(one) and math.isnan(two))
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    return type(one) is type(two) and one == two


@given(st.dictionaries(texts, encoded, max_size=5))
def test_encoded_values_come_back_byte_for_byte(values: dict[str, Encoded]) -> None:
    assert codec.decode_values(codec.encode_values(values)) == values


@given(plain)
def test_plain_values_come_back(value: Any) -> None:
    assert same(msgspec.msgpack.decode(codec.encode_plain(value)), value)


@given(st.lists(st.tuples(texts, encoded), max_size=4))
def test_statements_come_back(given_: list[tuple[str, Encoded]]) -> None:
    statements = tuple(Statement(sql, params) for sql, params in given_)
    assert codec.decode_statements(codec.encode_statements(statements)) == statements


@given(instants)
def test_instants_come_back_to_the_microsecond(instant: datetime) -> None:
    assert codec.from_us(codec.to_us(instant)) == instant


@given(instants, instants)
def test_stored_instants_keep_their_order(one: datetime, two: datetime) -> None:
    assert (codec.to_us(one) < codec.to_us(two)) == (one < two)


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(TypeError, match="naive"):
        codec.to_us(datetime(2018, 1, 2))  # noqa: DTZ001 - that is the point


@given(st.dictionaries(texts, st.tuples(st.none() | texts, instants, texts), max_size=4))
def test_lineage_comes_back(given_: dict[str, tuple[str | None, datetime, str]]) -> None:
    sources = {
        name: Source(None if run_id is None else RunId(run_id), as_of, origin)
        for name, (run_id, as_of, origin) in given_.items()
    }
    assert codec.decode_sources(codec.encode_sources(sources)) == sources


@given(texts, texts, texts, st.booleans())
def test_failures_come_back(kind: str, message: str, trace: str, again: bool) -> None:  # noqa: FBT001
    failure = Failure(kind, message, trace, again)
    assert codec.decode_failure(codec.encode_failure(failure)) == failure


def test_a_failure_that_utf8_cannot_hold_is_spelled_out() -> None:
    failure = codec.decode_failure(codec.encode_failure(Failure("E", "caf\udce9")))
    assert failure is not None
    assert failure.message == "caf\\udce9"


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    instants.filter(lambda at: at.year >= 1000),
    st.integers(0, 16),
    st.sampled_from(RunKind),
)
def test_a_run_id_leads_back_to_its_key(
    plugin_id: str, due: datetime, turn: int, kind: RunKind
) -> None:
    key = RunKey(PluginId(plugin_id), due, turn, kind)
    assert rows.parse_run_id(key.run_id) == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fe_garch",
        "fe_garch@20181323T180000Z",
        "fe_garch@20181123T180000",
        "fe_garch@20181123T180000Z.t0",
        "fe_garch@20181123T180000Z~scheduled",
        "fe_garch@20181123T180000Z~never",
        "fe_garch@20181123T180000.000000Z",
    ],
)
def test_what_is_no_run_id_is_none(text: str) -> None:
    assert rows.parse_run_id(text) is None


@given(st.integers(0, 10**6))
def test_iso_text_is_utc(seconds: int) -> None:
    at = datetime(2018, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    assert datetime.fromisoformat(codec.iso(at)) == at
    assert codec.iso(at).endswith("Z")
