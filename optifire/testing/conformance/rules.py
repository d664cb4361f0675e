"""All rules by name, and how a plugin is examined by them.

A rule is a function from a trial to findings, which bear its name. Rules that only read the
plugin's source are the host's own; some of them warn there, and all of them must hold here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from types import MappingProxyType

from optifire.host import validate
from optifire.host.findings import Finding, Level
from optifire.testing.conformance import running, saying
from optifire.testing.conformance.trial import NotTriedError, Trial

Rule = Callable[[Trial], AsyncIterator[Finding]]

_TRIED: tuple[Rule, ...] = (
    saying.loads,
    saying.describe_is_pure,
    saying.id_matches_folder,
    saying.plan_is_sound,
    saying.settings_hold,
    running.run_ends_well,
    running.result_is_plain,
    running.run_ends_in_time,
    running.outputs_are_declared,
    running.reads_are_declared,
    running.no_data_no_answer,
    running.same_again,
    running.ends_when_told,
)
_READ: tuple[validate.Rule, ...] = (
    validate.budget_is_set,
    validate.has_readme,
    validate.has_tests,
    validate.knows_no_machinery,
    validate.reads_no_clock,
    validate.is_repeatable,
)
#: Every rule by its name, in the order of examination.
RULES: Mapping[str, Rule] = MappingProxyType(
    {rule.__name__: rule for rule in _TRIED}
    | {rule.__name__: saying.from_source(rule) for rule in _READ}
)


async def examine(trial: Trial, rules: Iterable[str]) -> tuple[Finding, ...]:
    """Give what the named rules find, errors first.

    Where all that was asked for could not be tried, one warning says why; a rule that could not be
    tried because another one is broken says nothing.
    """
    found: list[Finding] = []
    untried: dict[str, str] = {}
    names = list(rules)
    for name in names:
        try:
            found += [finding async for finding in RULES[name](trial)]
        except NotTriedError as why:
            untried[name] = str(why)
    if len(untried) == len(names) and names:
        rule, why_not = next(iter(untried.items()))
        found.append(Finding(rule, Level.WARNING, trial.where, f"not tried: {why_not}"))
    order = list(Level)
    return tuple(sorted(found, key=lambda one: order.index(one.level)))
