"""What a plugin says of its configuration, asked in a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from optifire.core.errors import PluginFault

if TYPE_CHECKING:
    from pathlib import Path

    from optifire.workers.isolated import IsolatedWorker

pytestmark = pytest.mark.asyncio(loop_scope="session")

HEAD = """\
from dataclasses import dataclass
import msgspec
from optifire.plugins import Plugin, PluginMetadata, PluginResult
class Mine(msgspec.Struct):
    level: float
    window: int = 14
@dataclass
class Data:
    level: float
    window: int = 14
class Model:
    @classmethod
    def model_json_schema(cls):
        return {"properties": {"level": {"type": "number"}, "window": {"default": 14}}}
class Subject(Plugin):
    def describe(self):
        return PluginMetadata.create(plugin_id="subject", version="1", description="x")
    def plan(self):
        return {"schedule": "@manual"}
    async def run(self, context):
        return PluginResult(success=True, data=dict(context.config))
"""


def plugin(folder: Path, *lines: str) -> str:
    """Write a plugin with these lines at the end of its class."""
    (folder / "impl.py").write_text(HEAD + "".join(f"    {line}\n" for line in lines))
    return str(folder)


@pytest.mark.parametrize("declared", ["Mine", "Data", "Model"])
async def test_a_class_of_fields_becomes_a_schema_with_its_defaults(
    isolated: IsolatedWorker, tmp_path: Path, declared: str
) -> None:
    said = await isolated.describe(plugin(tmp_path, f"Config = {declared}"))
    schema = said.config_schema
    assert schema is not None
    found: Any = schema["$defs"][declared] if "$defs" in schema else schema
    assert found["properties"]["window"]["default"] == 14
    assert "level" in found["properties"]
    assert said.validates_config is False


async def test_a_schema_may_be_given_as_it_is(isolated: IsolatedWorker, tmp_path: Path) -> None:
    own = "def get_config_schema(self): return {'properties': {'a': {'type': 'integer'}}}"
    said = await isolated.describe(plugin(tmp_path, own))
    assert said.config_schema == {"properties": {"a": {"type": "integer"}}}


async def test_a_plugin_that_says_nothing_has_no_schema(
    isolated: IsolatedWorker, tmp_path: Path
) -> None:
    said = await isolated.describe(plugin(tmp_path))
    assert (said.config_schema, said.validates_config) == (None, False)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Config = 3", "Config is no class of fields"),
        ("Config = str", "Config is no class of fields"),
        ("def get_config_schema(self): return 3", "is a int, not a mapping"),
        ("def get_config_schema(self): raise LookupError('gone')", "impl.py:22"),
        ("def get_config_schema(self): return {'a': object()}", "its schema"),
        ("Config = Mine; get_config_schema = lambda self: {}", "both Config and"),
    ],
)
async def test_what_is_no_schema_is_a_fault_of_the_plugin(
    isolated: IsolatedWorker, tmp_path: Path, line: str, said: str
) -> None:
    with pytest.raises(PluginFault) as caught:
        await isolated.describe(plugin(tmp_path, line))
    assert said in str(caught.value)
    assert f"{tmp_path}/impl.py" in str(caught.value)


CHECKS = "def validate_config(self, config): assert config['level'] > 0, 'level must be above 0'"


async def test_a_plugin_takes_or_refuses_its_configuration(
    isolated: IsolatedWorker, tmp_path: Path
) -> None:
    folder = plugin(tmp_path, CHECKS)
    assert (await isolated.describe(folder)).validates_config is True
    await isolated.accept(folder, {"level": 1})
    with pytest.raises(PluginFault, match="level must be above 0") as caught:
        await isolated.accept(folder, {"level": 0})
    assert caught.value.where == f"{folder}/impl.py:22"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("def validate_config(self, config): return False", "gave False"),
        ("async def validate_config(self, config): pass", "is async"),
        ("def validate_config(self, config): raise SystemExit(3)", "SystemExit: 3"),
        ("def validate_config(self, config): __import__('os')._exit(3)", "ended its process"),
    ],
)
async def test_every_way_to_refuse_is_told(
    isolated: IsolatedWorker, tmp_path: Path, line: str, said: str
) -> None:
    with pytest.raises(PluginFault) as caught:
        await isolated.accept(plugin(tmp_path, line), {})
    assert said in str(caught.value)


@pytest.mark.parametrize("answer", ["True", "None", "[]"])
async def test_whatever_else_it_answers_is_taken(
    isolated: IsolatedWorker, tmp_path: Path, answer: str
) -> None:
    folder = plugin(tmp_path, f"def validate_config(self, config): return {answer}")
    await isolated.accept(folder, {})
