"""The error tree: what an error says, and how one reacts to it."""

import inspect

import pytest

from optifire.core import errors
from optifire.core.errors import (
    ConfigError,
    LockedError,
    OptifireError,
    PluginFault,
    ProviderAuthenticationError,
    ProviderConnectionError,
    ProviderRateLimitError,
    StoreError,
    TransientError,
    causes,
    is_retryable,
)

ALL = [
    one
    for _, one in inspect.getmembers(errors, inspect.isclass)
    if issubclass(one, OptifireError) and one.__module__ == errors.__name__
]


@pytest.mark.parametrize("kind", ALL)
def test_every_error_says_what_where_and_what_to_do(kind: type[OptifireError]) -> None:
    error = kind("it is broken", where="a.yaml:3", remedy="Mend it")
    assert isinstance(error, OptifireError)
    assert str(error) == "a.yaml:3: it is broken. Mend it"
    assert (error.message, error.where, error.remedy) == ("it is broken", "a.yaml:3", "Mend it")
    assert str(kind("it is broken")) == "it is broken"
    assert inspect.getdoc(kind)


def test_only_transient_errors_are_worth_another_try() -> None:
    assert {one for one in ALL if one.retryable} == {
        TransientError, ProviderConnectionError, ProviderRateLimitError,
    }  # fmt: skip


def test_a_transient_error_may_say_when_to_try_again() -> None:
    assert ProviderRateLimitError("slow down", retry_after=3.5).retry_after == 3.5
    assert TransientError("later").retry_after is None


def test_an_error_is_known_by_every_reaction_it_asks_for() -> None:
    assert issubclass(LockedError, StoreError)
    assert issubclass(ProviderAuthenticationError, ConfigError)
    assert not issubclass(StoreError, PluginFault)


@pytest.mark.parametrize("link", ["__cause__", "__context__"])
def test_a_cause_that_is_worth_another_try_is_found_behind_others(link: str) -> None:
    error = ValueError("x")
    setattr(error, link, TransientError("later"))
    assert [type(one) for one in causes(error)] == [ValueError, TransientError]
    assert is_retryable(error)
    assert not is_retryable(ValueError("x"))


def test_a_ring_of_causes_ends() -> None:
    one, other = ValueError("1"), ValueError("2")
    one.__cause__, other.__cause__ = other, one
    assert list(causes(one)) == [one, other]


def test_an_attribute_that_is_only_truthy_does_not_count() -> None:
    error = ValueError("x")
    error.retryable = "no"  # type: ignore[attr-defined]  # a foreign error with a field of its own
    assert not is_retryable(error)
