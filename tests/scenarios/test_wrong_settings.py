"""Every setting wrong in turn while a service runs, and some at its start: the last good holds."""

from collections.abc import Iterator

import pytest

from optifire.core.run import TERMINAL
from optifire.host import client
from optifire.runtime.clock import wall_now
from tests.host.wrongs import Wrong, of_config, of_features
from trial import Service, Trial, until

GOOD = """\
environment: paper
plugin_paths: [mine]
plugins:
  steady: {enabled: true, budget: {cpu_ms: 123, mem_mb: 45}}
"""


def first_of_each() -> Iterator[Wrong]:
    """Give one wrong value of each setting, and one misspelling of each key."""
    seen = set()
    for each in (*of_config(), *of_features()):
        if (each.file, each.key) not in seen:
            seen.add((each.file, each.key))
            yield each


@pytest.fixture
def paper(trial: Trial) -> Trial:
    """Give a home with one plugin that runs each second."""
    trial.plugin("steady", plan={"schedule": "interval_1s"})
    trial.features.write_text(GOOD, encoding="utf-8")
    trial.configure(system={"concurrency": 2})
    return trial


def refusal(trial: Trial, service: Service, wrong: Wrong) -> str:
    """Give what a service says to a wrong file, which is mended then."""
    file = trial.home.configs / wrong.file
    good = file.read_text(encoding="utf-8")
    trial.replace(file, wrong.text)
    said = client.ask(service.home.socket, "reload")
    trial.replace(file, good)
    return "" if said["ok"] else "\n".join(said["errors"])


@pytest.mark.row("O008")
@pytest.mark.row("O043")
@pytest.mark.timeout(120)
def test_no_wrong_setting_changes_a_running_service_and_each_is_named(paper: Trial) -> None:
    wrongs = list(first_of_each())
    with paper.service() as service:
        before = service.status()["plugins"]["steady"]
        said = {str(each): refusal(paper, service, each) for each in wrongs}
        service.until_status(lambda now: now["health"]["level"] == "green", what="green health")
        after = service.status()["plugins"]["steady"]
        now = wall_now()
        ledger = paper.home.database("paper")
        until(lambda: paper.runs(ledger, status="succeeded", since=now), what="a run after all")
        assert service.stop() == 0
    where = {str(each): f"{each.file}:{each.line}: {each.key}" for each in wrongs}
    assert [each for each in said if where[each] not in said[each]] == []
    assert len(wrongs) > 100
    assert {key: before[key] for key in ("state", "budget")} == {
        key: after[key] for key in ("state", "budget")
    }
    assert paper.ask("history") == []
    rows = paper.runs(ledger)
    assert all(row.status in TERMINAL for row in rows)
    due = [row.key.due for row in rows]
    assert sum(row.count for row in rows) == int((due[-1] - due[0]).total_seconds()) + 1


@pytest.mark.sample(1)
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_service_does_not_begin_with_a_wrong_setting(paper: Trial, number: int) -> None:
    wrongs = list(first_of_each())
    wrong = wrongs[number * (len(wrongs) - 1) // 2]
    paper.replace(paper.home.configs / wrong.file, wrong.text)
    error = paper.refused("up", code=2)
    assert f"{wrong.file}:{wrong.line}: {wrong.key}" in f"{error['where']} {error['message']}"
    assert error["remedy"] or error["message"].count("\n")
    assert not paper.home.database("paper").exists()


def test_a_file_of_secrets_that_is_no_text_is_refused_while_the_service_goes_on(
    paper: Trial,
) -> None:
    secrets = paper.home.configs / "secrets.env"
    with paper.service() as service:
        secrets.touch(mode=0o600)
        secrets.write_bytes(b"KEY=\xff\n")
        reasons = service.until_status(
            lambda said: said["health"]["reasons"] if said["health"]["level"] == "red" else None,
            what="red health",
        )
        assert "secrets.env:1" in " ".join(reasons)
        secrets.write_bytes(b"KEY=value\n")
        service.until_status(lambda said: said["health"]["level"] == "green", what="green health")
