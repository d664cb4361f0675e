"""Permissions: words, what they come to, and what two lists of them have in common."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optifire.core.errors import ConfigError
from optifire.core.hosts import parse_host
from optifire.core.permissions import NOTHING, Grants, common, parse_grants, within

WHERE = "features.yaml:7: plugins.a.permissions"

labels = st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True)
names = st.lists(labels, min_size=2, max_size=4).map(".".join)
addresses = st.one_of(st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map("[{}]".format))
bare = st.one_of(names, addresses, names.map("*.{}".format))
ports = st.integers(1, 65535)
hosts = st.one_of(bare, st.builds("{}:{}".format, bare, ports))
segments = st.text("abc .-_~", min_size=1, max_size=3).filter(lambda each: each not in {".", ".."})
paths = st.lists(segments, min_size=1, max_size=4).map(lambda each: "/" + "/".join(each))
secrets = st.from_regex(r"[A-Z][A-Z_0-9]{0,8}", fullmatch=True)
words = st.one_of(
    hosts.map("network:{}".format),
    ports.map("network:{}".format),
    paths.map("fs:read:{}".format),
    paths.map("fs:write:{}".format),
    secrets.map("secrets:{}".format),
    st.sampled_from(["trade", "subprocess"]),
)
grants = st.lists(words, max_size=8).map(lambda each: parse_grants(each, where=""))


def test_every_form_is_read() -> None:
    found = parse_grants(
        [
            "network:API.Example.com", "network:*.example.org:443", "network:[::1]:8080",
            "network:8443", "network:53", "fs:read:/srv/prices", "fs:write:/srv/out put",
            "secrets:POLYGON_KEY", "subprocess", "trade", "trade",
        ],
        where=WHERE,
    )  # fmt: skip
    assert found == Grants(
        read=("/srv/prices",),
        write=("/srv/out put",),
        ports=(53, 8443),
        hosts=("*.example.org:443", "[::1]:8080", "api.example.com"),
        subprocess=True,
        secrets=("POLYGON_KEY",),
        trade=True,
    )


def test_no_permission_grants_nothing() -> None:
    assert parse_grants((), where=WHERE) == NOTHING
    assert not NOTHING
    assert Grants(trade=True)


@pytest.mark.parametrize(
    ("word", "remedy"),
    [
        ("netwrok:example.com", "Did you mean network:<host> or network:<host>:<port>"),
        ("net:example.com", "Did you mean network:<host>"),
        ("https://example.com", "Did you mean network:<host>"),
        ("fs:/srv/prices", "Did you mean fs:read:<path>?"),
        ("read:/srv/prices", "Did you mean fs:read:<path>?"),
        ("secret:KEY", "Did you mean secrets:<name>?"),
        ("subproces", "Did you mean subprocess?"),
        ("Trade", "Did you mean trade?"),
        ("trades", "Did you mean trade?"),
        ("everything", "Permissions are network:<host>, "),
        ("", "Permissions are "),
        (443, "Permissions are "),
    ],
)
def test_a_word_that_is_none_is_named_with_place_and_near_words(word: str, remedy: str) -> None:
    with pytest.raises(ConfigError, match="is not a permission") as raised:
        parse_grants(["trade", word], where=WHERE)
    assert raised.value.where == WHERE
    assert raised.value.remedy.startswith(remedy)


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("network:", "no host name"),
        ("network:0", "no port"),
        ("network:65536", "no port"),
        ("network:example.com:", "no port"),
        ("network:example.com:http", "no port"),
        ("network:example.com/path", "no host name"),
        ("network:user@example.com", "no host name"),
        ("network:exa mple.com", "no host name"),
        ("network:example..com", "no host name"),
        ("network:-a.com", "no host name"),
        ("network:bücher.example", "xn-- form"),
        ("network:*", "stands for names below a domain only"),
        ("network:*.com", "a domain with a dot in it"),
        ("network:*.127.0.0.1", "a domain with a dot in it"),
        ("network:api.*.com", "stands for names below a domain only"),
        ("network:127.1", "write all of it"),
        ("network:0x7f.0.0.1", "write all of it"),
        ("network:127.0.0.0x1", "write all of it"),
        ("network:2130706433.1", "write all of it"),
        ("network:010.0.0.1", "write all of it"),
        ("network:::1", "stands in brackets"),
        ("network:[::1", "stands in brackets"),
        ("network:[example.com]", "brackets are for IPv6"),
        ("network:[fe80::1%eth0]", "no network interface"),
        ("fs:read:", "absolute"),
        ("fs:read:prices", "absolute"),
        ("fs:read:~/prices", "absolute"),
        ("fs:read:$HOME/prices", "absolute"),
        ("fs:read:/", "would be everything"),
        ("fs:read:/srv/../etc", "stands as it is"),
        ("fs:read:/srv/..", "stands as it is"),
        ("fs:read:/srv/./x", "stands as it is"),
        ("fs:read:/srv/x/", "stands as it is"),
        ("fs:read://srv/x", "stands as it is"),
        ("fs:read:/srv//x", "stands as it is"),
        ("fs:write:/srv/*.csv", "no patterns"),
        ("fs:write:/srv/a\nb", "no patterns"),
        ("fs:write:/srv/a\0b", "no patterns"),
        ("secrets:", "a secret's name"),
        ("secrets:../x", "a secret's name"),
        ("trade:all", "nothing follows it"),
        ("subprocess:ls", "nothing follows it"),
    ],
)
def test_what_follows_a_kind_must_be_plain_and_whole(word: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as raised:
        parse_grants([word], where=WHERE)
    assert repr(word) in raised.value.message
    assert raised.value.where == WHERE
    assert raised.value.remedy.startswith("Write ")


@given(grants)
def test_a_grant_says_the_words_that_it_is_read_from(one: Grants) -> None:
    assert parse_grants(one.words, where="") == one


@given(grants)
def test_what_a_grant_has_in_common_with_itself_means_what_it_meant(one: Grants) -> None:
    shared = common(one, one)
    assert common(shared, one) == shared
    assert (shared.ports, shared.secrets, shared.trade) == (one.ports, one.secrets, one.trade)
    assert (shared.read, shared.write) == (one.read, one.write)


@given(grants, grants)
def test_what_two_have_in_common_does_not_depend_on_their_order(one: Grants, other: Grants) -> None:
    assert common(one, other) == common(other, one)


@given(grants)
def test_nothing_is_in_common_with_nothing(one: Grants) -> None:
    assert common(one, NOTHING) == NOTHING


@given(st.lists(hosts, max_size=4), st.lists(hosts, max_size=4), hosts, ports)
def test_a_host_is_in_common_exactly_if_both_mean_it(
    some: list[str], others: list[str], asked: str, port: int
) -> None:
    name = parse_host(asked).name.replace("*.", "below.")
    one = parse_grants([f"network:{each}" for each in some], where="")
    other = parse_grants([f"network:{each}" for each in others], where="")
    both = one.allows_host(name, port) and other.allows_host(name, port)
    assert common(one, other).allows_host(name, port) is both


@given(st.lists(paths, max_size=4), st.lists(paths, max_size=4), paths)
def test_a_path_is_in_common_exactly_if_it_lies_in_both(
    some: list[str], others: list[str], asked: str
) -> None:
    one, other = Grants(read=tuple(some)), Grants(read=tuple(others))
    both = all(any(within(asked, each) for each in grant.read) for grant in (one, other))
    assert any(within(asked, each) for each in common(one, other).read) is both


@pytest.mark.parametrize(
    ("granted", "name", "port", "answer"),
    [
        ("example.com", "example.com", 8080, True),
        ("example.com", "api.example.com", 443, False),
        ("example.com", "notexample.com", 443, False),
        ("example.com:443", "example.com", 8443, False),
        ("*.example.com", "example.com", 443, False),
        ("*.example.com", "a.b.example.com", 443, True),
        ("*.example.com", "notexample.com", 443, False),
        ("*.example.com:443", "a.example.com", 80, False),
        ("[0:0::1]", "::1", 80, True),
        ("127.0.0.1", "127.0.0.1", 80, True),
    ],
)
def test_a_pattern_means_a_host_or_all_below_it(
    granted: str,
    name: str,
    port: int,
    answer: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert parse_grants([f"network:{granted}"], where="").allows_host(name, port) is answer


def test_the_narrower_of_two_paths_or_hosts_is_in_common() -> None:
    declared = parse_grants(["fs:read:/srv/data", "network:*.example.com:443"], where="")
    granted = parse_grants(
        ["fs:read:/srv/data/prices", "fs:read:/srv/database", "network:api.example.com"], where=""
    )
    assert common(declared, granted) == Grants(
        read=("/srv/data/prices",), hosts=("api.example.com:443",)
    )
