"""Requirements, as metadata states them."""

import sys

import pytest

from optifire.host.compat import unmet


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optifire.host.compat.version", {"some-package": "1.20.3"}.__getitem__)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("clauses", "met"),
    [
        ("", True),
        (">=1.20", True),
        (">=1.20.3,<2", True),
        (">=1.21", False),
        ("<1.20.3", False),
        ("<=1.20.3", True),
        (">1.20.3", False),
        ("==1.20.3", True),
        ("==1.20.3.0", True),
        ("==1.20.*", True),
        ("==1.2.*", False),
        ("!=1.20.*", False),
        ("!=1.3", True),
        ("~=1.20", True),
        ("~=1.20.1", True),
        ("~=1.19.1", False),
        ("[extra]>=1.2", True),
    ],
)
def test_a_version_is_compared_by_its_numbers(clauses: str, *, met: bool) -> None:
    assert (unmet(f"some-package{clauses}") == "") is met


def test_what_is_not_installed_is_named() -> None:
    assert "no-such-package is not installed" in unmet("no-such-package>=1")


def test_python_itself_is_a_requirement_too() -> None:
    assert unmet(f"python>={sys.version_info[0]}.{sys.version_info[1]}") == ""
    assert "it needs python>=99" in unmet("python>=99")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("text", ["some-package ; python_version > '3'", "some-package=1", "=="])
def test_what_cannot_be_read_is_not_taken_for_met(text: str) -> None:
    assert unmet(text)
