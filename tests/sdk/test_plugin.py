"""What a plugin says of itself, and what it gives back."""

from collections.abc import Mapping
from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from optifire.core.errors import ContractError
from optifire.sdk import Plugin, PluginContext, PluginMetadata, PluginResult

NEEDED = {"plugin_id": "a", "version": "1.0.0", "description": "Does a."}
SEVERAL = ("keywords", "inputs", "outputs", "requires", "supported_platforms", "permissions")


@pytest.mark.parametrize("name", [*SEVERAL, "kinds", "dependencies"])
def test_lists_are_kept_as_tuples(name: str) -> None:
    made = PluginMetadata(**NEEDED, **{name: ["x", "y"]})  # type: ignore[arg-type]  # any field
    assert getattr(made, name) == ("x", "y")


@pytest.mark.parametrize("name", [*SEVERAL, "kinds", "dependencies"])
@pytest.mark.parametrize("value", ["x", b"x", {"needs": "x"}, {"x", "y"}, 7, None])
def test_what_is_not_a_list_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ContractError, match=f"a: metadata field {name} must be a list"):
        PluginMetadata.create(**NEEDED, **{name: value})


def test_metadata_never_changes() -> None:
    with pytest.raises(FrozenInstanceError):
        PluginMetadata(**NEEDED).version = "2"  # type: ignore[misc, arg-type]  # what is tried


def test_a_name_alone_serves_as_id() -> None:
    made = PluginMetadata(name="a", version="1", description="Does a.")
    assert made.plugin_id == made.name == "a"
    assert PluginMetadata(plugin_id="b", name="A b", version="1", description="d").plugin_id == "b"


@pytest.mark.parametrize("name", list(NEEDED))
def test_what_is_required_is_named_when_it_is_missing(name: str) -> None:
    with pytest.raises(ContractError, match=f"metadata lacks {name}") as caught:
        PluginMetadata.create(**{key: value for key, value in NEEDED.items() if key != name})
    assert caught.value.remedy


def test_an_unknown_field_is_named_with_the_known_ones() -> None:
    with pytest.raises(ContractError, match="a: metadata has no field schedul") as caught:
        PluginMetadata.create(**NEEDED, schedul="@open")
    assert all(one.name in caught.value.remedy for one in fields(PluginMetadata))


class Good(Plugin):
    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(**NEEDED)

    def plan(self) -> Mapping[str, Any]:
        return {"schedule": "@open"}

    async def run(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=True, data={"now": context.now})


def test_a_plugin_knows_its_metadata_from_the_start() -> None:
    assert Good().metadata.plugin_id == "a"


@pytest.mark.parametrize("name", ["describe", "plan", "run"])
def test_a_plugin_that_lacks_a_method_cannot_be_made(name: str) -> None:
    lacking = type("Lacking", (Good,), {name: getattr(Plugin, name)})
    with pytest.raises(TypeError, match=name):
        lacking()


def test_a_skipped_result_is_no_success_and_always_has_a_reason() -> None:
    assert PluginResult.skipped("market closed").skip_reason == "market closed"
    assert PluginResult.skipped("").skip_reason == "no reason given"
    assert not PluginResult.skipped("x").success


def test_results_do_not_share_their_data() -> None:
    assert PluginResult(success=True).data is not PluginResult(success=True).data
