"""The sandbox as features.yaml asks for it: who gets it, who is refused, and what health says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from optifire.core.errors import SecurityError
from optifire.core.job import Placement
from optifire.core.sandboxing import OPEN, Origin, Sandboxing
from optifire.core.types import PluginId
from optifire.host.discovery import Candidate
from optifire.host.features import load_features
from optifire.host.findings import Level
from optifire.host.sandboxing import sandboxing_of

if TYPE_CHECKING:
    from pathlib import Path

    from optifire.host.catalog import Catalog
    from tests.host.conftest import World

A, MINE = PluginId("a"), PluginId("mine")


async def made(world: World, entries: str, missing: tuple[str, ...] | None = ()) -> Catalog:
    world.plugin("a")
    world.plugin("mine", "own")
    world.features(f"plugin_paths: [own]\nplugins:\n{entries}")
    world.ground = replace(world.ground, missing=missing)
    return await world.catalog()


async def test_all_but_bundled_plugins_are_sandboxed_unless_somebody_says_otherwise(
    world: World,
) -> None:
    catalog = await made(world, "  a: {enabled: true}\n  mine: {enabled: true}\n")
    assert (catalog.jobs[A].sandbox, catalog.jobs[MINE].sandbox) == (False, True)
    entries = "  a: {enabled: true, sandbox: true}\n  mine: {enabled: true, sandbox: false}\n"
    catalog = await made(world, entries)
    assert (catalog.jobs[A].sandbox, catalog.jobs[MINE].sandbox) == (True, False)
    assert catalog.degraded == ""


async def test_a_folder_runs_without_a_missing_layer_and_one_line_says_so(world: World) -> None:
    entries = "  a: {enabled: true, sandbox: true}\n  mine: {enabled: true}\n"
    catalog = await made(world, entries, ("files", "signals"))
    assert catalog.jobs[MINE].sandbox
    line = "sandbox: this machine lacks the layers files and signals; a, mine run with what there"
    assert catalog.degraded.startswith(line)
    accepted = "  a: {enabled: true}\n  mine: {enabled: true, allow_degraded: true}\n"
    assert (await made(world, accepted, ("files",))).degraded == ""


def test_an_installed_package_is_refused_unless_that_is_accepted(
    world: World, tmp_path: Path
) -> None:
    package = Candidate("a", tmp_path / "site-packages" / "a", "package a-strategies 1.0")
    assert package.whose is Origin.PACKAGE
    world.features("plugins:\n  a:\n    enabled: true\n")
    entry = load_features(world.home, {}).entry("a")
    with pytest.raises(SecurityError, match="is an installed package, and this machine") as raised:
        sandboxing_of(package, entry, ("files",))
    assert "features.yaml:3" in raised.value.where
    assert "allow_degraded: true" in raised.value.remedy
    assert sandboxing_of(package, entry, ()) == Sandboxing(laid=True)
    world.features("plugins:\n  a:\n    enabled: true\n    allow_degraded: true\n")
    entry = load_features(world.home, {}).entry("a")
    assert sandboxing_of(package, entry, ("files",)) == Sandboxing(laid=True)


async def test_a_sandboxed_plugin_is_never_inline(world: World) -> None:
    catalog = await made(world, "  a: {enabled: true, isolation: inline, sandbox: true}\n")
    assert catalog.jobs[A].placement is Placement.ISOLATED
    (found,) = [each for each in catalog.findings if each.rule == "isolation"]
    assert (found.level, "features.yaml:3" in found.where) == (Level.WARNING, True)
    catalog = await made(world, "  a: {enabled: true, isolation: inline}\n")
    assert catalog.jobs[A].placement is Placement.INLINE


async def test_a_sandbox_that_nobody_lays_is_told(world: World) -> None:
    catalog = await made(world, "  a: {enabled: true, sandbox: true}\n", None)
    (found,) = [each for each in catalog.findings if each.rule == "sandbox"]
    assert found.message == "nothing lays a sandbox here; it runs without"
    assert catalog.degraded == ""


@pytest.mark.parametrize("key", ["sandbox: false", "allow_degraded: true"])
async def test_a_plugin_decides_nothing_of_this_for_itself(world: World, key: str) -> None:
    folder = world.plugin("mine", "own")
    (folder / "defaults.yaml").write_text(f"{key}\n")
    catalog = await made(world, "  mine: {enabled: true}\n")
    assert f"cannot decide {key.partition(':')[0]} for itself" in catalog.find("mine").reason


def test_nothing_is_laid_around_what_nobody_wants_sandboxed(world: World, tmp_path: Path) -> None:
    world.features("plugins: {a: {enabled: true}}\n")
    entry = load_features(world.home, {}).entry("a")
    assert sandboxing_of(Candidate("a", tmp_path, "builtin"), entry, ("files",)) == OPEN
