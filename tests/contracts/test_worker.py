"""One contract, every worker: what a run is given, how it ends, what it leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from optifire.core.budget import Measured
from optifire.core.calendar import RegularHours, SessionTable
from optifire.core.errors import ContractError
from optifire.core.job import Code, Effect, Job
from optifire.core.ports import Event, Given, Outcome, RunRequest, Worker
from optifire.core.run import RunKey, RunKind, RunStatus, Source
from optifire.core.schedule import Schedule
from optifire.core.types import Encoded, PluginId, RunId
from optifire.workers.wire import encode_value
from tests.contracts.making import workers_of

PLUGINS = Path(__file__).parent.parent / "workers" / "plugins"
NOON = datetime(2018, 11, 23, 17, tzinfo=UTC)
SOURCE = Source(RunId("other@20181122T180000Z"), NOON - timedelta(days=1))
pytestmark = pytest.mark.asyncio(loop_scope="module")


def _calendar() -> SessionTable:
    """Give the days around a half day: Thanksgiving Friday of 2018 closed at 18:00 UTC."""
    days = [NOON + timedelta(days=n) for n in range(-3, 4)]
    return SessionTable(
        name="XNYS",
        tz="America/New_York",
        first=days[0].date(),
        horizon=days[-1].date(),
        regular=RegularHours(timedelta(hours=9, minutes=30), timedelta(hours=16)),
        dates=[day.date() for day in days],
        opens=[day - timedelta(hours=2, minutes=30) for day in days],
        closes=[day + timedelta(hours=1) for day in days],
        half_days=frozenset({NOON.date()}),
    )


CALENDAR = _calendar()


@dataclass
class World:
    """A view of two values and one table."""

    values: Mapping[str, object] = field(default_factory=lambda: {"other": 3.5})
    asked: list[tuple[str, Any, bool]] = field(default_factory=list)

    def names(self) -> Sequence[str]:
        return sorted(self.values)

    def value(self, name: str) -> Given | None:
        found = self.values.get(name)
        return None if found is None else Given(encode_value(found), SOURCE)

    async def fetch(self, sql: str, params: Encoded, *, one: bool) -> Encoded:
        self.asked.append((sql, msgspec.msgpack.decode(params), one))
        if "nonsense" in sql:
            raise ContractError("no such column: nonsense", where=sql, remedy="Name another")
        if "endless" in sql:
            await asyncio.Event().wait()
        return encode_value([{"a": 2}] if one else [{"a": 2}, {"a": 3}])


def request_for(do: str, plugin: str = "acts", **changes: Any) -> RunRequest:
    """Ask one plugin to do one thing."""
    key = RunKey(PluginId(plugin), changes.pop("due", NOON), changes.pop("turn", 0))
    config = {"do": do, **changes.pop("config", {})}
    job = Job(
        PluginId(plugin),
        "1",
        "infra",
        Schedule((), CALENDAR, "America/New_York"),
        Code(str(changes.pop("folder", PLUGINS / plugin)), "", "c" * 64),
        effect=changes.pop("effect", Effect.PURE),
        config=config,
    )
    asked = RunRequest(
        key=key,
        run_id=key.run_id,
        attempt=1,
        job=job,
        started=NOON + timedelta(seconds=1),
        timeout=30.0,
        given={"given": Given(encode_value({"k": [1, 2]}), SOURCE)},
        view=World(),
    )
    for name, value in changes.items():
        setattr(asked, name, value)
    return asked


def descriptors() -> int:
    """Count the open descriptors of this process."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def plain(outcome: Outcome) -> dict[str, Any]:
    """Give the outputs of a run, which must have succeeded."""
    assert outcome.status is RunStatus.SUCCEEDED, (outcome.reason, outcome.failure, outcome.log)
    return {key: msgspec.msgpack.decode(value) for key, value in outcome.outputs.items()}


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=[
        "inline",
        "isolated",
        "pooled",
        "resident",
        "isolated sandboxed",
        "resident sandboxed",
    ],
)
async def worker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Worker]:
    async for made in workers_of(request.param, tmp_path_factory.mktemp("home")):
        yield made


