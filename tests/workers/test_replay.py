"""What a replayed run may not look at: the clock, the network, foreign files, chance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from optifire.core.run import RunStatus
from optifire.workers.inline import InlineWorker

if TYPE_CHECKING:
    from optifire.core.ports import Outcome, Worker
    from tests.workers.conftest import Ask

pytestmark = pytest.mark.asyncio(loop_scope="session")
PLUGINS = Path(__file__).parent / "plugins"


@pytest.fixture(params=["isolated", "pooled"])
def worker(request: pytest.FixtureRequest) -> Worker:
    made: Worker = request.getfixturevalue(request.param)
    return made


def refusal(outcome: Outcome) -> str:
    """Give the message of a run that failed by contract."""
    assert outcome.status is RunStatus.FAILED, outcome
    assert outcome.reason is not None
    assert outcome.reason.code == "contract", outcome.reason
    return outcome.reason.detail


HOW = {
    "time.time": "time.time",
    "alias": "time.monotonic_ns",
    "name": "time.perf_counter",
    "strftime": "time.strftime",
    "now": "datetime.now",
    "utcnow": "datetime.utcnow",
    "today": "date.today",
    "module": "datetime.today",
    "late": "time.time",
    "pandas now": "Timestamp.now",
    "pandas text": "Timestamp('now')",
}


@pytest.mark.parametrize("how", HOW)
async def test_a_clock_read_is_refused_by_name_and_line(worker: Worker, ask: Ask, how: str) -> None:
    said = refusal(await worker.run(ask("x", "clocks", config={"how": how}, replay=True)))
    assert f"{HOW[how]} reads the clock" in said
    assert "clocks/impl.py:" in said
    assert "context.now" in said


async def test_a_clock_read_is_refused_inline_too(ask: Ask, tmp_path: Path) -> None:
    inline = InlineWorker(tmp_path)
    asked = ask("x", "clocks", config={"how": "now"}, replay=True)
    assert "datetime.now reads the clock" in refusal(await inline.run(asked))


async def test_the_clock_may_be_read_outside_a_replay(isolated: Worker, ask: Ask) -> None:
    for how in HOW:
        if how != "utcnow":  # deprecated from Python 3.12 on
            outcome = await isolated.run(ask("x", "clocks", config={"how": how}))
            assert outcome.status is RunStatus.SUCCEEDED, (how, outcome.failure)


async def test_dates_and_instants_work_as_ever_in_a_replay(worker: Worker, ask: Ask) -> None:
    outcome = await worker.run(ask("x", "clocks", config={"how": "not at all"}, replay=True))
    said = {key: msgspec.msgpack.decode(value) for key, value in outcome.outputs.items()}
    assert said == {"same": True, "is": True, "span": True, "text": "1970", "parsed": 2018}


async def test_the_network_is_refused(worker: Worker, ask: Ask) -> None:
    said = refusal(await worker.run(ask("connect", replay=True)))
    assert "not part of a replay" in said
    assert "127.0.0.1" in said


async def test_files_outside_are_refused_by_name(worker: Worker, ask: Ask, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    said = refusal(await worker.run(ask("read_file", config={"path": str(secret)}, replay=True)))
    assert str(secret) in said
    link = PLUGINS / "acts" / ".." / ".." / "test_replay.py"
    refusal(await worker.run(ask("read_file", config={"path": str(link)}, replay=True)))


async def test_the_plugins_own_files_may_be_read_and_written(worker: Worker, ask: Ask) -> None:
    own = PLUGINS / "acts" / "impl.py"
    outcome = await worker.run(ask("read_file", config={"path": str(own)}, replay=True))
    assert outcome.status is RunStatus.SUCCEEDED, outcome.failure
    outcome = await worker.run(ask("own_files", replay=True))
    assert outcome.status is RunStatus.SUCCEEDED, outcome.failure


async def test_the_plugins_code_may_not_be_written(
    worker: Worker, ask: Ask, tmp_path: Path
) -> None:
    path = tmp_path / "new.txt"
    refusal(await worker.run(ask("write_file", config={"path": str(path)}, replay=True)))
    assert not path.exists()


async def test_the_machines_randomness_is_refused(worker: Worker, ask: Ask) -> None:
    assert "context.rng" in refusal(await worker.run(ask("system_random", replay=True)))


async def test_outside_a_replay_nothing_of_this_is_refused(
    isolated: Worker, ask: Ask, tmp_path: Path
) -> None:
    (tmp_path / "some.txt").write_text("some")
    for do in ("read_file", "write_file", "system_random"):
        asked = ask(do, config={"path": str(tmp_path / "some.txt")})
        assert (await isolated.run(asked)).status is RunStatus.SUCCEEDED
    outcome = await isolated.run(ask("connect"))
    assert outcome.failure is not None
    assert outcome.failure.type == "ConnectionRefusedError"
