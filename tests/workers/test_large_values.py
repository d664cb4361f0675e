"""Large values: written once into a sealed file, passed on unopened, mapped by each reader."""

from __future__ import annotations

import asyncio
import gc
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from optifire.core.budget import Budget
from optifire.core.ports import Given
from optifire.core.run import RunStatus, Source
from optifire.core.types import Encoded, RunId
from optifire.workers.sealed import SHARE_FROM, file_of, share
from optifire.workers.wire import decode_value, encode_shared, encode_value
from tests.workers.conftest import Nothing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optifire.core.ports import Outcome, RunRequest, Worker
    from optifire.workers.isolated import IsolatedWorker
    from tests.workers.conftest import Ask

pytestmark = pytest.mark.asyncio(loop_scope="session")

#: Rows of five columns of eight bytes: below and far above the size from which values are shared.
FEW, MANY = 100, 200_000


@pytest.fixture(params=["isolated", "pooled"])
def worker(request: pytest.FixtureRequest) -> Worker:
    made: Worker = request.getfixturevalue(request.param)
    return made


@dataclass(frozen=True)
class One(Nothing):
    """A view of a world with one value."""

    given: Given

    def value(self, name: str) -> Given | None:
        return self.given if name == "undeclared" else None


def asked(
    ask: Ask, do: str, given: Mapping[str, Encoded] | None = None, **config: Any
) -> RunRequest:
    request = ask(do, "large", modules=("pandas",), config=config)
    source = Source(RunId("other@x"), request.key.due)
    request.given = {name: Given(value, source) for name, value in (given or {}).items()}
    return request


def values(outcome: Outcome) -> dict[str, Any]:
    assert outcome.status is RunStatus.SUCCEEDED, (outcome.reason, outcome.failure, outcome.log)
    return {key: decode_value(value) for key, value in outcome.outputs.items()}


def descriptors() -> int:
    """Count the open files of this process; sockets and pipes belong to children forked ahead."""
    gc.collect()
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that lists them
            found += os.readlink(descriptor).startswith("/")  # noqa: PTH115 - it need not exist
    return found


async def published(worker: Worker, ask: Ask, rows: int = MANY) -> Encoded:
    outcome = await worker.run(allowed(asked(ask, "publish", rows=rows), 512))
    assert outcome.status is RunStatus.SUCCEEDED, (outcome.reason, outcome.failure, outcome.log)
    return outcome.outputs["frame"]


@pytest.mark.parametrize("rows", [FEW, MANY])
async def test_a_frame_is_recorded_as_the_same_bytes_whichever_way_it_came(
    worker: Worker, ask: Ask, rows: int
) -> None:
    outcome = await worker.run(asked(ask, "publish", rows=rows))
    value = outcome.outputs["frame"]
    assert (file_of(value) is not None) == (len(value) >= SHARE_FROM) == (rows == MANY)
    assert bytes(value) == encode_value(decode_value(value))
    assert bytes(value) == bytes(outcome.writes["again"])


async def test_a_frame_is_read_by_many_runs_from_one_file(worker: Worker, ask: Ask) -> None:
    value = await published(worker, ask)
    before = descriptors()
    runs = [worker.run(asked(ask, "read", {"frame": value})) for _ in range(4)]
    made = [values(outcome) for outcome in await asyncio.gather(*runs)]
    assert {each["total"] for each in made} == {10.0 * sum(range(MANY))}
    assert {each["last"] for each in made} == {made[0]["last"]}
    assert all(each["private"] < 4 and each["shared"] > 6 for each in made), "MB, of 7.6"
    assert descriptors() == before


async def test_a_value_that_a_run_asks_for_comes_as_a_file_too(worker: Worker, ask: Ask) -> None:
    value = await published(worker, ask)
    request = asked(ask, "ask")
    request.view = One(Given(value, Source(RunId("other@x"), request.key.due)))
    assert values(await worker.run(request)) == {"total": 10.0 * sum(range(MANY))}


