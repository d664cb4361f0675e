"""Frames that lie in sealed files: the same as copies, and nobody's to change."""

from __future__ import annotations

import datetime as dt
import fcntl
import os
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optifire.core.errors import ContractError
from optifire.core.types import Encoded
from optifire.workers import unframed
from optifire.workers.sealed import SHARE_FROM, Sealed, adopt, file_of, share
from optifire.workers.sealing import SEALS, written
from optifire.workers.wire import canonical, decode_value, encode_shared, encode_value, to_json

COLUMNS = {
    "flag": st.booleans(),
    "byte": st.integers(-128, 127),
    "whole": st.integers(-(2**63), 2**63 - 1),
    "single": st.floats(width=32),
    "real": st.floats(),
    "text": st.text() | st.none(),
    "at": st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1)),  # noqa: DTZ001 - made UTC
}
DTYPES: dict[str, Any] = {
    "flag": bool,
    "byte": "int8",
    "whole": "int64",
    "single": "float32",
    "real": "float64",
}


def in_file(value: object) -> Encoded:
    """Give a value of any size in a sealed file."""
    return adopt(written([encode_value(value)]))


@given(st.data(), st.integers(0, 12))
def test_a_frame_in_a_file_is_the_one_that_was_written(data: st.DataObject, rows: int) -> None:
    columns = {
        name: data.draw(st.lists(cells, min_size=rows, max_size=rows), label=name)
        for name, cells in COLUMNS.items()
    }
    frame = pd.DataFrame(columns).astype(DTYPES)
    frame["text"] = frame["text"].astype(data.draw(st.sampled_from(["str", object, "string"])))
    frame["at"] = pd.to_datetime(frame["at"], utc=True)
    index = data.draw(st.sampled_from([None, "whole", "at", "text", ["whole", "text"]]))
    frame = frame if index is None else frame.set_index(index)
    value = in_file(frame)
    pd.testing.assert_frame_equal(decode_value(value), frame)
    assert bytes(value) == encode_value(frame) == encode_value(decode_value(value))
    assert canonical(value) == canonical(encode_value(frame))
    assert to_json(value) == to_json(encode_value(frame))
    inside = in_file({"a": [frame]})
    pd.testing.assert_frame_equal(decode_value(inside)["a"][0], frame)
    unframed.let_go()


def test_columns_lie_on_the_file() -> None:
    index = pd.date_range("2018-01-01", periods=9_000, freq="D", tz="UTC", name="ts")
    flags = np.arange(9_000) % 3 == 0
    frame = pd.DataFrame({"real": np.arange(9_000.0), "flag": flags, "at": index}, index=index)
    value = in_file(frame)
    held = np.frombuffer(value, dtype="u1")
    back = decode_value(value)
    for column in (back["real"], back["flag"], back["at"], back.index):
        data = column.array
        assert np.shares_memory(getattr(data, "_ndarray", data), held)
        assert np.asarray(getattr(data, "_ndarray", data)).flags.aligned


def test_what_is_written_to_one_frame_is_in_no_other() -> None:
    value = in_file(pd.DataFrame({"a": [1.0, np.nan], "b": [1, 2]}))
    first, second = decode_value(value), decode_value(value)
    first.iloc[0, 0] = 5.0
    first.loc[1, "b"] = 7
    first["b"] += 1
    first.fillna(0.0, inplace=True)  # noqa: PD002 - what is tried here
    first["c"] = 1
    assert first.to_numpy().tolist() == [[5.0, 2.0, 1.0], [0.0, 8.0, 1.0]]
    pd.testing.assert_frame_equal(second, decode_value(value))
    assert second.iloc[0, 0] == 1.0


def test_a_file_cannot_be_changed_by_who_has_its_descriptor() -> None:
    file = file_of(in_file(1))
    assert isinstance(file, Sealed)
    assert fcntl.fcntl(file.descriptor, fcntl.F_GET_SEALS) & SEALS == SEALS
    for change in (
        lambda: os.ftruncate(file.descriptor, 0),
        lambda: os.ftruncate(file.descriptor, 1 << 20),
        lambda: os.pwrite(file.descriptor, b"x", 0),
        lambda: fcntl.fcntl(file.descriptor, fcntl.F_ADD_SEALS, 0),
    ):
        with pytest.raises(PermissionError):
            change()


@pytest.mark.parametrize("size", [SHARE_FROM - 5, SHARE_FROM - 4])
def test_a_value_is_in_a_file_from_the_size_on_at_which_that_is_cheaper(size: int) -> None:
    value = encode_shared(bytes(size - 1), "value")  # four bytes stand before so many
    assert (file_of(value) is not None) == (len(value) >= SHARE_FROM)
    assert file_of(share(value)) is file_of(value)
    assert decode_value(value) == bytes(size - 1)


def test_frames_of_ledgers_from_before_columns_were_aligned_can_be_read() -> None:
    header = {
        "kind": "series",
        "rows": 2,
        "labels": ["x"],
        "name": "x",
        "index": {"names": [None], "range": [0, 2, 1]},
        "column": {"dtype": "<f8", "at": 0},
        "attrs": b"",
    }
    payload = msgspec.msgpack.encode([header, [np.array([1.0, 2.0]).tobytes()]])
    old = Encoded(msgspec.msgpack.encode(msgspec.msgpack.Ext(1, payload)))
    pd.testing.assert_series_equal(decode_value(old), pd.Series([1.0, 2.0], name="x"))
    assert to_json(old)["frame"]["rows"] == 2


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"kind": "frame"},
        {"kind": "array", "shape": [1], "column": {"dtype": "O", "at": 0}, "lengths": [8]},
        {"kind": "array", "shape": [9], "column": {"dtype": "<f8", "at": 0}, "lengths": [8]},
        {"kind": "array", "shape": [1], "column": {"dtype": "<f8", "at": 3}, "lengths": [8]},
        {"kind": "array", "shape": [1], "column": {"dtype": "<f8", "at": 0}, "lengths": [800]},
        {"kind": "array", "shape": [1], "column": {"dtype": "<f8", "at": 0}, "lengths": [-8, 8]},
    ],
)
def test_a_header_that_lies_is_a_contract_error(header: dict[str, object]) -> None:
    payload = msgspec.msgpack.encode([header, b"", bytes(8)])
    lie = Encoded(msgspec.msgpack.encode(msgspec.msgpack.Ext(1, payload)))
    for value in (lie, adopt(written([lie]))):
        with pytest.raises(ContractError):
            decode_value(value)
