"""Rules that every plugin should meet, as ``lint``, ``doctor`` and ``plugins validate`` tell them.

A rule is a function from a `Subject` to findings, named as the finding names it; adding one is
adding it to `RULES`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from optifire.core.job import Job
from optifire.core.order import cycles
from optifire.core.secret_names import names_secret
from optifire.core.types import PluginId, fold_id
from optifire.host.catalog import Catalog, Listed
from optifire.host.discovery import Candidate
from optifire.host.findings import Finding, Level, error_of
from optifire.host.layers import is_secret
from optifire.host.plugin_files import top_imports
from optifire.host.source import (
    Source,
    is_unrepeatable,
    published_events,
    reads_clock,
    sources_of,
)

#: Rooms that plugins do not import: they run plugins.
MACHINERY = ("api", "app", "backtest", "calendars", "cli", "host", "runtime", "store", "workers")


@dataclass(frozen=True)
class Subject:
    """One plugin under examination: its folder, and what came of loading it."""

    candidate: Candidate
    listed: Listed
    job: Job | None = None

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """The plugin's own files."""
        return sources_of(self.candidate.folder)

    @property
    def folder(self) -> Path:
        """The plugin's folder."""
        return self.candidate.folder

    @property
    def observes_machine(self) -> bool:
        """Whether the plugin looks at the running machine and stays out of replays."""
        said = self.listed.description.metadata if self.listed.description else {}
        return said.get("observes") == "machine"


Rule = Callable[[Subject], Iterator[Finding]]


def loads(subject: Subject) -> Iterator[Finding]:
    """Find out what keeps the plugin from running."""
    if subject.listed.error is not None:
        yield error_of("loads", subject.listed.error, str(subject.folder))


def id_matches_folder(subject: Subject) -> Iterator[Finding]:
    """Find a folder that is not called as its plugin, spelling included."""
    said = subject.listed.description.plugin_id if subject.listed.description else ""
    if said and fold_id(said) == fold_id(subject.folder.name) and said != subject.folder.name:
        yield Finding(
            "id_matches_folder",
            Level.WARNING,
            str(subject.folder),
            f"the plugin is called {said!r} and its folder {subject.folder.name!r}",
            f"Rename the folder or plugin_id to {said!r}",
        )


def schedule_is_clear(subject: Subject) -> Iterator[Finding]:
    """Find words whose meaning surprises twice a year."""
    for text in subject.job.schedule.warnings if subject.job else ():
        where = subject.listed.entry.source("schedule") if subject.listed.entry else ""
        yield Finding("schedule_is_clear", Level.WARNING, where or str(subject.folder), text)


def budget_is_set(subject: Subject) -> Iterator[Finding]:
    """Find plugins of which nobody has said what they use."""
    said = subject.listed.description.metadata if subject.listed.description else None
    entry = subject.listed.entry
    if said is None or entry is None:
        return
    for field, key in (("est_cpu_ms", "budget.cpu_ms"), ("est_mem_mb", "budget.mem_mb")):
        if not said.get(field) and not entry.source(key):
            yield Finding(
                "budget_is_set",
                Level.WARNING,
                str(subject.folder / "impl.py"),
                f"neither describe() says {field} nor features.yaml {key}; the default holds",
                f"State {field} in the metadata",
            )


def secrets_are_variables(subject: Subject) -> Iterator[Finding]:
    """Find settings that are named like a secret and stand in clear text; none is repeated."""
    config = subject.listed.entry.config if subject.listed.entry else {}
    for key, found in config.items():
        clear = isinstance(found.value, str) and found.value and not is_secret(found)
        if clear and names_secret(key):
            yield Finding(
                "secrets_are_variables",
                Level.WARNING,
                found.source,
                "may be a secret in clear text, which every copy of the file holds too",
                "Put it into configs/secrets.env as NAME=value, and write ${NAME}",
            )


def has_tests(subject: Subject) -> Iterator[Finding]:
    """Find plugins without tests."""
    if not any(subject.folder.glob("tests/test_*.py")):
        message, remedy = "there are no tests", "Write tests/test_impl.py"
        yield Finding("has_tests", Level.WARNING, str(subject.folder), message, remedy)


def has_readme(subject: Subject) -> Iterator[Finding]:
    """Find plugins that nothing explains."""
    if not (subject.folder / "README.md").is_file():
        message, remedy = "there is no README.md", "Say what it computes, from what, and why"
        yield Finding("has_readme", Level.WARNING, str(subject.folder), message, remedy)


