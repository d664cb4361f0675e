"""What a plugin's settings show of secrets."""

import pytest

from optifire.app.plugin_info import shown
from optifire.host.layers import Sourced
from optifire.ops.masking import MASK


@pytest.mark.parametrize(
    "path", [("secret",), ("params", "api_key", "value"), ("secret", "a", "b", "c")]
)
def test_a_value_is_masked_where_any_part_of_its_key_names_a_secret(path: tuple[str, ...]) -> None:
    assert shown(path, Sourced("x1y2z3", "features.yaml:3")) == MASK
    assert shown(path, Sourced(7, "features.yaml:3")) == 7


def test_a_value_under_other_keys_is_shown() -> None:
    assert shown(("params", "value"), Sourced("x1y2z3", "features.yaml:3")) == "x1y2z3"
