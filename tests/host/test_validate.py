"""The rules: each finds what it should and is quiet about what is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from optifire.core.calendar import AlwaysOpen
from optifire.core.job import Code, Job
from optifire.core.lifecycle import PluginState
from optifire.core.schedule import parse_schedule
from optifire.core.settings import Settings
from optifire.core.types import PluginId
from optifire.host.catalog import Listed
from optifire.host.discovery import BUILTIN, BUILTIN_FOLDER, Candidate, plugin_folders
from optifire.host.drafts import load_one
from optifire.host.features import load_features
from optifire.host.validate import (
    RULES,
    Rule,
    Subject,
    event_loops,
    has_readme,
    has_tests,
    imports_are_early,
    is_repeatable,
    knows_no_machinery,
    lint,
    reads_no_clock,
    validate,
)

if TYPE_CHECKING:
    from pathlib import Path

    from optifire.host.findings import Finding
    from tests.host.conftest import World


def subject_of(folder: Path) -> Subject:
    candidate = Candidate(folder.name, folder, str(folder.parent))
    return Subject(candidate, Listed(PluginId(folder.name), PluginState.ACTIVE, enabled=True))


def findings(rule: Rule, folder: Path, source: str) -> list[Finding]:
    (folder / "impl.py").write_text(source)
    return list(rule(subject_of(folder)))


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.time()",
        "import time as t\nt.monotonic_ns()",
        "from time import perf_counter as now\nnow()",
        "import time\ntime.strftime('%Y')",
        "import time\ntime.localtime()",
        "from datetime import datetime, UTC\ndatetime.now(UTC)",
        "import datetime as dt\ndt.datetime.utcnow()",
        "import datetime\ndatetime.date.today()",
        "import pandas as pd\npd.Timestamp.now('UTC')",
        "import pandas as pd\npd.Timestamp('now')",
    ],
)
def test_clock_reads_are_found_however_imported(tmp_path: Path, source: str) -> None:
    (finding,) = findings(reads_no_clock, tmp_path, source)
    assert finding.where == f"{tmp_path / 'impl.py'}:2"


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.strftime('%Y', given)\ntime.localtime(0)",
        "from datetime import datetime\ndatetime(2018, 1, 2)\ndatetime.fromisoformat(x)",
        "import pandas as pd\npd.Timestamp(context.now)\npd.Timestamp('2018-01-02')",
        "def time(): ...\ntime()",
        "self.time.time()",
    ],
)
def test_telling_the_time_is_not_reading_the_clock(tmp_path: Path, source: str) -> None:
    assert findings(reads_no_clock, tmp_path, source) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import random\nrandom.gauss(0, 1)", 1),
        ("import numpy as np\nnp.random.normal()", 1),
        ("from numpy.random import default_rng\ndefault_rng()", 1),
        ("import os\nos.urandom(8)", 1),
        ("from uuid import uuid4\nuuid4()", 1),
        ("import random\nrandom.Random()", 1),
        ("import random\nrandom.Random(context.key)", 0),
        ("import numpy as np\nnp.random.default_rng(seed=3)", 0),
        ("context.rng.gauss(0, 1)", 0),
    ],
)
def test_random_numbers_come_from_the_context(tmp_path: Path, source: str, found: int) -> None:
    assert len(findings(is_repeatable, tmp_path, source)) == found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def run():\n    import scipy.stats", 1),
        ("def run():\n    from pandas import DataFrame", 1),
        ("def run():\n    import json", 0),
        ("def run():\n    from .logic import x", 0),
        ("import scipy.stats", 0),
    ],
)
def test_third_party_imports_stand_at_the_top(tmp_path: Path, source: str, found: int) -> None:
    assert len(findings(imports_are_early, tmp_path, source)) == found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from optifire.runtime.clock import SystemClock", 1),
        ("import optifire.store.sqlite", 1),
        ("from optifire.plugins.fe_garch.logic import fit", 1),
        ("from optifire.plugins.{own}.logic import fit", 0),
        ("from optifire.plugins import Plugin", 0),
        ("from optifire.data.feeds import DataFeed", 0),
        ("from optifire.core.logger import logger", 0),
    ],
)
def test_plugins_import_neither_machinery_nor_each_other(
    tmp_path: Path, source: str, found: int
) -> None:
    text = source.format(own=tmp_path.name)
    assert len(findings(knows_no_machinery, tmp_path, text)) == found


def test_tests_and_readme_are_asked_for(tmp_path: Path) -> None:
    subject = subject_of(tmp_path)
    assert len([*has_tests(subject), *has_readme(subject)]) == 2
    (tmp_path / "README.md").write_text("what it is")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_impl.py").write_text("import time\ntime.time()")
    subject = subject_of(tmp_path)
    assert [*has_tests(subject), *has_readme(subject), *reads_no_clock(subject)] == []


async def test_a_secret_in_clear_text_is_found_and_not_repeated(world: World) -> None:
    world.plugin("fe_x")
    config = "{api_key: hunter2, password: '${PASSWORD}', token: '', max_tokens: 7, symbol: SPY}"
    world.features(f"plugins:\n  fe_x: {{enabled: true, config: {config}}}\n")
    world.environ |= {"PASSWORD": "swordfish"}
    found = [each for each in lint(await world.catalog()) if each.rule == "secrets_are_variables"]
    (finding,) = found
    assert finding.where.endswith("features.yaml:2: plugins.fe_x.config.api_key")
    assert "hunter2" not in str(finding.as_dict())


async def test_a_plugin_is_validated_whether_it_is_on_or_not(world: World) -> None:
    folder = world.plugin("fe_x", plan={"schedule": "30 1 * * *"})
    world.features("plugins:\n")
    candidate = world.scanner.scan(world.home, []).candidates["fe_x"]
    listed, job = await load_one(
        candidate,
        ground=world.ground,
        features=load_features(world.home, {}),
        settings=Settings(),
    )
    rules = {each.rule for each in validate(Subject(candidate, listed, job))}
    assert rules == {"schedule_is_clear", "budget_is_set", "has_tests", "has_readme"}
    (folder / "impl.py").write_text("{")
    candidate = world.scanner.scan(world.home, []).candidates["fe_x"]
    listed, job = await load_one(
        candidate,
        ground=world.ground,
        features=load_features(world.home, {}),
        settings=Settings(),
    )
    first = validate(Subject(candidate, listed, job))[0]
    assert (first.rule, first.where) == ("loads", f"{folder / 'impl.py'}:1")


async def test_lint_says_all_of_a_catalog_errors_first(world: World) -> None:
    world.plugin("a", metadata={"inputs": ["nobody_has_it"]})
    world.plugin("b", plan={"schedule": "@opne"})
    world.plugin("off")
    world.features("plugins:\n  a: {enabled: true}\n  b: {enabled: true}\n")
    found = lint(await world.catalog())
    assert found[0].rule == "load"
    assert "@opne" in found[0].message
    assert {each.rule for each in found} >= {"load", "inputs", "has_tests", "budget_is_set"}
    assert not [each for each in found if "off" in each.where.split("/")]


def test_events_that_go_round_are_named(tmp_path: Path) -> None:
    def listens(name: str, *events: str) -> Job:
        schedule = parse_schedule("@event", calendar=AlwaysOpen())
        code = Code(str(tmp_path), "Some", "")
        return Job(PluginId(name), "1", "infra", schedule, code, listens=frozenset(events))

    jobs = {PluginId(name): listens(name, event) for name, event in [("a", "y"), ("b", "x")]}
    (finding,) = event_loops({PluginId("a"): {"x"}, PluginId("b"): {"y"}}, jobs)
    assert "a -> b -> a" in finding.message
    assert list(event_loops({PluginId("a"): {"x"}, PluginId("b"): {"z"}}, jobs)) == []


@pytest.mark.parametrize("folder", list(plugin_folders(BUILTIN_FOLDER)), ids=lambda each: each.name)
def test_the_sources_of_the_bundled_plugins_meet_all_rules(folder: Path) -> None:
    candidate = Candidate(folder.name, folder, BUILTIN)
    observes = "observes" in (folder / "impl.py").read_text()
    subject = subject_of(candidate.folder)
    broken = [
        finding
        for rule in RULES
        if not (rule is reads_no_clock and observes)
        for finding in rule(subject)
    ]
    assert broken == []