def imports_are_early(subject: Subject) -> Iterator[Finding]:
    """Find third-party imports inside functions: their time and memory are charged to the run."""
    for source in subject.sources:
        for node, name in source.late_imports():
            line = f"import {name}".encode()
            if list(top_imports(line, subject.folder)):
                yield Finding(
                    "imports_are_early",
                    Level.WARNING,
                    source.where(node),
                    f"{name} is imported in a function, which is charged to each run",
                    "Import it at the top of the file",
                )


def knows_no_machinery(subject: Subject) -> Iterator[Finding]:
    """Find imports of what runs plugins, and of other plugins."""
    own = f"optifire.plugins.{subject.folder.name}"
    for source in subject.sources:
        for node, name in source.all_imports():
            parts = name.split(".")
            other = parts[:2] == ["optifire", "plugins"] and len(parts) > len(own.split(".")) - 1
            if other and not (name == own or name.startswith(f"{own}.")):
                message, remedy = "imports another plugin", "Need its outputs as dependencies"
            elif parts[0] == "optifire" and len(parts) > 1 and parts[1] in MACHINERY:
                message, remedy = "imports what runs it", "Use context and optifire.plugins"
            else:
                continue
            where = source.where(node)
            yield Finding("knows_no_machinery", Level.ERROR, where, f"{message}: {name}", remedy)


def reads_no_clock(subject: Subject) -> Iterator[Finding]:
    """Find clock reads in the plugin's own files, which a replay refuses."""
    if subject.observes_machine:
        return
    for source in subject.sources:
        for call, name in source.calls():
            if reads_clock(call, name):
                yield Finding(
                    "reads_no_clock",
                    Level.ERROR,
                    source.where(call),
                    f"{name} reads the clock, and a replay refuses it",
                    "Use context.now; context.started is the clock",
                )


def is_repeatable(subject: Subject) -> Iterator[Finding]:
    """Find random numbers that do not come from ``context.rng``."""
    for source in subject.sources:
        for call, name in source.calls():
            if is_unrepeatable(call, name):
                yield Finding(
                    "is_repeatable",
                    Level.ERROR,
                    source.where(call),
                    f"{name} gives other numbers in each run",
                    "Use context.rng, which is seeded by the run's key",
                )


RULES: tuple[Rule, ...] = (
    loads,
    id_matches_folder,
    schedule_is_clear,
    budget_is_set,
    secrets_are_variables,
    has_tests,
    has_readme,
    imports_are_early,
    knows_no_machinery,
    reads_no_clock,
    is_repeatable,
)


def validate(subject: Subject, rules: Iterable[Rule] = RULES) -> tuple[Finding, ...]:
    """Give all findings about one plugin, errors first."""
    found = [finding for rule in rules for finding in rule(subject)]
    order = list(Level)
    return tuple(sorted(found, key=lambda each: (order.index(each.level), each.where)))


def lint(catalog: Catalog) -> tuple[Finding, ...]:
    """Give all findings about a catalog and the plugins that it runs, errors first."""
    skip = {loads, schedule_is_clear}  # the catalog's own findings say these
    rules = [rule for rule in RULES if rule not in skip]
    found = list(catalog.findings)
    publishers: dict[PluginId, set[str]] = {}
    for listed in catalog.plugins.values():
        if not listed.enabled or listed.candidate is None:
            continue
        subject = Subject(listed.candidate, listed, catalog.jobs.get(listed.plugin_id))
        found += validate(subject, rules)
        publishers[listed.plugin_id] = {
            event for source in subject.sources for _, event in published_events(source)
        }
    found += event_loops(publishers, catalog.jobs)
    order = list(Level)
    return tuple(sorted(found, key=lambda each: (order.index(each.level), each.where)))


def event_loops(
    publishers: Mapping[PluginId, set[str]], jobs: Mapping[PluginId, Job]
) -> Iterator[Finding]:
    """Find chains of events that lead back to where they began, as far as names are written out."""
    follows = {
        one: {
            other
            for other, job in jobs.items()
            if other in publishers and job.listens & publishers[one]
        }
        for one in publishers
    }
    for path in sorted(set(cycles(follows).values())):
        yield Finding(
            "event_loop",
            Level.WARNING,
            path[0],
            f"events go round: {' -> '.join(path)}",
            "Publish under a condition; after 16 turns of one instant the rest is refused",
        )
