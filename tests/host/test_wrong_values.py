"""How a value that does not fit is described."""

import pytest

from optifire.core.setting import Kind, Setting
from optifire.host.checks import WrongValueError, check_value, range_of

LIMIT = Setting("limit", Kind.COUNT, "", minimum=1, maximum=2**20)


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (Kind.TEXT, 5, "5 is a number, not text"),
        (Kind.TEXT, " ", "is empty text, not text"),
        (Kind.TEXT, True, "is true, not text"),
        (Kind.TEXT, None, "is nothing, not text"),
        (Kind.FLAG, "maybe", "'maybe' is text, not true or false"),
        (Kind.COUNT, [1], "is a list, not a whole number"),
    ],
)
def test_a_value_of_another_kind_is_named_with_its_own(
    kind: Kind, value: object, message: str
) -> None:
    with pytest.raises(WrongValueError) as refused:
        check_value(Setting("key", kind, ""), value)
    assert str(refused.value) == message


def test_large_numbers_are_written_out() -> None:
    assert range_of(LIMIT) == "from 1 to 1048576"
    with pytest.raises(WrongValueError, match=r"^2000000 is out of range$"):
        check_value(LIMIT, 2_000_000)
