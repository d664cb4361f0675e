"""The context as an object and as a mapping, and the scope around a run."""

import asyncio
from dataclasses import fields
from datetime import UTC, datetime

import pytest

from optifire.core.errors import ContractError, NotInReplay
from optifire.sdk import PluginContext
from optifire.sdk.context import ALIASES
from optifire.sdk.scope import Scope, current_scope, in_scope, scope_if_any

NOON = datetime(2018, 11, 23, 12, tzinfo=UTC)


class Bus:
    async def publish(self, event: str, data: object = None, source: str | None = None) -> None:
        return


def test_every_field_is_found_by_name_as_by_attribute() -> None:
    context = PluginContext(config={"n": 1}, bus=Bus(), now=NOON)
    names = [one.name for one in fields(PluginContext)]
    assert list(context) == names
    for name in names:
        assert name in context
        assert context[name] is getattr(context, name)


@pytest.mark.parametrize(("alias", "name"), list(ALIASES.items()))
def test_an_alias_means_the_field_it_stands_for(alias: str, name: str) -> None:
    context = PluginContext(bus=Bus(), http=object())
    assert alias in context
    assert context[alias] is context[name] is context.get(alias) is getattr(context, alias)


def test_an_unknown_name_is_an_error_or_the_default() -> None:
    context = PluginContext()
    with pytest.raises(KeyError, match="nothing"):
        context["nothing"]
    assert "nothing" not in context
    assert 7 not in context
    assert context.get("nothing") is None
    assert context.get("nothing", 3) == 3


def test_get_gives_the_default_for_what_is_not_there_but_not_for_what_is_empty() -> None:
    context = PluginContext(plugin_id="")
    assert context.get("now", NOON) is NOON
    assert context.get("plugin_id", "x") == ""
    assert context.get("data", None) == {}


def test_contexts_share_nothing() -> None:
    one, other = PluginContext(), PluginContext()
    one.data["x"] = 1
    assert other.data == {}


# --- the scope --------------------------------------------------------------------------------


def test_outside_a_run_nobody_can_say_what_time_it_is() -> None:
    assert scope_if_any() is None
    with pytest.raises(ContractError, match="no run in progress") as caught:
        current_scope()
    assert caught.value.remedy


def test_a_scope_holds_for_its_block_and_gives_way_to_an_inner_one() -> None:
    outer, inner = Scope(NOON, "a@1"), Scope(NOON, "b@1")
    with in_scope(outer):
        with in_scope(inner) as given:
            assert current_scope() is scope_if_any() is given is inner
        assert current_scope() is outer
    assert scope_if_any() is None


def test_a_scope_ends_with_an_error_too() -> None:
    with pytest.raises(ZeroDivisionError), in_scope(Scope(NOON)):
        1 / 0  # noqa: B018 - any error
    assert scope_if_any() is None


async def test_runs_side_by_side_have_scopes_of_their_own() -> None:
    meeting = asyncio.Barrier(2)

    async def run(run_id: str) -> str:
        with in_scope(Scope(NOON, run_id)):
            await meeting.wait()
            return current_scope().run_id

    assert list(await asyncio.gather(run("a"), run("b"))) == ["a", "b"]
    assert scope_if_any() is None


def test_the_live_world_is_not_part_of_a_replay() -> None:
    Scope(NOON).require_live("the machine")
    with pytest.raises(NotInReplay, match="a: the machine is not part of a replay"):
        Scope(NOON, plugin_id="a", replay=True).require_live("the machine")


def test_scopes_do_not_share_what_they_collect() -> None:
    one, other = Scope(NOON), Scope(NOON)
    one.no_data.append("ended")
    assert other.no_data == []
    assert one.reads is not other.reads
