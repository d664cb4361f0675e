"""A large frame that one plugin publishes and others read: live, after a restart, in a replay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from optifire.core.run import RunStatus
from optifire.workers.sealed import SHARE_FROM
from optifire.workers.wire import decode_value
from trial import Trial, until

if TYPE_CHECKING:
    from pathlib import Path

    from optifire.core.ledger import RunRow

HEAD = "import numpy as np\nimport pandas as pd\n"
MAKES = """\
frame = pd.DataFrame({"a": np.arange(context.config["rows"]) * 1.0, "b": 2.0})
return PluginResult(success=True, data={"frame": frame, "day": str(context.now.date())})
"""
READS = """\
frame = context.data["makes.frame"]
total = float(frame["a"].sum() + frame["b"].sum())
frame.iloc[0, 0] = -1.0
return PluginResult(success=True, data={"total": total, "again": context.data["makes.frame"]})
"""
#: Rows of sixteen bytes: below and above the size from which values stand in files.
FEW, MANY = 100, 50_000
DAYS = ("--from", "2018-11-19", "--to", "2018-11-23")


def outputs(row: RunRow) -> dict[str, Any]:
    return {key: decode_value(value) for key, value in row.outputs.items()}


def write(trial: Trial, rows: int, word: str) -> None:
    budget = {"budget": {"cpu_ms": 20_000, "mem_mb": 256}}
    trial.plugin("makes", MAKES, plan={"schedule": word}, head=HEAD, outputs=("frame", "day"))
    for name in ("reads", "reads_too"):
        plan = {"schedule": word, "dependencies": ["makes.frame"]}
        trial.plugin(name, READS, plan=plan, head=HEAD, outputs=("total",))
    makes = {"config": {"rows": rows}, **budget}
    trial.enable(environment="paper", makes=makes, reads=budget, reads_too=budget)


def readings(trial: Trial, path: Path) -> list[RunRow]:
    names = ("reads", "reads_too")
    rows = [row for name in names for row in trial.runs(path, plugin_id=name)]
    return [row for row in rows if row.status is not RunStatus.COALESCED]


@pytest.mark.timeout(180)
def test_a_frame_is_read_by_others_also_after_a_restart(trial: Trial) -> None:
    write(trial, MANY, "@manual")
    total, path = sum(range(MANY)) + 2.0 * MANY, trial.home.database("paper")
    with trial.service() as service:
        assert trial.ask("run", "makes")["status"] == "succeeded"
        assert trial.ask("run", "reads")["status"] == "succeeded"
        service.kill()
    until(lambda: not trial.processes(), what="an end of its workers")
    with trial.service() as service:
        assert trial.ask("run", "reads_too")["status"] == "succeeded"
        assert service.stop() == 0
    made = trial.runs(path, plugin_id="makes", status="succeeded")
    assert all(len(row.outputs["frame"]) >= SHARE_FROM for row in made)
    found = [outputs(row) for row in readings(trial, path)]
    assert {each["total"] for each in found} == {total}
    assert {each["again"].iloc[0, 0] for each in found} == {-1.0}
    assert {outputs(row)["frame"].iloc[0, 0] for row in made} == {0.0}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("rows", [FEW, MANY])
def test_a_replay_has_one_digest_whichever_way_its_frames_travel(
    trial: Trial, tmp_path: Path, rows: int
) -> None:
    write(trial, rows, "@close")
    db = tmp_path / "kept.db"
    said = [
        trial.ask("replay", *DAYS, *words)
        for words in ((), ("--workers", "1"), ("--isolated",), ("--db", str(db)))
    ]
    assert len({one["digest"] for one in said}) == 1
    found = [outputs(row)["total"] for row in readings(trial, db)]
    assert found == [sum(range(rows)) + 2.0 * rows] * len(found)
    assert len(found) == 8, "four sessions, two readers"
