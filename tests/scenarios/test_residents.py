"""Plugins that live from start to stop: state, hooks, events, streams, in a real service."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from optifire.core.ledger import RunRow
from optifire.core.run import RunStatus
from optifire.workers.wire import decode_value
from trial import Trial, until

pytestmark = pytest.mark.timeout(120)

#: Counts its runs on `self`, and what it was told; says when its hooks were called.
COUNTS = """
from optifire.plugins import Plugin, PluginMetadata, PluginResult


class Counts(Plugin):
    def describe(self):
        return PluginMetadata(plugin_id="counts", version="1", description="counts")

    def plan(self):
        return {"schedule": "interval_1s", "triggers": ["part"]}

    async def start(self, context):
        self.runs, self.heard = 0, []
        self.mine = context.data_dir / "hooks"
        self._note("start")

    async def stop(self, context):
        self._note("stop")

    def _note(self, what):
        with self.mine.open("a") as file:
            file.write(what + "\\n")

    async def handle_event(self, event_type, data):
        self.heard.append(data)

    async def run(self, context):
        self.runs += 1
        return PluginResult(success=True, data={"runs": self.runs, "heard": self.heard})
"""
#: Commits three parts, then waits for ever.
STREAM = """
import asyncio

for n in range(3):
    context.data["n"] = n
    await context.db.execute("CREATE TABLE IF NOT EXISTS p_flows_t (n INTEGER)")
    await context.db.execute("INSERT INTO p_flows_t VALUES (?)", (n,))
    await context.bus.publish("part", n)
    await context.commit()
    rows = await context.db.fetch_all("SELECT n FROM p_flows_t ORDER BY n")
    assert [row["n"] for row in rows] == list(range(n + 1)), rows