# --- what a run is given ----------------------------------------------------------------------


async def test_a_run_succeeds_with_its_outputs(worker: Worker) -> None:
    outputs = plain(await worker.run(request_for("succeed", config={"n": [1, {"m": None}]})))
    assert outputs == {
        "answer": 42,
        "now": "2018-11-23T17:00:00Z",
        "config": {"do": "succeed", "n": [1, {"m": None}]},
    }


async def test_a_run_sees_key_session_events_and_started(worker: Worker) -> None:
    event = Event("regime_changed", encode_value({"to": "high"}), "alpha")
    outputs = plain(await worker.run(request_for("look", events=[event], turn=1)))
    assert outputs == {
        "key": "acts@20181123T170000Z.t1",
        "run_id": "acts@20181123T170000Z.t1",
        "phase": "regular",
        "date": "2018-11-23",
        "events": [["regime_changed", {"to": "high"}, "alpha"]],
        "started": "2018-11-23T17:00:01Z",
        "secrets": {},
        "aliases": True,
    }


async def test_an_instance_lives_for_one_run_and_that_of_a_resident_on(worker: Worker) -> None:
    lives_on = worker.name == "resident"
    first = plain(await worker.run(request_for("count")))["calls"]
    for more in (1, 2):
        calls = first + more if lives_on else 1
        assert plain(await worker.run(request_for("count"))) == {"calls": calls}


async def test_random_numbers_follow_from_the_key(worker: Worker) -> None:
    first = plain(await worker.run(request_for("draw_own")))
    again = plain(await worker.run(request_for("draw_own")))
    other = plain(await worker.run(request_for("draw_own", due=NOON + timedelta(minutes=1))))
    assert first == again != other
    assert first == {"own": pytest.approx(0.6303, abs=1)}


async def test_own_folders_stay_and_temporary_ones_go(worker: Worker) -> None:
    outputs = plain(await worker.run(request_for("folders")))
    assert (Path(outputs["data_dir"]) / "kept.txt").read_text() == "kept"
    assert not list(Path(outputs["temp_dir"]).parent.glob("*"))


# --- the shared context -----------------------------------------------------------------------


async def test_undeclared_reads_are_answered_and_noted(worker: Worker) -> None:
    outcome = await worker.run(request_for("read"))
    assert plain(outcome) == {
        "given": {"k": [1, 2]},
        "other": 3.5,
        "absent": "nothing",
        "has": [True, False, True],
        "names": ["given", "mine", "other"],
    }
    assert outcome.undeclared == ("other",)
    assert outcome.reads == {"other": SOURCE}


async def test_a_fetch_is_answered_from_the_view(worker: Worker) -> None:
    world = World()
    outputs = plain(await worker.run(request_for("fetch", view=world)))
    assert outputs == {"rows": [{"a": 2}, {"a": 3}], "first": {"a": 2}}
    assert world.asked == [
        ("SELECT a FROM t WHERE a > ?", [1], False),
        ("SELECT 1", {"n": 2}, True),
    ]


async def test_a_failing_fetch_fails_the_run_and_names_the_statement(worker: Worker) -> None:
    outcome = await worker.run(request_for("fetch_wrong"))
    assert outcome.status is RunStatus.FAILED
    assert outcome.failure is not None
    assert outcome.failure.type == "ContractError"
    assert "SELECT nonsense: no such column" in outcome.failure.message


async def test_a_fetch_after_a_write_is_a_contract_error(worker: Worker) -> None:
    outcome = await worker.run(request_for("fetch_after_write"))
    assert outcome.status is RunStatus.FAILED
    assert outcome.reason is not None
    assert outcome.reason.code == "contract"
    assert "SELECT a FROM t" in outcome.reason.detail


async def test_a_query_that_never_ends_does_not_outlive_the_timeout(worker: Worker) -> None:
    outcome = await worker.run(request_for("fetch_for_ever", timeout=0.1))
    assert outcome.status is RunStatus.TIMED_OUT


