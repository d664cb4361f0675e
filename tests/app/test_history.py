"""Changes of settings, key by key, from the versions that were accepted."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optifire.app.history import edits_of
from optifire.core.ledger import ConfigVersion

T = datetime(2026, 3, 2, 15, tzinfo=UTC)


def version(number: int, by: str = "alice (command)", **files: str) -> ConfigVersion:
    texts = {f"{name}.yaml": text for name, text in files.items()}
    return ConfigVersion(f"{number:016x}", T + timedelta(hours=number), by, texts)


def said(*versions: ConfigVersion, plugin_id: str | None = None) -> list[tuple[object, ...]]:
    """Give the changes between versions, which are given oldest first."""
    found = edits_of(versions[::-1], plugin_id)
    return [(one.by, one.file, one.key, one.before, one.after) for one in found]


@pytest.mark.row("O043")
def test_each_key_that_differs_is_one_change_with_its_author() -> None:
    first = version(0, features="plugins:\n  a: {enabled: true, budget: {cpu_ms: 5}}\n")
    second = version(1, "bob (file)", features="plugins:\n  a: {enabled: false, retries: 2}\n")
    assert said(first, second) == [
        ("bob (file)", "features.yaml", "plugins.a.budget.cpu_ms", 5, None),
        ("bob (file)", "features.yaml", "plugins.a.enabled", True, False),
        ("bob (file)", "features.yaml", "plugins.a.retries", None, 2),
    ]


def test_the_newest_change_comes_first_and_the_first_version_is_none() -> None:
    texts = [f"system: {{concurrency: {number}}}\n" for number in (2, 3, 4)]
    found = list(edits_of([version(n, config=text) for n, text in enumerate(texts)][::-1]))
    assert [(one.before, one.after) for one in found] == [(3, 4), (2, 3)]
    assert [one.at for one in found] == [T + timedelta(hours=2), T + timedelta(hours=1)]
    assert found[0].as_json()["at"] == "2026-03-02T17:00:00Z"
    assert found[0].version == f"{2:016x}"


def test_a_start_with_the_same_files_and_a_new_comment_are_no_changes() -> None:
    one, again = version(0, config="demo: {pace: 1}\n"), version(0, config="demo: {pace: 1}\n")
    assert said(one, again, version(1, config="# slow\ndemo: {pace: 1}\n")) == []


def test_a_file_that_comes_or_goes_is_told_key_by_key() -> None:
    row = {"date": "2025-01-09", "why": "mourning"}
    closed = "XNYS:\n  - {date: 2025-01-09, why: mourning}\n"
    with_file = version(1, config="", closures=closed)
    assert said(version(0, config=""), with_file) == [
        ("alice (command)", "closures.yaml", "XNYS", None, [row])
    ]
    assert said(with_file, version(2, config="")) == [
        ("alice (command)", "closures.yaml", "XNYS", [row], None)
    ]


def test_changes_of_one_plugin_are_found_by_its_id_however_it_is_written() -> None:
    first = version(0, features="environment: demo\nplugins: {Fe-Garch: {enabled: true}}\n")
    text = (
        "environment: paper\nplugins: {Fe-Garch: {enabled: false}, fe_garch_2: {enabled: true}}\n"
    )
    found = said(first, version(1, features=text), plugin_id="fe_garch")
    assert [each[2] for each in found] == ["plugins.Fe-Garch.enabled"]


@pytest.mark.parametrize(("secret", "filled"), [("hunter2", "${KEY}"), (["a", "b"], ["${KEY}"])])
def test_secrets_are_masked_on_both_sides(secret: object, filled: object) -> None:
    first = version(0, features=f"plugins: {{a: {{config: {{api_keys: {json.dumps(secret)}}}}}}}\n")
    second = version(
        1, features=f"plugins: {{a: {{config: {{api_keys: {json.dumps(filled)}}}}}}}\n"
    )
    assert said(first, second)[0][3:] == ("***", filled)


def test_a_number_is_no_secret_whatever_it_is_called() -> None:
    first = version(0, features="plugins: {a: {config: {tokens: [1, 2]}}}\n")
    second = version(1, features="plugins: {a: {config: {tokens: 3}}}\n")
    assert said(first, second)[0][3:] == ([1, 2], 3)


VALUES = st.dictionaries(
    st.sampled_from("abcd"),
    st.integers(0, 3) | st.booleans() | st.lists(st.integers(0, 2), max_size=2),
    max_size=4,
)


@given(VALUES, VALUES)
def test_changes_lead_from_the_one_version_to_the_other(
    old: dict[str, object], new: dict[str, object]
) -> None:
    texts = [f"plugins: {{x: {each!r}}}\n".replace("True", "true") for each in (old, new)]
    texts = [each.replace("False", "false") for each in texts]
    state = dict(old)
    for _, _, key, before, after in said(*(version(n, features=t) for n, t in enumerate(texts))):
        name = str(key).removeprefix("plugins.x.")
        if name == "plugins.x":
            continue  # a plugin without any setting
        assert state.get(name) == before
        if after is None:
            del state[name]
        else:
            state[name] = after
    assert {key: repr(each) for key, each in state.items()} == {
        key: repr(each) for key, each in new.items()
    }


def test_a_value_is_masked_by_its_key_and_not_by_the_name_of_its_plugin() -> None:
    text = "plugins:\n  token_bucket: {schedule: '%s', params: {secret: {value: %s}}}\n"
    found = said(
        version(0, features=text % ("@open", "one")), version(1, features=text % ("@close", "two"))
    )
    assert [(key, *values) for _, _, key, *values in found] == [
        ("plugins.token_bucket.params.secret.value", "***", "***"),
        ("plugins.token_bucket.schedule", "@open", "@close"),
    ]
