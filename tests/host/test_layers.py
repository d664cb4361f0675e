"""Merging of nested values."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from optifire.host.layers import Leaves, nested, overlay

_values = st.recursive(
    st.one_of(st.integers(0, 3), st.none(), st.lists(st.integers(), max_size=2)),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
_mappings = st.dictionaries(st.sampled_from("abc"), _values, max_size=3)


def merged(*layers: dict[str, Any]) -> dict[str, Any]:
    leaves: Leaves = {}
    for layer in layers:
        for key, value in layer.items():
            overlay(leaves, (key,), value, ".".join)
    return nested(leaves)


def plainly(below: Any, above: Any) -> Any:
    """Merge by the definition: mappings merge, everything else replaces."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    both = {**below, **above}
    return {
        key: plainly(below[key], above[key]) if key in below and key in above else both[key]
        for key in both
    }


@given(_mappings)
def test_one_layer_is_itself(layer: dict[str, Any]) -> None:
    assert merged(layer) == layer


@given(_mappings, _mappings)
def test_mappings_merge_and_everything_else_replaces(
    below: dict[str, Any], above: dict[str, Any]
) -> None:
    assert merged(below, above) == plainly(below, above)


@given(_mappings, _mappings, _mappings)
def test_merging_is_associative(a: dict[str, Any], b: dict[str, Any], c: dict[str, Any]) -> None:
    assert merged(merged(a, b), c) == merged(a, b, c)
