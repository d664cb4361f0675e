"""What a plugin asks for by id, by data name or as an input is there when it runs."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PLUGIN = """
from optifire.plugins import Plugin, PluginMetadata, PluginResult


class Job(Plugin):
    def describe(self):
        return PluginMetadata(
            plugin_id="{name}", version="1.0.0", description="A step",
            inputs={inputs}, outputs=["{name}_out"],
        )

    def plan(self):
        return {{"schedule": "@close", "dependencies": {dependencies}}}

    async def run(self, context):
        seen = {{name: context.data[name] for name in {reads}}}
        return PluginResult(success=True, data={{"{name}_out": [context.plugin_id, seen]}})
"""

#: Ids against the order of the alphabet, so that order comes from needs alone.
STEPS: dict[str, dict[str, list[str]]] = {
    "z_source": {},
    "y_by_id": {"dependencies": ["z_source"], "reads": ["z_source_out"]},
    "x_by_data_name": {"dependencies": ["y_by_id_out"], "reads": ["y_by_id_out"]},
    "a_by_input": {"inputs": ["x_by_data_name_out"], "reads": ["x_by_data_name_out"]},
}


def optifire(home: Path, *words: object) -> Any:
    program = Path(sys.executable).with_name("optifire")
    command = [program, "--home", home, *words, "--json"]
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    entries = ""
    for name, said in STEPS.items():
        folder = tmp_path / "mine" / name
        folder.mkdir(parents=True)
        parts = {key: said.get(key, []) for key in ("inputs", "dependencies", "reads")}
        (folder / "impl.py").write_text(PLUGIN.format(name=name, **parts), encoding="utf-8")
        entries += f"  {name}: {{enabled: true}}\n"
    (tmp_path / "configs").mkdir()
    features = f"plugin_paths: [mine]\nplugins:\n{entries}"
    (tmp_path / "configs" / "features.yaml").write_text(features, encoding="utf-8")
    return tmp_path


@pytest.mark.row("O003")
def test_each_step_runs_after_what_it_needs_and_reads_what_that_made(home: Path) -> None:
    db = home / "replay.db"
    day = ("--from", "2018-11-23", "--to", "2018-11-23")
    assert optifire(home, "replay", *day, "--db", db)["statuses"] == {
        name: {"succeeded": 1} for name in STEPS
    }
    last = optifire(home, "runs", "--plugin", "a_by_input", "--db", db)[0]
    assert last["due"] == "2018-11-23T18:00:00Z"
    source = ["z_source", {}]
    by_id = ["y_by_id", {"z_source_out": source}]
    by_data_name = ["x_by_data_name", {"y_by_id_out": by_id}]
    assert last["outputs"]["a_by_input_out"] == [
        "a_by_input", {"x_by_data_name_out": by_data_name}
    ]  # fmt: skip
    assert last["inputs"]["x_by_data_name_out"]["run_id"] == "x_by_data_name@20181123T180000Z"


def test_the_graph_names_who_needs_whom(home: Path) -> None:
    edges = optifire(home, "graph")["edges"]
    pairs = {(edge["from"], edge["to"]) for edge in edges}
    assert pairs == {
        ("z_source", "y_by_id"), ("y_by_id", "x_by_data_name"), ("x_by_data_name", "a_by_input")
    }  # fmt: skip
