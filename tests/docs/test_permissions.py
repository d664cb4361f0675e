"""The page about permissions: its words, its numbers, its examples."""

import ast
import re
from pathlib import Path

from optifire.core.permissions import FORMS, common, parse_grants
from optifire.host.documents import parse_value
from optifire.sdk.http import DEFAULT_TIMEOUT
from optifire.workers import asking, outward
from optifire.workers.fetching import KINDS
from optifire.workers.http1 import MAX_CONTENT

PAGE = (Path(__file__).parents[2] / "docs" / "permissions.md").read_text(encoding="utf-8")


def test_every_form_of_a_permission_has_its_line() -> None:
    assert set(re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)) >= set(FORMS)


def test_the_example_declares_and_grants() -> None:
    (declared,) = re.findall(r"permissions=(\[.*\])", PAGE)
    (granted,) = re.findall(r"permissions: (\[.*\])", PAGE)
    both = common(
        parse_grants(ast.literal_eval(declared), where=""),
        parse_grants(parse_value(granted), where=""),
    )
    assert both.words == ("network:api.example.com:443",)


def test_every_error_of_a_fetch_is_told() -> None:
    assert set(re.findall(r"^\| `(\w+)`[^|]*\| (?!it )", PAGE, re.MULTILINE)) >= set(KINDS)


def test_the_limits_are_those_of_the_code() -> None:
    assert f"more than {MAX_CONTENT >> 20} MB, more than {outward.MOST_REDIRECTS} redirects" in PAGE
    assert f"timeout={DEFAULT_TIMEOUT:g})" in PAGE
    told = re.search(r"At most (\d+)\s+calls of one run.*and (\d+) of all", PAGE, re.DOTALL)
    assert told is not None
    assert (int(told[1]), int(told[2])) == (asking.MOST_OPEN, outward.MOST_AT_ONCE)
