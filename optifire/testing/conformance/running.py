"""Rules about what a plugin does: how its runs end, what they leave, and whether they agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optifire.host.findings import Finding, Level
from optifire.testing.conformance.saying import observes_machine, same, subject
from optifire.testing.conformance.trial import NotTriedError, Trial

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from optifire.testing.testrun import TestRun

#: Waits of a run at which it is told to end, at most.
MOST_CANCELLED = 5
SUCCEEDED, SKIPPED, TIMED_OUT = "succeeded", "skipped", "timed_out"


async def run_ends_well(trial: Trial) -> AsyncIterator[Finding]:
    """Hold when the usual run succeeds; one that had nothing to do is worth a warning."""
    rule, run = "run_ends_well", await trial.usual()
    if run.status == SKIPPED:
        message = f"the run tried, as of {trial.at}, was skipped: {run.reason}"
        remedy = "Derive a PluginContract in its tests, with `at` and `data` that it can use"
        yield Finding(rule, Level.WARNING, trial.where, message, remedy)
    elif run.status not in {SUCCEEDED, TIMED_OUT} and not _was_refused(run):
        message = f"the run ended {run.status}: {run.reason}"
        yield trial.finding(rule, message, "Give a result, or `PluginResult.skipped(why)`")


async def result_is_plain(trial: Trial) -> AsyncIterator[Finding]:
    """Hold when what the run returns can be recorded."""
    run = await trial.usual()
    if _was_refused(run):
        remedy = "Return PluginResult(success=True, data={...}) with plain values or frames"
        yield trial.finding("result_is_plain", run.error, remedy)


def _was_refused(run: TestRun) -> bool:
    """Tell whether the run returned, and what it returned broke the contract."""
    return run.returned and run.status == "failed" and run.reason.startswith("contract")


async def run_ends_in_time(trial: Trial) -> AsyncIterator[Finding]:
    """Hold when the usual run does not have to be stopped."""
    run = await trial.usual()
    if run.status == TIMED_OUT:
        remedy = "Wait for nothing that may not come; set `timeout` in the plan if it needs long"
        yield trial.finding("run_ends_in_time", run.reason, remedy)


async def outputs_are_declared(trial: Trial) -> AsyncIterator[Finding]:
    """Hold when a success gives all declared outputs, and publishes no others."""
    rule, run = "outputs_are_declared", await trial.usual()
    for name in run.missing:
        remedy = "Give it in every success, or do not declare it"
        yield trial.finding(rule, f"the declared output {name!r} is missing", remedy)
    declared = subject(trial).description.metadata.get("outputs") or ()
    for name in sorted(run.writes.keys() - set(declared)):
        message = f"context.data[{name!r}] is published and not declared"
        yield trial.finding(rule, message, "Name it in `outputs`")


async def reads_are_declared(trial: Trial) -> AsyncIterator[Finding]:
    """Hold when the run reads only values of others that it declares."""
    for name in (await trial.usual()).undeclared:
        message = f"context.data[{name!r}] is read and not declared"
        yield trial.finding("reads_are_declared", message, "Name it in `inputs` or `dependencies`")


async def no_data_no_answer(trial: Trial) -> AsyncIterator[Finding]:
    """Hold when a run that asked for data and got none is skipped, with the reason."""
    rule, run = "no_data_no_answer", await trial.without_data()
    if run.no_data and run.status != SKIPPED:
        told = f"the feed said {run.no_data[0]!r}"
        did = f"answered {dict(run.outputs)!r}" if run.ok else f"ended {run.status}: {run.reason}"
        remedy = "Let NoData pass, or return PluginResult.skipped(why)"
        yield trial.finding(rule, f"{told}, and the run {did}", remedy)


async def same_again(trial: Trial) -> AsyncIterator[Finding]:
    """Hold when a second run of the same instant leaves the same."""
    if observes_machine(trial):
        raise NotTriedError("it observes the machine, which is not the same twice")
    first, second = await trial.usual(), await trial.run()
    for what in ("status", "reason", "outputs", "writes", "statements"):
        if not same(getattr(first, what), getattr(second, what)):
            message = f"{what} of the same run differ the second time"
            remedy = "Draw from context.rng, tell time by context.now, keep no state in modules"
            yield trial.finding("same_again", message, remedy)
    if not same(*([[e.name, e.data, e.source] for e in run.events] for run in (first, second))):
        message, remedy = "the same run publishes other events the second time", "As for outputs"
        yield trial.finding("same_again", message, remedy)


async def ends_when_told(trial: Trial) -> AsyncIterator[Finding]:
    """Hold when a run ends wherever it is cancelled."""
    waits = (await trial.usual()).waits
    for wait in range(1, min(waits, MOST_CANCELLED) + 1):
        if (await trial.run(cancel_at=wait)).deaf:
            message = f"told to end while it waited (for the {wait}. time), the run went on"
            remedy = "Do not catch CancelledError or BaseException, or raise it again"
            yield trial.finding("ends_when_told", message, remedy)
            return