async def test_a_run_that_writes_to_its_frame_changes_nobody_else_s(
    worker: Worker, ask: Ask
) -> None:
    value = await published(worker, ask)
    for held in (value, encode_value(decode_value(value).head(FEW))):
        before = bytes(held)
        made = await worker.run(asked(ask, "change", {"frame": held}))
        assert values(made) == {"changed": -1.0}
        assert bytes(held) == before


@pytest.mark.parametrize("rows", [FEW, MANY])
async def test_arrays_are_read_only_whatever_their_size(
    worker: Worker, ask: Ask, rows: int
) -> None:
    value = encode_shared(np.zeros(rows), "array")
    outcome = await worker.run(asked(ask, "change_an_array", {"array": value}))
    assert outcome.status is RunStatus.FAILED
    assert outcome.failure is not None
    assert "read-only" in outcome.failure.message


async def test_where_no_file_can_be_made_the_value_travels_as_bytes_and_is_shared_here(
    worker: Worker, ask: Ask
) -> None:
    outcome = await worker.run(asked(ask, "publish_where_files_are_denied", rows=MANY))
    value = outcome.outputs["frame"]
    assert file_of(value) is not None
    assert values(await worker.run(asked(ask, "read", {"frame": value})))["total"] > 0


async def test_a_file_lives_as_long_as_the_last_holder_of_its_value(
    isolated: IsolatedWorker, ask: Ask
) -> None:
    await published(isolated, ask)  # zygotes are up
    before = descriptors()
    value = await published(isolated, ask)
    assert descriptors() > before
    del value
    assert descriptors() == before


async def test_a_run_that_is_killed_between_file_and_message_leaves_no_descriptor(
    isolated: IsolatedWorker, ask: Ask
) -> None:
    await published(isolated, ask)
    before = descriptors()
    outcome = await isolated.run(asked(ask, "publish_and_die"))
    assert (outcome.status, outcome.reason and outcome.reason.code) == (RunStatus.CRASHED, "signal")
    assert descriptors() == before


@pytest.mark.parametrize(
    ("do", "why"),
    [
        ("unsealed", "not sealed"),
        ("on_disk", "no file of memory"),
        ("empty", "0 bytes"),
        ("too_large", "67,108,865 bytes"),
        ("too_much", "hands over 268,435,456 bytes"),
    ],
)
async def test_a_file_that_cannot_be_relied_on_fails_the_run_that_handed_it_over(
    isolated: IsolatedWorker, ask: Ask, do: str, why: str
) -> None:
    before = descriptors()
    outcome = await isolated.run(allowed(asked(ask, do), 512))
    assert outcome.status is RunStatus.FAILED
    assert outcome.reason is not None
    assert outcome.reason.code == "contract"
    assert why in outcome.reason.detail
    assert not outcome.outputs
    assert descriptors() == before


@pytest.mark.parametrize(
    "do",
    [
        "nothing_along", "fewer_than_said", "more_than_said", "unused", "too_many",
        "with_a_question", "a_byte_at_a_time",
    ],
)  # fmt: skip
async def test_a_child_whose_files_do_not_fit_its_messages_is_cut_off(
    isolated: IsolatedWorker, ask: Ask, do: str
) -> None:
    await published(isolated, ask, FEW)
    before = descriptors()
    outcome = await isolated.run(asked(ask, do))
    assert outcome.status is RunStatus.CRASHED
    assert outcome.reason is not None
    assert outcome.reason.code == "garbage"
    assert descriptors() == before


async def test_a_sealed_file_of_garbage_fails_who_reads_it(
    isolated: IsolatedWorker, ask: Ask
) -> None:
    outcome = await isolated.run(asked(ask, "garbage"))
    assert outcome.status is RunStatus.SUCCEEDED  # the service looks into no value
    read = await isolated.run(asked(ask, "read", {"frame": outcome.outputs["frame"]}))
    assert read.status is RunStatus.FAILED
    assert read.reason is not None
    assert read.reason.code == "contract"