await asyncio.Event().wait()
"""
LISTENS = (
    "return PluginResult(success=True, data={'got': [event.data for event in context.events]})"
)
READS = "return PluginResult(success=True, data={'n': context.data['flows.n']})"


def ledger(trial: Trial) -> Path:
    return trial.home.database("paper")


def begin(trial: Trial, *names: str, **more: Any) -> None:
    entries = "".join(f"  {name}: {{enabled: true}}\n" for name in names)
    trial.replace(
        trial.features, f"environment: paper\nplugin_paths: [mine]\nplugins:\n{entries or ' {}'}"
    )


def outputs(row: RunRow) -> dict[str, Any]:
    return {key: decode_value(value) for key, value in row.outputs.items()}


def runs(trial: Trial, plugin_id: str, **conditions: Any) -> list[RunRow]:
    """Give the runs of a plugin, oldest first."""
    return trial.runs(ledger(trial), plugin_id=plugin_id, **conditions)


def hooks(trial: Trial, plugin_id: str = "counts") -> list[str]:
    file = trial.home.data / "plugins" / plugin_id / "hooks"
    return file.read_text().split() if file.exists() else []


def test_state_lives_from_start_to_stop_through_runs_and_restarts(trial: Trial) -> None:
    trial.replace(trial.root / "mine" / "counts" / "impl.py", COUNTS)
    begin(trial, "counts")
    with trial.service() as service:
        until(lambda: len(runs(trial, "counts", status="succeeded")) > 2, what="three runs")
        said = service.status()
        standing = said["plugins"]["counts"]["resident"]
        assert said["processes"]["residents"] == 1
        assert said["processes"]["zygotes"] >= 1
        assert standing["runs"] > 2
        assert hooks(trial) == ["start"]
        begin(trial)
        until(lambda: hooks(trial) == ["start", "stop"], what="its last hook, once it is off")
        begin(trial, "counts")
        until(lambda: hooks(trial)[2:] == ["start"], what="its first hook, once it is on again")
        assert service.stop() == 0
    assert hooks(trial) == ["start", "stop"] * 2
    made = [outputs(row)["runs"] for row in runs(trial, "counts", status="succeeded")]
    assert made[:3] == [1, 2, 3]
    assert {row.worker for row in runs(trial, "counts", status="succeeded")} == {"resident"}


def test_a_plugin_that_cannot_be_started_turns_health_amber_and_its_record_says_why(
    trial: Trial,
) -> None:
    broken = COUNTS.replace('self._note("start")', "raise RuntimeError('no line')")
    trial.replace(trial.root / "mine" / "counts" / "impl.py", broken)
    begin(trial, "counts")
    with trial.service() as service:
        health = service.until_status(
            lambda said: said["health"] if said["health"]["level"] == "amber" else None
        )
        assert "counts could not be started: RuntimeError: no line" in health["reasons"]
        (row, *_) = until(lambda: runs(trial, "counts", status="failed"), what="a failed run")
        assert str(row.reason).startswith("hook: it could not be started: RuntimeError: no line")
    assert "next try in 1 s" in trial.notes("resident", ledger(trial))[0].text


def test_the_parts_of_a_stream_are_records_values_and_events_while_it_runs(trial: Trial) -> None:
    trial.plugin("flows", STREAM, plan={"schedule": "@continuous"}, outputs=["n"])
    trial.replace(trial.root / "mine" / "counts" / "impl.py", COUNTS)
    trial.plugin("listens", LISTENS, plan={"triggers": ["part"], "overlap": "buffer_all"})
    trial.plugin("reads", READS, plan={"schedule": "interval_1s", "dependencies": ["flows.n"]})
    begin(trial, "counts", "flows", "listens", "reads")
    with trial.service() as service:
        until(
            lambda: len(runs(trial, "listens", status="succeeded")) == 3,
            what="a run for the event of each part",
        )
        until(
            lambda: any(outputs(row)["heard"] == [0, 1, 2] for row in runs(trial, "counts")
                        if row.status is RunStatus.SUCCEEDED),
            what="a resident that was told all events",
        )  # fmt: skip
        until(
            lambda: any(outputs(row) == {"n": 2} for row in runs(trial, "reads")),
            what="a run that was given the latest part",
        )
        (going,) = [one for one in service.status()["running"] if one["plugin_id"] == "flows"]
        assert service.stop(within=20) == 0
    stream, *parts = runs(trial, "flows")
    assert (stream.run_id, stream.status) == (going["run_id"], RunStatus.CANCELLED)
    assert "the service is stopping" in str(stream.reason)
    assert [outputs(part) for part in parts] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert {part.trigger for part in parts} == {f"part of {stream.run_id}"}
    assert {part.status for part in parts} == {RunStatus.SUCCEEDED}
    heard = [outputs(row)["got"] for row in runs(trial, "listens")]
    assert sorted(heard) == [[0], [1], [2]]
    assert {row.due for row in (part.key for part in parts)} == {
        row.key.due for row in runs(trial, "listens")
    }


def test_a_stream_that_ends_runs_again_and_one_that_is_killed_is_crashed(trial: Trial) -> None:
    trial.plugin("ends", plan={"schedule": "@continuous"})
    trial.plugin("dies", "import os\nos._exit(3)", plan={"schedule": "@continuous"})
    begin(trial, "ends", "dies")
    with trial.service() as service:
        until(lambda: len(runs(trial, "ends")) > 2, what="three runs of one that ends")
        until(lambda: len(runs(trial, "dies", status="crashed")) > 1, what="two crashes")
        assert service.stop() == 0
    first, second, third = runs(trial, "ends")[:3]
    assert first.trigger == "@continuous"
    pauses = [second.key.due - first.key.due, third.key.due - second.key.due]
    assert timedelta(seconds=1) <= pauses[0] < pauses[1]


def test_after_a_kill_a_stream_is_lost_and_another_run_of_it_begins(trial: Trial) -> None:
    trial.plugin("waits", "import asyncio\nawait asyncio.Event().wait()",
                 plan={"schedule": "@continuous"})  # fmt: skip
    begin(trial, "waits")
    with trial.service() as service:
        until(lambda: runs(trial, "waits", status="running"), what="a running stream")
        service.kill()
    with trial.service():
        until(lambda: len(runs(trial, "waits")) == 2, what="its next run")
    assert runs(trial, "waits")[0].status is RunStatus.LOST


def test_a_replay_leaves_out_what_lives_on_and_says_so(trial: Trial) -> None:
    trial.plugin("flows", plan={"schedule": "@continuous"})
    trial.replace(trial.root / "mine" / "counts" / "impl.py", COUNTS)
    begin(trial, "flows", "counts")
    said = trial.ask("replay", "--from", "2018-01-02", "--to", "2018-01-03")
    assert said["left_out"] == {
        "counts": "lives from start to stop (it has start()), which no replay does",
        "flows": "is a stream, which goes on by itself",
    }


def test_one_run_by_hand_without_a_service_begins_and_ends_its_plugin(trial: Trial) -> None:
    trial.replace(trial.root / "mine" / "counts" / "impl.py", COUNTS)
    begin(trial, "counts")
    assert trial.ask("run", "counts")["status"] == "succeeded"
    assert hooks(trial) == ["start", "stop"]
    refused = trial.refused("run", "counts", "--at", "2018-01-03T15:00:00Z")
    assert "lives from start to stop" in refused["message"]
