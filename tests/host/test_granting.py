"""Permissions: what a plugin declares, what the operator grants, and what then holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from optifire.core.errors import ConfigError
from optifire.core.job import Effect
from optifire.core.permissions import NOTHING, Grants
from optifire.core.types import PluginId
from optifire.host.findings import Level
from optifire.host.granting import Reserved, grants_of
from optifire.host.validate import RULES, Subject, validate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from optifire.host.catalog import Catalog
    from tests.host.conftest import World

A = PluginId("a")


def entry(permissions: Sequence[object], more: str = "") -> str:
    said = ", ".join(f"'{each}'" if isinstance(each, str) else str(each) for each in permissions)
    return f"plugins:\n  a:\n    enabled: true\n    permissions: [{said}]\n{more}"


async def made(world: World, declared: Sequence[str], granted: Sequence[object]) -> Catalog:
    world.plugin("a", metadata={"permissions": list(declared)})
    world.features(entry(granted))
    return await world.catalog()


def notes(catalog: Catalog) -> list[tuple[Level, str]]:
    found = [each for each in catalog.findings if each.rule == "permissions"]
    return [(each.level, each.message) for each in found]


@pytest.mark.row("P147")
async def test_what_holds_is_what_is_declared_and_granted(world: World) -> None:
    declared = ["network:*.example.com", "network:8080", "subprocess"]
    catalog = await made(world, declared, ["network:api.example.com:443", "network:8080"])
    assert catalog.jobs[A].grants == Grants(hosts=("api.example.com:443",), ports=(8080,))
    assert notes(catalog) == [
        (Level.NOTE, "declares subprocess, which is not granted: it runs without")
    ]


async def test_a_plugin_that_says_nothing_is_granted_nothing(world: World) -> None:
    world.plugin("a")
    world.features("plugins: {a: {enabled: true}}\n")
    catalog = await world.catalog()
    assert catalog.jobs[A].grants == NOTHING
    assert notes(catalog) == []


async def test_a_grant_that_nobody_asked_for_changes_nothing_and_is_told_with_its_line(
    world: World,
) -> None:
    catalog = await made(world, [], ["subprocess"])
    assert catalog.jobs[A].grants == NOTHING
    (found,) = [each for each in catalog.findings if each.rule == "permissions"]
    assert (found.level, found.remedy) == (Level.WARNING, "Remove it")
    assert "features.yaml:4" in found.where
    assert found.message.startswith("subprocess is granted, and the plugin does not declare it")


@pytest.mark.parametrize("granted", ["netwrok:example.com", 443, "fs:read:data"])
async def test_a_grant_that_does_not_parse_stops_its_plugin_with_the_line(
    world: World, granted: object
) -> None:
    world.plugin("b")
    world.plugin("a", metadata={"permissions": ["trade"]})
    world.features(entry(["trade"], f"  b: {{enabled: true, permissions: ['{granted}']}}\n"))
    catalog = await world.catalog()
    assert "features.yaml:5" in catalog.find("b").reason
    assert "ermission" in catalog.find("b").reason
    assert set(catalog.jobs) == {"a"}


async def test_a_declaration_that_does_not_parse_is_told_by_validate(world: World) -> None:
    folder = world.plugin("a", metadata={"permissions": ["fs:reads:/srv/x"]})
    world.features("plugins: {a: {enabled: true}}\n")
    catalog = await world.catalog()
    listed = catalog.find("a")
    assert listed.candidate is not None
    found = validate(Subject(listed.candidate, listed), RULES)
    (error,) = [each for each in found if each.level is Level.ERROR]
    assert str(folder / "impl.py") in error.where
    assert "permissions" in error.where
    assert "Did you mean fs:read:<path>?" in error.remedy


@pytest.mark.parametrize("key", ["permissions: [trade]", "source: builtin"])
async def test_a_plugin_cannot_grant_itself_anything(world: World, key: str) -> None:
    folder = world.plugin("a", metadata={"permissions": ["trade"]})
    (folder / "defaults.yaml").write_text(f"{key}\n")
    world.features("plugins: {a: {enabled: true}}\n")
    reason = (await world.catalog()).find("a").reason
    assert f"a plugin cannot decide {key.partition(':')[0]} for itself" in reason
    assert "defaults.yaml:1" in reason


async def test_a_plan_cannot_grant_anything(world: World) -> None:
    world.plugin("a", plan={"schedule": "@manual", "permissions": ["trade"]})
    world.features("plugins: {a: {enabled: true}}\n")
    assert "permissions" in (await world.catalog()).find("a").reason


async def test_defaults_for_every_plugin_grant_nothing(world: World) -> None:
    world.features("defaults: {permissions: [trade]}\nplugins: {}\n")
    with pytest.raises(ConfigError, match="permissions"):
        await world.catalog()


@pytest.mark.row("P147")
async def test_who_may_trade_is_never_run_twice(world: World) -> None:
    world.plugin("a", metadata={"permissions": ["trade"]})
    world.features(entry(["trade"], "    effect: pure\n"))
    catalog = await world.catalog()
    assert catalog.jobs[A].effect is Effect.EFFECTFUL
    (found,) = [each for each in catalog.findings if each.rule == "effect"]
    assert "features.yaml:5" in found.where
    world.features("plugins: {a: {enabled: true, effect: pure}}\n")
    assert (await world.catalog()).jobs[A].effect is Effect.PURE


@pytest.mark.parametrize("how", ["read", "write"])
@pytest.mark.parametrize("path", ["", "/configs", "/configs/secrets.env", "/data/paper.db", "/.."])
async def test_what_the_service_keeps_to_itself_cannot_be_granted(
    world: World, how: str, path: str
) -> None:
    root = str(world.home.root) if path != "/.." else str(world.home.root.parent)
    word = f"fs:{how}:{root}{path.removesuffix('/..')}"
    catalog = await made(world, [word], [word])
    assert "the service keeps" in catalog.find("a").reason
    assert catalog.jobs == {}


async def test_a_link_to_what_the_service_keeps_is_refused_too(world: World) -> None:
    link = world.home.root / "aside"
    link.symlink_to(world.home.configs)
    catalog = await made(world, [f"fs:read:{link}"], [f"fs:read:{link}"])
    assert "the service keeps" in catalog.find("a").reason


def test_code_may_be_read_and_never_written(world: World, tmp_path: Path) -> None:
    world.features("plugins: {a: {enabled: true}}\n")
    code = tmp_path / "strategies"
    code.mkdir()
    kept = Reserved(code=(str(code),))
    said = {"permissions": [f"fs:read:{code}", f"fs:write:{code}"]}
    assert held(world, said, [f"fs:read:{code}"], kept).read == (str(code),)
    with pytest.raises(ConfigError, match=r"keeps .*strategies to itself"):
        held(world, said, [f"fs:write:{code}"], kept)


def held(world: World, said: dict[str, list[str]], granted: list[str], kept: Reserved) -> Grants:
    from optifire.host.features import load_features

    world.features(entry(granted))
    found = load_features(world.home, {}).entry("a")
    return grants_of(said, found, "impl.py", kept)[0]


@pytest.mark.parametrize("kind", ["link", "below a link", "missing"])
async def test_a_path_that_leads_elsewhere_or_nowhere_grants_nothing(
    world: World, tmp_path: Path, kind: str
) -> None:
    apart = tmp_path / "apart"
    (apart / "real" / "deep").mkdir(parents=True)
    (apart / "link").symlink_to(apart / "real")
    name = {"link": "link", "below a link": "link/deep", "missing": "gone"}[kind]
    words = [f"fs:write:{apart / name}", f"fs:read:{apart / 'real'}"]
    catalog = await made(world, words, words)
    assert catalog.jobs[A].grants == Grants(read=(str(apart / "real"),))
    ((level, message),) = notes(catalog)
    assert level is Level.WARNING
    assert message.startswith(f"{apart / name} ")
    assert message.endswith("so it grants nothing")
