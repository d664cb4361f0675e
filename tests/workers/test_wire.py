"""Values as bytes: round trips, canonical form, JSON, and everything that is refused."""

from __future__ import annotations

import datetime as dt
import enum
import json
import math
import subprocess
import sys
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optifire.core.errors import ContractError
from optifire.workers.wire import (
    MAX_BYTES,
    canonical,
    decode_inline,
    decode_value,
    encode_value,
    to_json,
)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
)
KEYS = st.text() | st.integers(-(2**63), 2**63 - 1)
PLAIN = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=30
)
COLUMNS = {
    "flag": st.booleans(),
    "whole": st.integers(-(2**63), 2**63 - 1),
    "real": st.floats(),
    "text": st.text() | st.none(),
    "at": st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1)),  # noqa: DTZ001 - made UTC
}


def shuffled(value: Any) -> Any:
    """Give the same value with every mapping in the opposite order."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


@given(PLAIN)
def test_plain_values_come_back_as_they_were(value: object) -> None:
    back = decode_value(encode_value(value))
    assert back == value
    assert list(map(type, _leaves(back))) == list(map(type, _leaves(value)))


def _leaves(value: object) -> list[object]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [value]


@given(PLAIN)
def test_equal_values_have_one_canonical_form(value: object) -> None:
    first, second = encode_value(value), encode_value(shuffled(value))
    assert canonical(first) == canonical(second)
    assert decode_value(canonical(first)) == value


@given(PLAIN)
def test_every_value_can_be_said_in_json(value: object) -> None:
    json.dumps(to_json(encode_value(value)), allow_nan=False)


def test_a_record_keeps_the_order_of_keys() -> None:
    assert list(decode_value(encode_value({"b": 1, "a": 2}))) == ["b", "a"]


def test_nan_and_infinities_are_kept_and_are_null_in_json() -> None:
    encoded = encode_value([math.nan, math.inf, -math.inf, -0.0])
    back = decode_value(encoded)
    assert math.isnan(back[0])
    assert back[1:] == [math.inf, -math.inf, 0.0]
    assert math.copysign(1, back[3]) == -1
    assert to_json(encoded) == [None, None, None, -0.0]
    assert canonical(encode_value(-math.nan)) == canonical(encode_value(math.nan))


class Level(enum.StrEnum):
    HIGH = "high"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ((1, (2,)), [1, [2]]),
        (dt.date(2018, 11, 23), "2018-11-23"),
        (dt.datetime(2018, 11, 23, 18, tzinfo=dt.UTC), "2018-11-23T18:00:00Z"),
        (
            dt.datetime(2018, 11, 23, 13, tzinfo=dt.timezone(dt.timedelta(hours=-5))),
            "2018-11-23T18:00:00Z",
        ),
        (pd.Timestamp("2018-11-23 13:00", tz="America/New_York"), "2018-11-23T18:00:00Z"),
        (pd.Timestamp("2018-11-23"), "2018-11-23T00:00:00"),
        (np.datetime64("2018-11-23T18:00:00.250"), "2018-11-23T18:00:00.25Z"),
        (np.datetime64("2018-11-23"), "2018-11-23"),
        (np.datetime64("NaT", "us"), None),
        (pd.NaT, None),
        (pd.NA, None),
        (np.float64(1.5), 1.5),
        (np.float32(0.5), 0.5),
        (np.int8(-3), -3),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.bool_(True), True),  # noqa: FBT003 - numpy takes it so
        (np.str_("x"), "x"),
        (np.array(2.5), 2.5),
        (Level.HIGH, "high"),
        (bytearray(b"ab"), b"ab"),
        (MappingProxyType({"a": 1}), {"a": 1}),
        ({dt.date(2018, 1, 2): 1, np.int64(3): 2}, {"2018-01-02": 1, 3: 2}),
    ],
)
def test_values_of_other_types_become_plain(value: object, plain: object) -> None:
    back = decode_value(encode_value(value))
    assert back == plain
    assert type(back) is type(plain)


def _cycle() -> list[object]:
    inner: list[object] = []
    inner.append({"again": inner})
    return inner


def _deep() -> object:
    value: object = 0
    for _ in range(65):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "path", "what"),
    [
        ({"a": [1, {2, 3}]}, "data.a[1]", "type set"),
        ({"a": {"b": object()}}, "data.a.b", "type object"),
        (Decimal(1), "data", "type decimal.Decimal"),
        (dt.timedelta(1), "data", "type datetime.timedelta"),
        (1 + 2j, "data", "type complex"),
        (np.complex128(1), "data", "complex128"),
        (np.timedelta64(1, "D"), "data", "timedelta64"),
        (2**64, "data", "beyond 64 bits"),
        ({(1, 2): 3}, "data.(1, 2)", "key of type tuple"),
        ({None: 3}, "data.None", "key of type NoneType"),
        ({1.5: 3}, "data.1.5", "key of type float"),
        ({True: 3}, "data.True", "key of type bool"),
        ({"2018-01-02": 1, dt.date(2018, 1, 2): 2}, "data.2018-01-02", "second key"),
        (_cycle(), "data[0].again", "contains itself"),
        (_deep(), "data" + "[0]" * 64, "more than 64 deep"),
        (b"x" * (MAX_BYTES + 1), "data", "67,108,870 bytes"),
        (pd.DataFrame({"c": pd.Categorical(["a"])}), "data.c", "dtype category"),
        (pd.DataFrame({"c": [1, "a"]}), "data.c[0]", "type int among text"),
        (pd.DataFrame({"c": [1, None]}, dtype="Int64"), "data.c", "dtype Int64"),
        (pd.Series(pd.to_timedelta([1], unit="D")), "data", "dtype timedelta64"),
        (np.array([1j]), "data", "dtype complex128"),
        (np.array([object()]), "data[0]", "type object among text"),
        (
            pd.Series(pd.DatetimeIndex(["2018-01-01"], tz="America/New_York")),
            "data",
            "zone America/New_York",
        ),
    ],
)
def test_what_is_not_plain_is_refused_by_key_and_type(value: object, path: str, what: str) -> None:
    with pytest.raises(ContractError) as refused:
        encode_value(value, "data")
    assert refused.value.where == path
    assert what in refused.value.message
    assert refused.value.remedy


def test_the_same_value_twice_is_not_a_cycle() -> None:
    shared = [1]
    assert decode_value(encode_value([shared, shared])) == [[1], [1]]


@given(st.data(), st.integers(0, 12))
def test_frames_come_back_as_they_were(data: st.DataObject, rows: int) -> None:
    columns = {
        name: data.draw(st.lists(cells, min_size=rows, max_size=rows), label=name)
        for name, cells in COLUMNS.items()
    }
    frame = pd.DataFrame(columns).astype({"flag": bool, "whole": "int64", "real": "float64"})
    frame["text"] = frame["text"].astype(data.draw(st.sampled_from(["str", object, "string"])))
    frame["at"] = pd.to_datetime(frame["at"], utc=True)
    index = data.draw(st.sampled_from([None, "whole", "at", "text", ["whole", "text"]]))
    if index is not None:
        frame = frame.set_index(index)
    frame.attrs["provenance"] = {"asked": "SPY", "rows": rows}
    encoded = encode_value({"f": frame})
    back = decode_value(encoded)["f"]
    pd.testing.assert_frame_equal(back, frame)
    assert back.attrs == frame.attrs
    assert canonical(encoded) == canonical(encode_value({"f": back}))


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype="int16").reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(3, dtype=">f8"),
        np.arange(10)[::3],
        np.array([True, False]),
        np.array(["a", "bc"]),
        np.array(["2018-01-01", "NaT"], dtype="M8[D]"),
        np.zeros((0, 4)),
    ],
)
def test_arrays_come_back_as_they_were(array: np.ndarray[Any, Any]) -> None:
    back = decode_value(encode_value(array))
    np.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype.newbyteorder("=")
    assert not back.flags.writeable


def test_a_series_keeps_name_index_and_order() -> None:
    series = pd.Series([3.0, 1.0], index=pd.Index(["b", "a"], name="key"), name="s")
    pd.testing.assert_series_equal(decode_value(encode_value(series)), series)
    objects = pd.Series(["x", None], dtype=object)
    pd.testing.assert_series_equal(decode_value(encode_value(objects)), objects)


def test_columns_of_several_levels_and_repeated_names_are_kept() -> None:
    many = pd.DataFrame(
        [[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "x"), ("b", "y")], names=["p", "q"])
    )
    pd.testing.assert_frame_equal(decode_value(encode_value(many)), many)
    twice = pd.DataFrame([[1, 2.5]], columns=["a", "a"])
    pd.testing.assert_frame_equal(decode_value(encode_value(twice)), twice)
    empty = pd.DataFrame()
    pd.testing.assert_frame_equal(decode_value(encode_value(empty)), empty)


def test_a_frame_that_was_received_can_be_written_to() -> None:
    back = decode_value(encode_value(pd.DataFrame({"a": [1.0], "b": [2.0]})))
    back.loc[0, "a"] = 5.0
    assert back["a"].iloc[0] == 5.0


def test_frames_differ_in_canonical_form_when_a_cell_differs() -> None:
    one, other = pd.DataFrame({"a": [1.0]}), pd.DataFrame({"a": [1.0 + 2**-52]})
    assert canonical(encode_value(one)) != canonical(encode_value(other))
    assert len(canonical(encode_value(pd.DataFrame({"a": np.zeros(1000)})))) < 64


def test_a_frame_in_json_says_rows_columns_and_hash() -> None:
    said = to_json(encode_value({"f": pd.DataFrame({"a": [1], "b": [2]}), "raw": b"\x00"}))
    assert said["raw"] == "AA=="
    assert (said["f"]["frame"]["rows"], said["f"]["frame"]["columns"]) == (1, ["a", "b"])
    assert len(said["f"]["frame"]["sha256"]) == 64


def test_an_inline_plugin_gets_no_frames() -> None:
    assert decode_inline(encode_value([1])) == [1]
    with pytest.raises(ContractError, match="isolation: isolated"):
        decode_inline(encode_value({"f": pd.DataFrame({"a": [1]})}))


@given(st.binary(max_size=64))
def test_bytes_that_are_no_value_are_a_contract_error(data: bytes) -> None:
    try:
        decode_value(data)
    except ContractError as refused:
        assert refused.message  # noqa: PT017 - most bytes are a value
    except (KeyError, TypeError, ValueError, IndexError) as leaked:
        pytest.fail(f"{data!r} leaked {leaked!r}")


def test_the_service_can_use_it_without_numpy() -> None:
    code = (
        "import sys; from optifire.workers.wire import *; import optifire.workers.pooled;"
        "import optifire.workers.inline;"
        "to_json(canonical(encode_value({'a': [1, 2.5, None]})));"
        "sys.exit(bool({'numpy', 'pandas'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
