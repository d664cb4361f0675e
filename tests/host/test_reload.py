"""Changes while running: taken over as a whole or not at all, code included."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from optifire.core.errors import ConfigError
from optifire.core.types import PluginId
from optifire.host.catalog import Catalog, difference
from optifire.host.features import load_features
from optifire.host.reload import check_change, watched

if TYPE_CHECKING:
    from tests.host.conftest import World

A = PluginId("a")
ON = "plugins:\n  a: {enabled: true}\n"


async def changed(world: World, old: Catalog, text: str) -> Catalog:
    """Take a new text of features.yaml over as a service does, or raise."""
    before = load_features(world.home, {})
    world.features(text)
    after = load_features(world.home, {})
    new = await world.catalog(old)
    check_change(old, new, before, after)
    return new


async def test_a_change_of_the_file_becomes_a_new_catalog_that_says_what_changed(
    world: World,
) -> None:
    for name in "abc":
        world.plugin(name)
    world.features("plugins:\n  a: {enabled: true}\n  b: {enabled: true}\n")
    first = await world.catalog()
    assert difference(Catalog(), first).started == ("a", "b")
    text = "plugins:\n  a: {enabled: true, priority: 2}\n  c: {enabled: true}\n"
    second = await changed(world, first, text)
    change = difference(first, second)
    assert (change.started, change.stopped, change.changed) == (("c",), ("b",), ("a",))
    assert first.jobs[A].priority == 50
    assert not difference(second, await world.catalog(second))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plugins:\n  a: {enabled: tr", 2),
        ("plugins:\n  a: {enabled: true, budgt: {}}\n", 2),
        ("plugins:\n  a: {enabled: true, schedule: '@opne'}\n", 2),
        ("plugins:\n  a: {enabled: true}\n  x: {enabled: true}\n", 3),
        ("environment: demo\n" + ON, 1),
    ],
)
async def test_an_invalid_file_is_refused_with_line_and_reason(
    world: World, text: str, line: int
) -> None:
    world.plugin("a")
    file = world.features(ON)
    good = await world.catalog()
    with pytest.raises(ConfigError) as caught:
        await changed(world, good, text)
    assert caught.value.where.startswith(f"{file}:{line}")
    world.features(ON)
    assert A in (await changed(world, good, ON + "  b: {enabled: false}\n")).jobs


async def test_what_was_wrong_from_the_start_refuses_no_later_change(world: World) -> None:
    world.plugin("a")
    world.features("plugins:\n  gone: {enabled: true}\n")
    first = await world.catalog()
    second = await changed(world, first, "# moved\nplugins:\n  gone: {enabled: true}\n" + ON[9:])
    assert A in second.jobs


async def test_a_fault_of_a_plugin_refuses_no_change(world: World) -> None:
    world.plugin("a")
    world.plugin("b", plan={"schedule": "@opne"})
    world.features(ON)
    good = await world.catalog()
    new = await changed(world, good, ON + "  b: {enabled: true}\n")
    assert new.find("b").state == "error"


async def test_new_code_is_taken_over_and_broken_code_leaves_the_old_one_running(
    world: World,
) -> None:
    folder = world.plugin("a", "mine", plan={"schedule": "@open"})
    world.features("plugin_paths: [mine]\n" + ON)
    first = await world.catalog()
    world.plugin("a", "mine", plan={"schedule": "@close"})
    second = await world.catalog(first)
    assert difference(first, second).changed == ("a",)
    assert second.jobs[A].schedule.words == ("@close",)
    (folder / "impl.py").write_text("{ not python")
    third = await world.catalog(second)
    code = third.jobs[A].code
    assert code.checksum == second.jobs[A].code.checksum
    copy = world.home.cache / "code" / code.checksum[:32] / "a"
    assert code.folder == str(copy)
    assert "@close" in (copy / "impl.py").read_text()
    (stale,) = third.stale
    assert f"{folder / 'impl.py'}:1" in stale.reason
    world.plugin("a", "mine", plan={"schedule": "@opne"})
    fourth = await world.catalog(third)
    assert fourth.jobs[A].schedule.words == ("@close",)
    assert "'@opne' is not a schedule word" in fourth.stale[0].reason
    world.plugin("a", "mine", plan={"schedule": "@open"})
    healed = await world.catalog(fourth)
    assert healed.stale == ()
    assert healed.jobs[A].code == first.jobs[A].code


async def test_a_mistake_in_features_yaml_is_not_blamed_on_the_code(world: World) -> None:
    world.plugin("a", "mine", plan={"schedule": "@open"})
    world.features("plugin_paths: [mine]\n" + ON)
    first = await world.catalog()
    world.features("plugin_paths: [mine]\nplugins:\n  a: {enabled: true, schedule: '@opne'}\n")
    second = await world.catalog(first)
    assert A not in second.jobs
    assert second.stale == ()


async def test_copies_of_code_are_removed_when_no_cycle_can_run_them_any_more(
    world: World,
) -> None:
    def kept() -> set[str]:
        return {each.name for each in (world.home.cache / "code").iterdir()}

    world.plugin("a", "mine", plan={"schedule": "@open"})
    world.features("plugin_paths: [mine]\n" + ON)
    first = await world.catalog()
    world.plugin("a", "mine", plan={"schedule": "@close"})
    second = await world.catalog(first)
    both = {each.jobs[A].code.checksum[:32] for each in (first, second)}
    assert kept() == both
    await world.catalog()
    assert kept() == both, "a command beside the service has removed its code"
    await world.catalog(second)
    assert kept() == {second.jobs[A].code.checksum[:32]}


async def test_code_that_is_broken_from_the_start_is_an_error(world: World) -> None:
    folder = world.plugin("a")
    (folder / "impl.py").write_text("{ not python")
    world.features(ON)
    first = await world.catalog()
    assert A not in first.jobs
    world.plugin("a")
    assert difference(first, await world.catalog(first)).started == ("a",)


@pytest.mark.row("A076")
async def test_a_plugin_that_appears_while_running_can_be_switched_on(world: World) -> None:
    world.features("plugin_paths: [mine]\nplugins:\n")
    (world.home.root / "mine").mkdir()
    first = await world.catalog()
    features = load_features(world.home, {})
    assert watched(world.home, features, first) == (
        world.home.configs,
        world.builtin,
        world.home.root / "mine",
    )
    world.plugin("a", "mine")
    second = await world.catalog(first)
    assert second.find("a").state == "unloaded"
    text = "plugin_paths: [mine]\nauto_load: false\n" + ON
    third = await changed(world, second, text)
    assert A in third.jobs
    assert watched(world.home, load_features(world.home, {}), third) == (world.home.configs,)
