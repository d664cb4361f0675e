"""An inline plugin that keeps the service from its work runs isolated, and everybody is told."""

from pathlib import Path
from typing import Any

import pytest

from optifire.plugins import infra_heartbeat
from trial import Service, Trial, until

BEAT = "infra_heartbeat"
IMPL = Path(infra_heartbeat.__file__).with_name("impl.py")
EACH_SECOND = {"isolation": "inline", "schedule": "interval_1s"}
#: In the service only: zygotes know nothing of its environment.
SLOW = """\
import time
from optifire.plugins.infra_heartbeat import logic

def slow(beats, read=logic.read):
    if len(beats) == 1:
        time.sleep(0.3)
    return read(beats)

logic.read = slow
"""


def begin(trial: Trial, **more: object) -> None:
    trial.enable(environment="paper", **{BEAT: {**EACH_SECOND, **more}})


def workers(trial: Trial) -> list[str]:
    """Give where each run was made, oldest first."""
    rows = trial.runs(trial.home.database("paper"))
    return [row.worker for row in sorted(rows, key=lambda row: row.key.due) if row.worker]


def demoted(service: Service) -> dict[str, Any]:
    """Wait until the plugin is demoted, and give that status."""
    return service.until_status(lambda said: said if said["plugins"][BEAT]["demoted"] else None)


@pytest.mark.timeout(120)
def test_a_plugin_that_blocks_the_loop_is_demoted_with_its_line(trial: Trial) -> None:
    (trial.root / "sitecustomize.py").write_text(SLOW)
    trial.environ = {"PYTHONPATH": str(trial.root)}
    begin(trial)
    with trial.service() as service:
        said = demoted(service)
        line = next(
            number
            for number, text in enumerate(IMPL.read_text("utf-8").splitlines(), 1)
            if "beat = read(" in text
        )
        why = said["plugins"][BEAT]["demoted"]
        assert why.startswith("blocked the event loop for ")
        assert why.endswith(f" at {IMPL}:{line}")
        assert said["health"]["level"] == "amber"
        assert any(BEAT in reason and why in reason for reason in said["health"]["reasons"])
        until(lambda: "isolated" in workers(trial), what="an isolated run")
        assert service.stop() == 0
    ran = workers(trial)
    assert set(ran[ran.index("isolated") :]) == {"isolated"}
    (note,) = trial.notes("demoted", trial.home.database("paper"))
    assert note.subject == BEAT
    assert why in note.text


@pytest.mark.timeout(120)
def test_a_plugin_over_its_processor_budget_three_times_is_demoted_until_features_change(
    trial: Trial,
) -> None:
    begin(trial, budget={"cpu_ms": 0.001})
    with trial.service() as service:
        said = demoted(service)
        assert "was over its processor budget 3 times" in said["plugins"][BEAT]["demoted"]
        assert said["health"]["level"] == "amber"
        assert workers(trial)[:3] == ["inline"] * 3
        until(lambda: "isolated" in workers(trial), what="an isolated run")
        trial.configure(system={"log_level": "DEBUG"})
        until(lambda: len(workers(trial)) > 6, what="further runs")
        assert workers(trial)[-1] == "isolated"
        begin(trial)
        until(lambda: workers(trial)[-1] == "inline", what="an inline run again")
        after = service.status()
        assert after["plugins"][BEAT]["demoted"] is None
        assert not [reason for reason in after["health"]["reasons"] if BEAT in reason]
