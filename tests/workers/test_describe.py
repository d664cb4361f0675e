"""What a plugin says of itself, asked in a process of its own, and every fault by file and line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from optifire.core.errors import PluginFault

if TYPE_CHECKING:
    from optifire.workers.isolated import IsolatedWorker

PLUGINS = Path(__file__).parent / "plugins"
pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_metadata_plan_and_hooks_come_as_plain_values(isolated: IsolatedWorker) -> None:
    said = await isolated.describe(str(PLUGINS / "hooked"))
    assert (said.plugin_id, said.class_name) == ("hooked", "Subject")
    assert said.metadata["inputs"] == ["a", "b"]
    assert said.metadata["dependencies"] == ["x", {"after": "y"}]
    assert said.plan == {
        "schedule": ["@open", "@close-10m"],
        "triggers": ["a", "b"],
        "deadline": "90s",
    }
    assert said.hooks == ("start", "handle_event")


async def test_triggers_of_apscheduler_travel_as_class_and_fields(
    isolated: IsolatedWorker,
) -> None:
    said = await isolated.describe(str(PLUGINS / "aps"))
    word, cron, interval = said.plan["schedule"]
    assert word == "@open"
    assert cron["class"] == "CronTrigger"
    assert cron["fields"]["minute"] == "5"
    assert cron["fields"]["timezone"] == "America/New_York"
    assert (interval["class"], interval["fields"]["seconds"]) == ("IntervalTrigger", 300)


@pytest.mark.parametrize(
    ("plugin", "where", "what"),
    [
        ("broken_import", "impl.py:5", "No module named 'surely_not_installed'"),
        ("exits_on_import", "impl.py:7", "SystemExit: 5"),
        ("no_class", "impl.py", "no class derives from Plugin"),
        ("two_classes", "impl.py", "2 plugin classes: Subject, Other"),
        ("abstract", "impl.py:6", "does not define plan"),
        ("bad_describe", "impl.py:8", "LookupError: who am I"),
        ("bad_plan", "impl.py: plan().timeout", "type object"),
        ("no_super", "impl.py", "does not call super().__init__()"),
        ("nowhere", "nowhere", "no impl.py"),
    ],
)
async def test_a_fault_names_file_line_and_remedy(
    isolated: IsolatedWorker, plugin: str, where: str, what: str
) -> None:
    with pytest.raises(PluginFault) as met:
        await isolated.describe(str(PLUGINS / plugin))
    assert met.value.where.endswith(where)
    assert what in met.value.message
    assert met.value.remedy


async def test_a_syntax_error_names_its_line(isolated: IsolatedWorker, tmp_path: Path) -> None:
    (tmp_path / "impl.py").write_text("VALUE = 1\n\ndef broken(:\n    pass\n")
    with pytest.raises(PluginFault, match=r"impl\.py:3: .*SyntaxError"):
        await isolated.describe(str(tmp_path))


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("import os\nos._exit(4)\n", "ended its process"),
        ("while True:\n    pass\n", "took longer than 0.5 s"),
    ],
)
async def test_code_that_ends_or_never_ends_is_a_fault(
    isolated: IsolatedWorker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    what: str,
) -> None:
    monkeypatch.setattr("optifire.workers.isolated.DESCRIBE_TIMEOUT", 0.5)
    (tmp_path / "impl.py").write_text(code)
    with pytest.raises(PluginFault, match=what):
        await isolated.describe(str(tmp_path))