async def test_effects_leave_with_a_success(worker: Worker) -> None:
    outcome = await worker.run(request_for("effects"))
    assert plain(outcome) == {"extra": [1.5, None]}
    assert msgspec.msgpack.decode(outcome.writes["extra"]) == [1.5, None]
    (statement,) = outcome.statements
    assert statement.sql == "INSERT INTO p_acts_t VALUES (?, ?)"
    assert msgspec.msgpack.decode(statement.params) == [1, "2018-11-23T17:00:00Z"]
    (event,) = outcome.events
    assert (event.name, event.source) == ("acted", "acts")
    assert msgspec.msgpack.decode(event.data) == {"n": 1}


async def test_effects_of_a_failure_are_thrown_away(worker: Worker) -> None:
    outcome = await worker.run(request_for("effects_then_fail"))
    assert outcome.status is RunStatus.FAILED
    effects = (outcome.writes, outcome.statements, outcome.events, outcome.outputs)
    assert not any(effects)


# --- how a run ends ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("do", "status", "code", "detail"),
    [
        ("fail", RunStatus.FAILED, "reported", "no luck"),
        ("skip", RunStatus.SKIPPED, "plugin", "nothing to trade"),
        ("no_data", RunStatus.SKIPPED, "no data", "bars SPX: last bar 2018-12-31"),
        ("fail_after_no_data", RunStatus.SKIPPED, "no data", "no bars of XYZ"),
        ("live_only", RunStatus.SKIPPED, "live only", "the machine is not part of a replay"),
        ("two_values", RunStatus.FAILED, "contract", "'x' has one value in the result"),
        ("give_none", RunStatus.FAILED, "contract", "run() gave a NoneType, not a PluginResult"),
        ("give_object", RunStatus.FAILED, "contract", 'data["nested"].deep[1]: a value of type'),
        ("fail_with_value_error", RunStatus.FAILED, "raised", "ValueError: the number is wrong"),
        ("raise_odd_error", RunStatus.FAILED, "raised", "its message raised RuntimeError"),
        ("exit_softly", RunStatus.FAILED, "raised", "SystemExit: 3"),
        ("give_surrogate", RunStatus.FAILED, "reported", "half \\ud800 a letter"),
        ("surely_absent", RunStatus.FAILED, "raised", "AttributeError"),
    ],
)
async def test_every_ending_has_a_status_and_a_reason(
    worker: Worker, do: str, status: RunStatus, code: str, detail: str
) -> None:
    outcome = await worker.run(request_for(do))
    assert outcome.status is status
    assert outcome.reason is not None
    assert outcome.reason.code == code
    assert detail in outcome.reason.detail


async def test_a_traceback_begins_in_the_plugins_own_file(worker: Worker) -> None:
    outcome = await worker.run(request_for("fail_with_value_error"))
    assert outcome.failure is not None
    lines = outcome.failure.traceback.splitlines()
    assert "plugins/acts/impl.py" in lines[1]
    assert lines[-1] == "ValueError: the number is wrong"
    assert not outcome.failure.retryable


async def test_an_error_is_retryable_when_its_cause_is(worker: Worker) -> None:
    outcome = await worker.run(request_for("fail_for_now"))
    assert outcome.failure is not None
    assert outcome.failure.retryable


@pytest.mark.parametrize("do", ["wait_for_ever", "wait_stubbornly"])
async def test_a_run_that_waits_too_long_is_timed_out(worker: Worker, do: str) -> None:
    outcome = await worker.run(request_for(do, timeout=0.1))
    assert outcome.status is RunStatus.TIMED_OUT
    assert outcome.reason is not None
    assert str(outcome.reason) == "timeout: took longer than its timeout of 0.1 s"


async def test_nobody_can_tell_how_an_effectful_run_ended_that_timed_out(worker: Worker) -> None:
    asked = request_for("wait_for_ever", timeout=0.1, effect=Effect.EFFECTFUL)
    assert (await worker.run(asked)).status is RunStatus.UNKNOWN


