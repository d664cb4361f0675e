"""Changes while running: taken over as a whole or not at all, code included."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from optifire.core.errors import ConfigError
from optifire.core.types import PluginId

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from optifire.host.versions import ConfigVersion, VersionRow
    from tests.host.conftest import World

A = PluginId("a")
ON = "plugins:\n  a: {enabled: true}\n"


class Versions:
    """Keeps versions in a list."""

    def __init__(self) -> None:
        self.kept: list[tuple[ConfigVersion, datetime, str]] = []

    async def put(self, version: ConfigVersion, at: datetime, author: str) -> None:
        self.kept.append((version, at, author))

    async def list(self, limit: int) -> Sequence[VersionRow]:
        raise NotImplementedError(limit)

    async def get(self, prefix: str) -> ConfigVersion | None:
        raise NotImplementedError(prefix)


async def test_a_change_of_the_file_becomes_a_new_catalog_that_says_what_changed(
    world: World,
) -> None:
    for name in "abc":
        world.plugin(name)
    world.features("plugins:\n  a: {enabled: true}\n  b: {enabled: true}\n")
    reloader = world.reloader()
    first = await reloader.start()
    assert first.change.started == ("a", "b")
    world.features("plugins:\n  a: {enabled: true, priority: 2}\n  c: {enabled: true}\n")
    second = await reloader.reload()
    assert second.accepted
    assert (second.change.started, second.change.stopped, second.change.changed) == (
        ("c",), ("b",), ("a",),
    )  # fmt: skip
    assert first.catalog.jobs[A].priority == 50


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
async def test_an_invalid_file_keeps_the_last_good_state_and_says_line_and_reason(
    world: World, text: str, line: int
) -> None:
    world.plugin("a")
    world.features(ON)
    reloader = world.reloader()
    good = await reloader.start()
    file = world.features(text)
    refused = await reloader.reload()
    assert refused.catalog is good.catalog
    assert not refused.accepted
    assert not refused.change
    assert refused.error is not None
    assert refused.error.where.startswith(f"{file}:{line}")
    world.features(ON + "  b: {enabled: false}\n")
    assert (await reloader.reload()).error is None


async def test_nothing_changed_is_no_new_version(world: World) -> None:
    world.plugin("a")
    world.features(ON)
    (world.home.configs / "config.yaml").write_text("market: {calendar: 24/7}\n")
    versions = Versions()
    reloader = world.reloader(versions=versions)
    await reloader.start()
    assert not (await reloader.reload("me")).accepted
    world.features(ON + "# a comment is a version too\n")
    assert (await reloader.reload("me")).accepted
    authors = [author for _, _, author in versions.kept]
    assert authors == ["start", "me"]
    assert versions.kept[-1][0].texts == {
        "config.yaml": "market: {calendar: 24/7}\n",
        "features.yaml": ON + "# a comment is a version too\n",
    }


async def test_new_code_is_taken_over_and_broken_code_leaves_the_old_one_running(
    world: World,
) -> None:
    folder = world.plugin("a", "mine", plan={"schedule": "@open"})
    world.features("plugin_paths: [mine]\n" + ON)
    reloader = world.reloader()
    first = await reloader.start()
    world.plugin("a", "mine", plan={"schedule": "@close"})
    second = await reloader.reload()
    assert second.change.changed == ("a",)
    assert second.catalog.jobs[A].schedule.words == ("@close",)
    (folder / "impl.py").write_text("{ not python")
    third = await reloader.reload()
    job = third.catalog.jobs[A]
    assert job.code.checksum == second.catalog.jobs[A].code.checksum
    assert (
        "@close"
        in (world.home.cache / "code" / job.code.checksum[:32] / "a" / "impl.py").read_text()
    )
    assert job.code.folder != str(folder)
    (stale,) = third.catalog.stale
    assert f"{folder / 'impl.py'}:1" in stale.reason
    world.plugin("a", "mine", plan={"schedule": "@opne"})
    assert (await reloader.reload()).catalog.jobs[A].schedule.words == ("@close",)
    world.plugin("a", "mine", plan={"schedule": "@open"})
    healed = (await reloader.reload()).catalog
    assert healed.stale == ()
    assert healed.jobs[A].code.folder == str(folder)
    assert first.catalog.jobs[A].code.checksum == healed.jobs[A].code.checksum


async def test_code_that_is_broken_from_the_start_is_an_error(world: World) -> None:
    folder = world.plugin("a")
    (folder / "impl.py").write_text("{ not python")
    world.features(ON)
    reloader = world.reloader()
    assert A not in (await reloader.start()).catalog.jobs
    world.plugin("a")
    assert (await reloader.reload()).change.started == ("a",)


async def test_a_plugin_that_appears_while_running_can_be_switched_on(world: World) -> None:
    world.features("plugin_paths: [mine]\nplugins:\n")
    (world.home.root / "mine").mkdir()
    reloader = world.reloader()
    await reloader.start()
    assert world.home.root / "mine" in reloader.roots
    world.plugin("a", "mine")
    assert (await reloader.reload()).catalog.find("a").state == "unloaded"
    world.features("plugin_paths: [mine]\nauto_load: false\n" + ON)
    assert (await reloader.reload()).change.started == ("a",)
    assert list(reloader.roots) == [world.home.configs]


async def test_a_first_start_with_an_invalid_file_is_refused(world: World) -> None:
    world.features("plugins: [")
    with pytest.raises(ConfigError, match="is not YAML"):
        await world.reloader().start()
