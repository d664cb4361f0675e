"""Values of a ledger that was opened: the large ones lie in files from the start."""

from __future__ import annotations

from datetime import UTC, datetime

from optifire.core.ledger import ContextValue
from optifire.core.types import Encoded, PluginId, RunId
from optifire.workers.kept import in_files
from optifire.workers.sealed import SHARE_FROM, file_of
from optifire.workers.wire import encode_value

DUE = datetime(2018, 11, 23, 18, tzinfo=UTC)
LARGE = encode_value(bytes(SHARE_FROM))


def value(name: str, key: str, encoded: Encoded, run: str = "a@1") -> ContextValue:
    return ContextValue(name, PluginId("a"), key, RunId(run), DUE, 0, encoded)


def test_one_file_stands_for_a_value_under_all_its_names() -> None:
    full, bare, other, small = in_files(
        [
            value("a.frame", "frame", LARGE),
            value("frame", "frame", Encoded(bytes(LARGE))),
            value("a.other", "other", LARGE),
            value("a.small", "small", encode_value(1)),
        ]
    )
    assert file_of(full.value) is not None
    assert file_of(bare.value) is file_of(full.value)
    assert file_of(other.value) is not file_of(full.value)
    assert small.value == encode_value(1)
    assert {bytes(each.value) for each in (full, bare, other)} == {bytes(LARGE)}