# --- what is charged to whom --------------------------------------------------------------------


#: Rows of a frame of 50 MB, and a budget that is less than it needs to be copied.
HUGE = 1_250_000


def allowed(request: RunRequest, megabytes: float) -> RunRequest:
    request.job = replace(request.job, budget=Budget(20_000, megabytes))
    return request


async def test_a_lent_frame_is_not_charged_to_its_reader_and_all_else_is(
    isolated: IsolatedWorker, ask: Ask
) -> None:
    value = await published(isolated, ask, HUGE)
    held = asked(ask, "hold", {"frame": value}, mb=40)
    outcome = await isolated.run(allowed(held, 64))
    assert outcome.status is RunStatus.SUCCEEDED, (outcome.reason, outcome.failure, outcome.log)
    assert outcome.usage.mem_mb is not None
    assert 39 <= outcome.usage.mem_mb < 48
    too_much = asked(ask, "hold", {"frame": value}, mb=90)
    outcome = await isolated.run(allowed(too_much, 64))
    assert (outcome.status, outcome.reason and outcome.reason.code) == (
        RunStatus.OVER_BUDGET,
        "memory",
    )


async def test_memory_of_a_readers_own_that_is_shared_is_charged_beside_a_lent_frame(
    isolated: IsolatedWorker, ask: Ask
) -> None:
    value = await published(isolated, ask, HUGE)
    request = asked(ask, "map_memory", {"frame": value}, mb=130)
    outcome = await isolated.run(allowed(request, 64))
    assert (outcome.status, outcome.reason and outcome.reason.code) == (
        RunStatus.OVER_BUDGET,
        "memory",
    )


async def test_what_a_run_hands_over_in_a_file_is_charged_to_it(
    isolated: IsolatedWorker, ask: Ask
) -> None:
    outcome = await isolated.run(allowed(asked(ask, "zeros", mb=50), 512))
    assert file_of(outcome.outputs["zeros"]) is not None
    assert outcome.usage.mem_mb is not None
    assert 50 <= outcome.usage.mem_mb < 60, "MB: pages of zeros are not there before they are sent"


@pytest.mark.parametrize(
    ("deaf", "says"),
    [(False, "the values that it publishes lie in files of 80.0 MB together"), (True, "")],
    ids=["raises", "swallows"],
)
async def test_files_count_before_they_are_handed_over_although_they_are_in_nobodys_memory(
    isolated: IsolatedWorker, ask: Ask, *, deaf: bool, says: str
) -> None:
    outcome = await isolated.run(allowed(asked(ask, "publish_on_and_on", deaf=deaf), 64))
    assert outcome.status is RunStatus.OVER_BUDGET
    assert outcome.reason is not None
    assert outcome.reason.code == "memory"
    assert says in outcome.reason.detail
    assert not outcome.writes


async def test_a_value_that_is_replaced_is_no_longer_counted(
    isolated: IsolatedWorker, ask: Ask
) -> None:
    outcome = await isolated.run(allowed(asked(ask, "publish_anew"), 64))
    assert outcome.status is RunStatus.SUCCEEDED, (outcome.reason, outcome.failure, outcome.log)
    assert file_of(outcome.writes["same"]) is not None


@pytest.mark.parametrize("cut", [3, 20, 200, SHARE_FROM])
async def test_a_frame_that_was_cut_off_fails_who_reads_it(
    isolated: IsolatedWorker, ask: Ask, cut: int
) -> None:
    whole = bytes(await published(isolated, ask))
    payload = whole[6:-cut]
    broken = share(Encoded(b"\xc9" + len(payload).to_bytes(4, "big") + whole[5:6] + payload))
    read = await isolated.run(asked(ask, "read", {"frame": broken}))
    assert read.status is RunStatus.FAILED
    assert read.reason is not None
    assert read.reason.code == "contract"
    assert values(await isolated.run(asked(ask, "ask", {"undeclared": Encoded(whole)})))