async def test_a_fault_in_the_code_names_file_and_line(worker: Worker, tmp_path: Path) -> None:
    (tmp_path / "impl.py").write_text("def broken(:\n    pass\n")
    outcome = await worker.run(request_for("x", folder=tmp_path))
    assert outcome.status is RunStatus.FAILED
    assert outcome.failure is not None
    assert f"{tmp_path}/impl.py:1" in outcome.failure.message


async def test_code_is_imported_as_the_plugin_wrote_it(worker: Worker) -> None:
    assert plain(await worker.run(request_for("x", plugin="relative"))) == {"a": 40}


async def test_asyncio_works_as_everywhere(worker: Worker) -> None:
    outputs = plain(await worker.run(request_for("use_loop")))
    assert outputs == {"parts": [0, 1, 2], "threaded": 6, "woken": 7}


async def test_a_run_after_any_other_is_not_harmed(worker: Worker) -> None:
    for do in ("fail", "exit_softly", "wait_for_ever", "give_object"):
        await worker.run(request_for(do, timeout=0.1))
        calls = plain(await worker.run(request_for("count")))["calls"]
        assert calls == 1 or worker.name == "resident"


async def test_cancelling_a_run_ends_it(worker: Worker) -> None:
    task = asyncio.ensure_future(worker.run(request_for("wait_for_ever")))
    await asyncio.wait([task], timeout=0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert plain(await worker.run(request_for("count"))) == {"calls": 1}


async def test_eight_runs_at_once_do_not_mix(worker: Worker) -> None:
    asked = [request_for("draw_own", due=NOON + timedelta(minutes=n)) for n in range(8)]
    together = [plain(outcome) for outcome in await asyncio.gather(*map(worker.run, asked))]
    alone = [plain(await worker.run(each)) for each in asked]
    assert together == alone
    assert len({each["own"] for each in together}) == 8


# --- what a run prints and uses ---------------------------------------------------------------


async def test_what_is_printed_and_logged_is_kept_with_the_run(
    worker: Worker, capfd: pytest.CaptureFixture[str]
) -> None:
    log = (await worker.run(request_for("speak"))).log.decode()
    for words in ("printed words", "logged words", "shared logger", "to stderr"):
        assert words in log
    assert capfd.readouterr().out == ""


async def test_a_flood_of_words_keeps_64_kb_and_says_what_is_missing(worker: Worker) -> None:
    outcome = await worker.run(request_for("print_flood"))
    assert plain(outcome) == {"answer": 1}
    assert outcome.log.startswith(b"line 0 of a great many\nline 1 ")
    assert 60_000 < len(outcome.log) < 66_000
    assert outcome.log.endswith(b"bytes more were not kept]\n")


async def test_processor_time_is_measured(worker: Worker) -> None:
    usage = (await worker.run(request_for("burn"))).usage
    assert usage.cpu_ms is not None
    # It takes 100 ms; what a run takes that does nothing is not its own, and known to 2 ms.
    assert 98 <= usage.cpu_ms < 300
    assert usage.wall_ms is not None
    assert usage.wall_ms >= 100
    exact = worker.name in {"inline", "resident"}
    assert usage.measured is (Measured.EXACT if exact else Measured.METERED)


async def test_descriptors_and_processes_do_not_grow(worker: Worker) -> None:
    async def round_of_runs() -> None:
        for do in ("succeed", "fail", "wait_for_ever"):
            await worker.run(request_for(do, timeout=0.05))

    await round_of_runs()
    before = descriptors()
    for _ in range(3):
        await round_of_runs()
    assert descriptors() <= before + 1  # a pool may refill itself


async def test_kinds_of_runs_have_ids_of_their_own(worker: Worker) -> None:
    asked = request_for("look")
    asked.key = RunKey(PluginId("acts"), NOON, kind=RunKind.MANUAL)
    asked.run_id = asked.key.run_id
    assert plain(await worker.run(asked))["key"] == "acts@20181123T170000Z~manual"
