"""Names, edges, faults and order of the dependency graph."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optifire.core.graph import (
    IS_NOT_LOADED,
    Absent,
    Declaration,
    Edge,
    Graph,
    Trouble,
    build_graph,
    combine_needs,
)
from optifire.core.job import Need, NeedMode
from optifire.core.types import PluginId


def plugin(
    plugin_id: str,
    *needs: str | Need,
    outputs: tuple[str, ...] = (),
    inputs: tuple[str, ...] = (),
    priority: int = 50,
) -> Declaration:
    wanted = tuple(Need(need) if isinstance(need, str) else need for need in needs)
    return Declaration(PluginId(plugin_id), outputs, inputs, wanted, priority)


def off(plugin_id: str, *outputs: str, why: str = "is off") -> Absent:
    return Absent(PluginId(plugin_id), outputs, why)


def only_edge(graph: Graph, plugin_id: str) -> Edge:
    (edge,) = graph.edges[PluginId(plugin_id)]
    return edge


def the_fault(graph: Graph, plugin_id: str) -> str:
    (fault,) = graph.faults[PluginId(plugin_id)]
    return f"{fault.message}. {fault.remedy}"


def test_a_need_may_be_an_id_a_data_name_or_a_full_name() -> None:
    graph = build_graph(
        [
            plugin("fe_garch", outputs=("vol",)),
            plugin("a", "fe_garch"),
            plugin("b", "vol"),
            plugin("c", "fe_garch.vol"),
        ]
    )
    assert [only_edge(graph, name).producer for name in "abc"] == ["fe_garch"] * 3
    assert [only_edge(graph, name).key for name in "abc"] == [None, "vol", "vol"]
    assert graph.faults == {}


def test_ids_compare_folded() -> None:
    graph = build_graph([plugin("fe_garch"), plugin("a", "FE-Garch")])
    assert only_edge(graph, "a").producer == "fe_garch"


def test_ids_with_dots_have_full_names_too() -> None:
    graph = build_graph([plugin("my.own", outputs=("x.y",)), plugin("a", "my.own.x.y")])
    assert (only_edge(graph, "a").producer, only_edge(graph, "a").key) == ("my.own", "x.y")


def test_a_string_that_is_both_id_and_data_name_means_the_id() -> None:
    graph = build_graph(
        [plugin("regime"), plugin("other", outputs=("regime",)), plugin("a", "regime")]
    )
    assert only_edge(graph, "a") == Edge(PluginId("a"), Need("regime"), PluginId("regime"), None)


def test_inputs_that_somebody_outputs_are_needs_and_the_others_are_notes() -> None:
    graph = build_graph(
        [plugin("fe_garch", outputs=("vol",)), plugin("a", inputs=("vol", "market_data", "SPY"))],
        host_names=["market_data"],
    )
    vol, market = graph.edges[PluginId("a")]
    assert (vol.producer, vol.key, vol.need) == ("fe_garch", "vol", Need("vol"))
    assert (market.producer, market.key, market.off) == (None, "market_data", False)
    assert [(note.plugin_id, note.message) for note in graph.notes] == [
        ("a", "nobody provides input 'SPY'")
    ]


def test_an_input_does_not_tighten_what_a_dependency_says_of_the_same_value() -> None:
    loose = Need("vol", NeedMode.OPTIONAL, max_sessions=1)
    graph = build_graph([plugin("g", outputs=("vol",)), plugin("a", loose, inputs=("vol",))])
    assert only_edge(graph, "a").need == loose


def test_order_alone_leaves_the_input_a_need() -> None:
    after = Need("g", NeedMode.AFTER)
    graph = build_graph([plugin("g", outputs=("vol",)), plugin("a", after, inputs=("vol",))])
    assert [edge.need for edge in graph.edges[PluginId("a")]] == [after, Need("vol")]


def test_a_dependency_that_nobody_provides_stops_that_job_alone() -> None:
    graph = build_graph(
        [plugin("fe_garch", outputs=("vol_forecast",)), plugin("a", "vol_forecats"), plugin("b")]
    )
    assert "nobody provides 'vol_forecats'" in the_fault(graph, "a")
    assert "Did you mean vol_forecast?" in the_fault(graph, "a")
    assert graph.order == ("b", "fe_garch")


def test_the_message_names_plugins_whose_outputs_could_not_be_read() -> None:
    graph = build_graph([plugin("a", "vol")], absent=[off("fe_garch", why=IS_NOT_LOADED)])
    assert "fe_garch could not be loaded" in the_fault(graph, "a")


def test_an_optional_need_that_nobody_provides_is_a_note() -> None:
    graph = build_graph([plugin("a", Need("vol", NeedMode.OPTIONAL))])
    assert graph.order == ("a",)
    assert graph.edges[PluginId("a")] == ()
    assert [note.message for note in graph.notes] == ["nobody provides optional 'vol'"]


@pytest.mark.parametrize("name", ["fe_garch", "vol", "fe_garch.vol"])
def test_a_producer_that_is_switched_off_is_an_edge_that_says_so(name: str) -> None:
    graph = build_graph([plugin("a", name)], absent=[off("fe_garch", "vol")])
    edge = only_edge(graph, "a")
    assert (edge.producer, edge.off, edge.why) == ("fe_garch", True, "fe_garch is off")


def test_who_is_switched_on_owns_the_name_before_who_is_off() -> None:
    graph = build_graph([plugin("on", outputs=("x",)), plugin("a", "x")], absent=[off("z", "x")])
    assert only_edge(graph, "a").producer == "on"
    assert graph.owners == {"x": "on"}
    assert graph.publishes_bare("on", "x")


def test_two_producers_of_a_bare_name_are_an_error_for_who_uses_it_and_for_nobody_else() -> None:
    graph = build_graph(
        [
            plugin("one", outputs=("x",)),
            plugin("two", outputs=("x",)),
            plugin("bare", "x"),
            plugin("by_input", inputs=("x",)),
            plugin("full", "two.x"),
        ]
    )
    assert "one and two both output it" in the_fault(graph, "bare")
    assert "one.x" in the_fault(graph, "bare")
    assert "one and two both output it" in the_fault(graph, "by_input")
    assert graph.order == ("one", "two", "full")
    assert graph.ambiguous == {"x": ("one", "two")}
    assert not graph.publishes_bare("one", "x")


def test_two_producers_that_are_both_off_are_ambiguous_too() -> None:
    graph = build_graph([plugin("a", "x")], absent=[off("one", "x"), off("two", "x")])
    (fault,) = graph.faults[PluginId("a")]
    assert fault.trouble is Trouble.AMBIGUOUS


def test_every_job_of_a_cycle_has_the_path_and_the_rest_goes_on() -> None:
    graph = build_graph(
        [
            plugin("b", "a"),
            plugin("a", Need("b", NeedMode.AFTER)),
            plugin("needs_it", "b"),
            plugin("free"),
        ]
    )
    assert "dependency cycle a -> b -> a" in the_fault(graph, "a")
    assert "dependency cycle a -> b -> a" in the_fault(graph, "b")
    assert graph.order == ("free", "needs_it")
    edge = only_edge(graph, "needs_it")
    assert (edge.off, edge.why) == (True, "b is not loaded")


def test_a_job_that_needs_itself_is_a_cycle() -> None:
    graph = build_graph([plugin("a", "x", outputs=("x",))])
    assert "dependency cycle a -> a" in the_fault(graph, "a")


def test_optional_needs_close_cycles_too() -> None:
    graph = build_graph([plugin("a", Need("b", NeedMode.OPTIONAL)), plugin("b", "a")])
    assert set(graph.faults) == {"a", "b"}


def test_a_job_between_two_cycles_is_on_neither() -> None:
    graph = build_graph(
        [plugin("a", "b"), plugin("b", "a", "m"), plugin("m", "x"), plugin("x", "y"),
         plugin("y", "x")]
    )  # fmt: skip
    assert set(graph.faults) == {"a", "b", "x", "y"}
    assert graph.order == ("m",)


def test_an_edge_to_a_job_that_is_not_loaded_closes_no_cycle() -> None:
    graph = build_graph([plugin("a", "b"), plugin("b", "a", "nowhere")])
    assert set(graph.faults) == {"b"}
    assert only_edge(graph, "a").why == "b is not loaded"


def test_free_choices_of_the_order_go_by_priority_and_then_id() -> None:
    graph = build_graph(
        [plugin("c"), plugin("b"), plugin("late", priority=90), plugin("first", "c", priority=1)]
    )
    assert graph.order == ("b", "c", "first", "late")


def test_consumers_are_who_needs_anything_of_a_plugin() -> None:
    graph = build_graph(
        [plugin("g", outputs=("v",)), plugin("b", "v"), plugin("a", "g", "v"), plugin("c", "a")]
    )
    assert graph.consumers_of("g") == ("a", "b")
    assert graph.consumers_of("c") == ()


def test_what_a_later_list_says_of_a_name_replaces_what_an_earlier_said() -> None:
    aged = Need("x", max_age=timedelta(days=1))
    after = Need("x", NeedMode.AFTER)
    assert combine_needs([Need("x"), Need("y")], [aged, after]) == (aged, Need("y"), after)


# --- properties -------------------------------------------------------------------------------

_ids = [f"p{number}" for number in range(8)]


@st.composite
def declarations(draw: st.DrawFn) -> list[Declaration]:
    some = draw(st.lists(st.sampled_from(_ids), unique=True, max_size=8))
    names = st.sampled_from([*_ids, *(f"out_{name}" for name in _ids), "shared", "nowhere"])
    needs = st.builds(Need, names, st.sampled_from(list(NeedMode)))
    return [
        Declaration(
            PluginId(name),
            outputs=(f"out_{name}", *draw(st.sampled_from([(), ("shared",)]))),
            inputs=tuple(draw(st.lists(names, max_size=2))),
            needs=tuple(draw(st.lists(needs, max_size=3))),
            priority=draw(st.integers(1, 3)),
        )
        for name in some
    ]


@given(declarations())
def test_every_job_is_either_ordered_or_has_a_reason(jobs: list[Declaration]) -> None:
    graph = build_graph(jobs)
    assert sorted([*graph.order, *graph.faults]) == sorted(job.plugin_id for job in jobs)
    assert set(graph.edges) == set(graph.order)


@given(declarations())
def test_the_order_respects_every_edge(jobs: list[Declaration]) -> None:
    graph = build_graph(jobs)
    place = {plugin_id: index for index, plugin_id in enumerate(graph.order)}
    for plugin_id in graph.order:
        for edge in graph.edges[plugin_id]:
            if edge.producer in place:
                assert place[edge.producer] < place[plugin_id]
            else:
                assert edge.producer is None or edge.off


@given(declarations(), st.randoms(use_true_random=False))
def test_the_answer_does_not_depend_on_the_order_of_the_question(
    jobs: list[Declaration], dice: object
) -> None:
    shuffled = sorted(jobs, key=lambda _: dice.random())  # type: ignore[attr-defined]
    assert build_graph(shuffled) == build_graph(jobs)


@given(declarations())
def test_the_path_of_a_cycle_is_really_there(jobs: list[Declaration]) -> None:
    graph = build_graph(jobs)
    asked = {job.plugin_id: {need.name for need in job.needs} | set(job.inputs) for job in jobs}
    for plugin_id, faults in graph.faults.items():
        for fault in faults:
            if fault.trouble is Trouble.CYCLE:
                path = fault.message.removeprefix("dependency cycle ").split(" -> ")
                assert plugin_id in path
                assert path[0] == path[-1] == min(path)
                for here, there in pairwise(path):
                    wanted = asked[PluginId(here)]
                    assert there in wanted or f"out_{there}" in wanted or "shared" in wanted
