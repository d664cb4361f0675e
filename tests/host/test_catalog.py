"""The catalog: states, defaults, checks, and that a fault stays with its plugin."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from optifire.core.budget import Budget
from optifire.core.errors import NotFoundError
from optifire.core.job import Effect, Job, Misfire, Need, NeedMode, Overlap, Placement
from optifire.core.lifecycle import PluginState
from optifire.core.types import PluginId

if TYPE_CHECKING:
    from optifire.host.catalog import Catalog
    from tests.host.conftest import World

ON = "{enabled: true}"


def on(*ids: str, **entries: str) -> str:
    lines = [f"  {name}: {ON}" for name in ids]
    lines += [f"  {name}: {{enabled: true, {entry}}}" for name, entry in entries.items()]
    return "\n".join(["plugins:", *lines, ""])


def job(catalog: Catalog, plugin_id: str) -> Job:
    assert catalog.find(plugin_id).reason == ""
    return catalog.jobs[PluginId(plugin_id)]


def reason(catalog: Catalog, plugin_id: str) -> str:
    listed = catalog.find(plugin_id)
    assert listed.state is PluginState.ERROR
    assert PluginId(plugin_id) not in catalog.jobs
    return listed.reason


async def test_what_is_off_is_listed_and_never_asked(world: World) -> None:
    world.plugin("a")
    world.plugin("b")
    world.features(on("a"))
    catalog = await world.catalog()
    states = {each.plugin_id: (each.state, each.reason) for each in catalog.plugins.values()}
    assert states == {"a": (PluginState.ACTIVE, ""), "b": (PluginState.UNLOADED, "off")}
    assert world.describer.asked == ["a"]


async def test_a_second_start_asks_no_worker_and_a_changed_file_is_asked_again(
    world: World,
) -> None:
    world.plugin("a", plan={"schedule": ["@open", "@close-10m"]})
    world.features(on("a"))
    first = await world.catalog()
    again = world.again()
    assert (await again.catalog()).jobs == first.jobs
    assert again.describer.asked == []
    world.plugin("a", plan={"schedule": "@close"})
    assert job(await again.catalog(), "a").schedule.words == ("@close",)
    assert again.describer.asked == ["a"]


async def test_a_damaged_cache_is_made_again(world: World) -> None:
    world.plugin("a")
    world.features(on("a"))
    world.home.cache.mkdir(parents=True)
    (world.home.cache / "descriptions.msgpack").write_bytes(b"\xc1 no")
    assert job(await world.catalog(), "a").plugin_id == "a"


@pytest.mark.parametrize(
    ("category", "overlap", "seconds", "effect", "deadline"),
    [
        ("alpha", Overlap.SKIP, 60, Effect.PURE, None),
        ("risk", Overlap.BUFFER_ONE, 10, Effect.PURE, None),
        ("exec", Overlap.SKIP, 10, Effect.EFFECTFUL, 60),
        ("ml", Overlap.SKIP, 600, Effect.PURE, None),
        ("something", Overlap.SKIP, 60, Effect.PURE, None),
    ],
)
async def test_defaults_follow_the_category(
    world: World,
    category: str,
    overlap: Overlap,
    seconds: float,
    effect: Effect,
    deadline: float | None,
) -> None:
    world.plugin("a", metadata={"category": category})
    world.features(on("a"))
    made = job(await world.catalog(), "a")
    found = (made.overlap, made.timeout, made.effect, made.deadline)
    assert found == (overlap, seconds, effect, deadline)
    assert (made.retries, made.priority, made.placement) == (0, 50, Placement.ISOLATED)


async def test_the_plan_is_taken_and_features_yaml_replaces_it(world: World) -> None:
    world.plugin(
        "a",
        metadata={
            "outputs": ["x"],
            "inputs": ["market_data"],
            "est_cpu_ms": 40,
            "observes": "machine",
            "dependencies": [{"optional": "b"}],
        },
        plan={
            "schedule": "interval_5m",
            "triggers": ["news"],
            "dependencies": ["b"],
            "misfire": "skip",
            "deadline": "90s",
            "retries": 3,
            "priority": 7,
            "jitter": 2,
            "intraday": True,
            "tz": None,
        },
    )
    world.plugin("b")
    world.features(
        on("b", a="dependencies: [{after: b}], retries: 1, config: {k: [1]}, budget: {mem_mb: 9}")
    )
    made = job(await world.catalog(), "a")
    assert made.schedule.words == ("interval_5m",)
    assert made.listens == frozenset({"news"})
    assert made.needs == (Need("b", NeedMode.OPTIONAL), Need("b", NeedMode.AFTER))
    assert (made.misfire, made.deadline, made.retries) == (Misfire.SKIP, 90.0, 1)
    assert (made.priority, made.jitter, made.intraday) == (7, 2.0, True)
    assert made.budget == Budget(80.0, 9.0)
    assert made.config == {"k": [1]}
    assert made.observes_machine
    assert (made.outputs, made.inputs) == (("x",), ("market_data",))


async def test_a_plugin_with_triggers_alone_runs_on_events(world: World) -> None:
    world.plugin("a", plan={"triggers": ["news"]})
    world.plugin("b", plan={"triggers": ["market_open"]})
    world.features(on("a", "b"))
    catalog = await world.catalog()
    assert job(catalog, "a").schedule.event
    due = job(catalog, "b").schedule.next_after(datetime(2018, 1, 8, tzinfo=UTC))
    assert due is not None
    assert due.word == "market_open"


async def test_a_dependency_is_blamed_on_who_asks_for_it(world: World) -> None:
    world.plugin("a", metadata={"dependencies": ["nobody"]})
    world.plugin("good")
    world.features(on("good", a="dependencies: [good]"))
    assert reason(await world.catalog(), "a").startswith(str(world.builtin / "a" / "impl.py"))


@pytest.mark.parametrize(
    ("said", "entry", "message"),
    [
        ({"plan": {}}, "", "the plan says neither schedule nor triggers"),
        ({"plan": {"schedule": "@opne"}}, "", "'@opne' is not a schedule word"),
        ({}, "schedule: '@opne'", "features.yaml:3: plugins.a.schedule: '@opne'"),
        ({"plan": {"schedul": "@open"}}, "", "unknown key 'schedul'. Did you mean schedule?"),
        ({"plan": {"schedule": "@open", "priority": 0}}, "", "plan(): priority: 0 is out of range"),
        ({"plan": {"schedule": "@open", "jitter": 5}}, "", "jitter is never on session words"),
        ({"metadata": {"category": "exec"}}, "overlap: allow_all", "exec may not overlap itself"),
        ({"metadata": {"plugin_id": "other"}}, "", "describe() says the id 'other'"),
        ({}, "calendar: XMARS", "features.yaml:3: plugins.a.calendar: no calendar 'XMARS'"),
        ({}, "tz: Mars/Base", "features.yaml:3: plugins.a.tz: 'Mars/Base' is not a time zone"),
        ({}, "config: {key: '${NOT_SET}'}", "the variable 'NOT_SET' is not set"),
        ({"metadata": {"dependencies": [{"needs": 3}]}}, "", "is not a dependency"),
        ({"plan": {"schedule": "@open", "dependencies": ["b_"]}}, "", "nobody provides 'b_'"),
        ({}, "dependencies: [nobody]", "features.yaml:3: plugins.a.dependencies: nobody provides"),
        ({"metadata": {"dependencies": ["a"]}}, "", "dependency cycle a -> a"),
        ({"metadata": {"requires": ["no-such-package>=1"]}}, "", "is not installed"),
        ({"metadata": {"supported_platforms": ["plan9"]}}, "", "it runs on plan9 only"),
        ({"metadata": {"est_cpu_ms": "fast"}}, "", "describe() says est_cpu_ms='fast'"),
        ({"metadata": {"est_mem_mb": 0}}, "", "Give est_mem_mb as a number above 0"),
        ({"metadata": {"outputs": ["x", 3]}}, "", "Give outputs as a list of texts"),
        ({"metadata": {"observes": "sky"}}, "", "describe() says observes='sky'"),
        ({"metadata": {"min_version": "99"}}, "", "it needs OptiFIRE 99 or later"),
        ({"metadata": {"api_version": "7"}}, "", "it speaks api_version 7"),
    ],
)
async def test_a_plugin_at_fault_has_a_reason_and_the_rest_goes_on(
    world: World, said: dict[str, object], entry: str, message: str
) -> None:
    world.plugin("a", **said)
    world.plugin("good")
    world.features(on("good", a=entry or "priority: 3"))
    catalog = await world.catalog()
    assert message in reason(catalog, "a")
    assert job(catalog, "good").plugin_id == "good"
    assert [finding.level for finding in catalog.errors] == ["error"]


async def test_a_syntax_error_names_its_file_and_line(world: World) -> None:
    folder = world.plugin("a")
    (folder / "impl.py").write_text("{\n'plan': ]}")
    world.features(on("a"))
    assert f"{folder / 'impl.py'}:2" in reason(await world.catalog(), "a")


async def test_an_enabled_plugin_that_nobody_has_is_an_error_with_the_nearest_id(
    world: World,
) -> None:
    world.plugin("fe_garch")
    file = world.features("plugins:\n  fe_garhc: {enabled: true}\n  gone: {enabled: false}\n")
    catalog = await world.catalog()
    said = reason(catalog, "fe_garhc")
    assert said.startswith(f"{file}:2: plugins.fe_garhc: no plugin has the id")
    assert "Did you mean fe_garch?" in said
    assert catalog.find("gone").state is PluginState.UNLOADED
    with pytest.raises(NotFoundError, match="fe_garch"):
        catalog.find("fe_garc")


async def test_the_same_id_from_two_sources_is_an_error_until_source_picks_one(
    world: World,
) -> None:
    world.plugin("a", plan={"schedule": "@open"})
    world.plugin("a", "mine", plan={"schedule": "@close"})
    world.features("plugin_paths: [mine]\n" + on("a"))
    assert "two sources have this id" in reason(await world.catalog(), "a")
    world.features("plugin_paths: [mine]\n" + on(a="source: mine"))
    made = job(await world.catalog(), "a")
    assert made.schedule.words == ("@close",)
    assert made.code.origin == str(world.home.root / "mine")


async def test_an_off_producer_is_asked_only_when_a_name_is_open(world: World) -> None:
    world.plugin("fe_garch", metadata={"outputs": ["vol"]})
    world.plugin("user", metadata={"dependencies": ["vol"]})
    world.features(on("user"))
    catalog = await world.catalog()
    (edge,) = catalog.graph.edges[PluginId("user")]
    assert (edge.producer, edge.off, edge.why) == ("fe_garch", True, "fe_garch is off")
    assert sorted(world.describer.asked) == ["fe_garch", "user"]
    assert catalog.find("fe_garch").state is PluginState.UNLOADED


async def test_a_load_error_of_one_does_not_silence_those_who_need_it(world: World) -> None:
    world.plugin("broken", metadata={"outputs": ["vol"]}, plan={"schedule": "@opne"})
    world.plugin("user", metadata={"dependencies": ["vol", "broken"]})
    world.features(on("broken", "user"))
    catalog = await world.catalog()
    edges = catalog.graph.edges[PluginId("user")]
    assert [edge.why for edge in edges] == ["broken is not loaded"] * 2


async def test_inline_takes_effect_for_bundled_plugins_whose_operator_says_so(
    world: World,
) -> None:
    world.plugin("wishes", plan={"schedule": "@open", "isolation": "inline"})
    world.plugin("told")
    world.plugin("mine_own", "mine")
    world.features(
        "plugin_paths: [mine]\n"
        + on("wishes", told="isolation: inline", mine_own="isolation: inline")
    )
    catalog = await world.catalog()
    assert job(catalog, "wishes").placement is Placement.ISOLATED
    assert job(catalog, "told").placement is Placement.INLINE
    assert job(catalog, "mine_own").placement is Placement.ISOLATED
    (finding,) = [each for each in catalog.findings if each.rule == "isolation"]
    assert finding.where.endswith("features.yaml:5: plugins.mine_own.isolation")


async def test_what_must_live_on_is_resident_whatever_else_is_asked(world: World) -> None:
    world.plugin("hooked", hooks=("start", "handle_event"))
    world.plugin("stream", plan={"schedule": "@continuous"})
    world.plugin("asked")
    world.features(on("stream", hooked="isolation: isolated", asked="isolation: resident"))
    catalog = await world.catalog()
    for plugin_id in ("hooked", "stream", "asked"):
        assert job(catalog, plugin_id).placement is Placement.RESIDENT
    assert job(catalog, "hooked").hooks == ("start", "handle_event")
    assert job(catalog, "hooked").handles_events
    (finding,) = [each for each in catalog.findings if each.rule == "isolation"]
    assert finding.message == (
        "isolation: isolated has no effect, since it has start(); it runs resident"
    )


async def test_a_plugins_own_default_file_lies_below_features_yaml(world: World) -> None:
    folder = world.plugin("a")
    (folder / "defaults.yaml").write_text("priority: 9\nconfig: {window: 5, keep: 1}\n")
    world.features(on(a="config: {window: 6}"))
    made = job(await world.catalog(), "a")
    assert (made.priority, made.config) == (9, {"window": 6, "keep": 1})
    (folder / "defaults.yaml").write_text("enabled: true\n")
    assert "a plugin cannot decide enabled for itself" in reason(await world.catalog(), "a")


async def test_exec_is_never_retried_and_lint_says_so(world: World) -> None:
    world.plugin("a", metadata={"category": "exec"})
    world.features(on(a="retries: 2"))
    catalog = await world.catalog()
    assert job(catalog, "a").retries == 0
    assert "exec is never retried" in catalog.findings[0].message


async def test_variables_are_filled_into_the_job_and_not_into_its_hash(world: World) -> None:
    world.plugin("a")
    world.features(on(a="config: {key: '${TOKEN}'}"))
    world.environ = {"TOKEN": "one"}
    first = job(await world.catalog(), "a")
    world.environ = {"TOKEN": "two"}
    second = job(await world.catalog(), "a")
    assert (first.config["key"], second.config["key"]) == ("one", "two")
    assert first.config_hash == second.config_hash


async def test_a_manifest_must_agree_with_describe(world: World) -> None:
    folder = world.plugin("a", metadata={"outputs": ["x"]})
    (folder / "plugin.yaml").write_text("id: a\nversion: '1.0'\noutputs: [x]\n")
    world.features(on("a"))
    assert job(await world.catalog(), "a").version == "1.0"
    (folder / "plugin.yaml").write_text("version: '2.0'\n")
    assert "the manifest says version '2.0'" in reason(await world.catalog(), "a")


async def test_a_folder_that_is_missing_is_told(world: World) -> None:
    world.features("plugin_paths: [gone]\nplugins:\n")
    (finding,) = (await world.catalog()).errors
    assert "there is no folder" in finding.message
    assert Path(finding.where).name == "gone"
