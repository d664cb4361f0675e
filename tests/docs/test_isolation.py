"""The page on isolation: what it says holds is tried, and what it says does not hold as well."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from optifire.workers.sandbox import missing, offered

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.docs.conftest import Reader

PAGE = Path(__file__).parents[2] / "docs" / "isolation.md"

#: What only the service should know.
WORD = "open-sesame"

IMPL = """
import ctypes, os, subprocess, sys, time
from optifire.plugins import Plugin, PluginMetadata, PluginResult

class Misdeed(Plugin):
    def describe(self):
        return PluginMetadata.create(
            plugin_id="{id}", version="1", description="misbehaves", permissions={permissions}
        )

    def plan(self):
        return {{"schedule": "@manual", "timeout": 2}}

    async def run(self, context):
        told = {{}}
        {body}
        return PluginResult(success=True, data=told)
"""

#: A program that ends by itself, but not before anybody has looked.
CHILD = "told['pid'] = subprocess.Popen(['sleep', '30'], start_new_session={}).pid"
#: Writes what is no message into the socket over which a run answers.
GARBAGE = """for fd in range(3, 64):
            link = f'/proc/self/fd/{fd}'
            if os.path.exists(link) and os.readlink(link).startswith('socket:'):
                os.write(fd, bytes([255]) * 4096)"""


@dataclass(frozen=True)
class Deed:
    """What a plugin does, and how its run then ends."""

    body: str
    status: str


HOLDS = {
    "exits": Deed("os._exit(0)", "crashed"),
    "segfaults": Deed("ctypes.string_at(0)", "crashed"),
    "loops": Deed("while True: pass", "timed_out"),
    "loops_in_c": Deed("sum(range(10**13))", "timed_out"),
    "starts_a_child": Deed(CHILD.format("False"), "succeeded"),
    "leaves_the_group": Deed(CHILD.format("True"), "succeeded"),
    "sends_garbage": Deed(GARBAGE, "crashed"),
    "floods": Deed("print('x' * 10_000_000)", "succeeded"),
    "attaches": Deed(
        "await context.db.fetch_all(\"ATTACH 'data/paper.db' AS other\")",
        "failed",
    ),
    "reads_environ": Deed("told['seen'] = dict(os.environ)", "succeeded"),
    "lists_descriptors": Deed(
        "told['fds'] = [os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd')"
        " if os.path.exists(f'/proc/self/fd/{n}')]",
        "succeeded",
    ),
    "half_done": Deed("context.data['half'] = 1; raise RuntimeError('in the middle')", "failed"),
}
ENFORCED = {
    "takes_memory": Deed("told['bytes'] = len(bytearray(b'x') * 200_000_000)", "over_budget"),
    "takes_time": Deed("while time.process_time() < 60: pass", "over_budget"),
    "catches_memory_error": Deed(
        """
        try: bytearray(b'x') * 200_000_000
        except MemoryError: pass""",
        "over_budget",
    ),
    "takes_a_little_memory": Deed("told['bytes'] = len(bytearray(b'x') * 12_000_000)", "succeeded"),
    "takes_a_little_time": Deed(
        """
        while time.process_time() < 0.15: pass""",
        "succeeded",
    ),
}
#: Where the service keeps what no plugin should see, as a run finds it.
ROOT = "home = context.data_dir.parents[2]; "
DOES_NOT_HOLD = {
    "reads_secrets": Deed(
        ROOT + "told['read'] = (home / 'configs/secrets.env').read_text()", "succeeded"
    ),
    "looks_at_what_exists": Deed(
        ROOT + "told['size'] = (home / 'configs/secrets.env').stat().st_size", "succeeded"
    ),
}
#: What a plugin tries in its sandbox, which is there unless features.yaml says otherwise.
SANDBOXED = {
    "takes_secrets": Deed(
        ROOT + "told['read'] = (home / 'configs/secrets.env').read_text()", "failed"
    ),
    "takes_the_ledger": Deed(
        ROOT + "told['read'] = (home / 'data/paper.db').read_bytes()", "failed"
    ),
    "takes_code_of_others": Deed(
        ROOT + "told['read'] = (home / 'bad/exits/impl.py').read_text()", "failed"
    ),
    "takes_the_environment": Deed(
        "told['read'] = open(f'/proc/{os.getppid()}/environ').read()", "failed"
    ),
    "writes_outside": Deed(ROOT + "(home / 'configs/features.yaml').write_text('')", "failed"),
    "connects": Deed(
        """
        import socket
        socket.create_connection(("127.0.0.1", 9))""",
        "failed",
    ),
    "starts_a_program": Deed("subprocess.run(['true'])", "failed"),
    "kills_its_parent": Deed("os.kill(os.getppid(), 9)", "failed"),
    "keeps_files": Deed(
        """
        import tempfile
        (context.data_dir / 'kept').write_text('kept')
        (context.temp_dir / 'made').write_text('made')
        with tempfile.TemporaryFile() as made: made.write(b'x')
        told['read'] = (context.data_dir / 'kept').read_text()""",
        "succeeded",
    ),
    "is_granted_a_file": Deed("told['read'] = open('{granted}/file').read()", "succeeded"),
}
#: In the sandbox these could not do what their tests are about.
FREE = {"starts_a_child", "leaves_the_group", "reads_secrets"}
DEEDS = {**HOLDS, **ENFORCED, **DOES_NOT_HOLD, **SANDBOXED}

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def home(new_reader: Callable[[], Reader]) -> Reader:
    """Give a reader in a home with one plugin for each deed."""
    reader = new_reader()
    reader.give("optifire init home")
    reader.give("cd home")
    granted = reader.folder.parent.resolve() / "granted"
    granted.mkdir()
    (granted / "file").write_text("granted", encoding="utf-8")
    lines = ["environment: paper", "plugin_paths: [bad]", "plugins:"]
    budgets = {"takes_time": "{cpu_ms: 200}", "takes_a_little_time": "{cpu_ms: 100}"}
    budgets["takes_a_little_memory"] = "{mem_mb: 5}"
    for name, deed in DEEDS.items():
        folder = reader.folder / "bad" / name
        folder.mkdir(parents=True)
        permissions = [f"fs:read:{granted}"] if name == "is_granted_a_file" else []
        body = deed.body.replace("{granted}", str(granted))
        text = IMPL.format(id=name, body=body, permissions=permissions)
        (folder / "impl.py").write_text(text, encoding="utf-8")
        budget = f", budget: {budgets[name]}" if name in budgets else ""
        free = ", sandbox: false" if name in FREE else ""
        grant = f", permissions: {permissions}" if permissions else ""
        lines.append(f"  {name}: {{enabled: true{budget}{free}{grant}}}")
    text = "\n".join(lines) + "\n"
    (reader.folder / "configs/features.yaml").write_text(text, encoding="utf-8")
    secrets = reader.folder / "configs/secrets.env"
    secrets.write_text(f"TOKEN={WORD}\n", encoding="utf-8")
    secrets.chmod(0o600)
    return reader


@pytest.fixture
def run(home: Reader) -> Callable[[str], dict[str, Any]]:
    """Give the function that makes one run and gives its record."""

    def made(name: str) -> dict[str, Any]:
        home.try_to(f"optifire run {name}")
        (record,) = home.ask(f"optifire runs --plugin {name} --limit 1")
        assert record["status"] == DEEDS[name].status, record
        found: dict[str, Any] = record
        return found

    return made


def lives(pid: int) -> bool:
    """Tell whether a process is there; one that was killed may wait for init to reap it."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("name", ["exits", "segfaults", "loops", "loops_in_c", "sends_garbage"])
def test_a_run_that_goes_wrong_is_a_record_and_nothing_more(
    name: str, run: Callable[[str], dict[str, Any]]
) -> None:
    assert run(name)["reason"]


@pytest.mark.parametrize("name", ["starts_a_child", "leaves_the_group"])
def test_what_a_run_started_ends_with_it(name: str, run: Callable[[str], dict[str, Any]]) -> None:
    assert not lives(run(name)["outputs"]["pid"])


def test_of_a_flood_64_kilobytes_are_kept(
    home: Reader, run: Callable[[str], dict[str, Any]]
) -> None:
    record = run("floods")
    shown = home.give(f"optifire run-info {record['run_id']} --logs")
    assert 60_000 < shown.count("x") < 70_000


def test_a_foreign_database_cannot_be_attached(run: Callable[[str], dict[str, Any]]) -> None:
    assert "ATTACH" in run("attaches")["error"]


def test_the_environment_of_the_service_is_not_seen(
    home: Reader, run: Callable[[str], dict[str, Any]]
) -> None:
    home.environ["OPTIFIRE_TEST_TOKEN"] = WORD
    try:
        seen = run("reads_environ")["outputs"]["seen"]
    finally:
        del home.environ["OPTIFIRE_TEST_TOKEN"]
    assert "PATH" in seen
    assert WORD not in seen.values()


def test_no_file_of_the_service_is_open_in_a_run(run: Callable[[str], dict[str, Any]]) -> None:
    opened = run("lists_descriptors")["outputs"]["fds"]
    assert opened
    assert not [name for name in opened if name.endswith((".db", "-wal", "-shm", ".lock", ".log"))]


def test_half_done_work_leaves_nothing(run: Callable[[str], dict[str, Any]]) -> None:
    assert run("half_done")["outputs"] == {}


# --- what the page says is enforced -----------------------------------------------------------


@pytest.mark.row("O006")
@pytest.mark.row("A101")
def test_a_run_is_stopped_at_twice_its_processor_time(
    run: Callable[[str], dict[str, Any]],
) -> None:
    record = run("takes_time")
    assert record["budget"]["cpu_ms"] == 200
    assert 400 < record["cpu_ms"] < 2000
    assert "the limit is 400 ms, 2 times its budget of 200 ms" in record["reason"]


@pytest.mark.row("O006")
@pytest.mark.row("A102")
@pytest.mark.parametrize("name", ["takes_memory", "catches_memory_error"])
def test_a_run_is_refused_memory_over_its_limit(
    name: str, run: Callable[[str], dict[str, Any]]
) -> None:
    record = run(name)
    assert record["measured"] == "metered"
    assert record["outputs"] == {}
    assert "beyond 72 MB" in record["reason"]
    assert "the limit is 64 MB" in record["reason"]


def test_the_record_names_the_limits_in_force_and_the_layers(
    home: Reader, run: Callable[[str], dict[str, Any]]
) -> None:
    free, confined = run("starts_a_child"), run("takes_a_little_time")
    limits = {"cpu_ms": 200, "cpu_window_s": None, "mem_mb": 72, "wall_s": 2, "processes": 64}
    assert confined["held"] == {**limits, "group": False, "layers": list(offered())}
    assert free["held"] == {**limits, "cpu_ms": 2000, "group": False, "layers": []}
    shown = home.give(f"optifire run-info {confined['run_id']}")
    assert "200 ms of processor time, 72 MB, 2 s, 64 processes and threads" in shown
    assert f"sandbox    {', '.join(offered())}" in shown
    shown = home.give(f"optifire run-info {free['run_id']}")
    assert "sandbox    none" in shown


@pytest.mark.parametrize(
    ("name", "figure", "budget"),
    [("takes_a_little_memory", "mem_mb", 5), ("takes_a_little_time", "cpu_ms", 100)],
)
def test_a_run_over_budget_and_under_its_limit_is_marked(
    name: str, figure: str, budget: float, run: Callable[[str], dict[str, Any]]
) -> None:
    record = run(name)
    assert record["budget"][figure] == budget
    assert record[figure] > budget
    assert record["breaches"]


# --- what the page says of the sandbox ---------------------------------------------------------

whole_sandbox = pytest.mark.skipif(bool(missing(offered())), reason="this kernel lacks a layer")
REFUSED = {
    "takes_secrets": "grant `fs:read:",
    "takes_the_ledger": "/data/paper.db` if it may",
    "takes_code_of_others": "/bad/exits/impl.py` if it may",
    "takes_the_environment": "Permission denied: '/proc/",
    "writes_outside": "/configs/features.yaml",
    "connects": "grant `network:<port>` if it may",
    "starts_a_program": "grant `subprocess` if it may",
    "kills_its_parent": "Operation not permitted",
}


@whole_sandbox
@pytest.mark.row("A100")
@pytest.mark.row("A103")
@pytest.mark.row("A104")
@pytest.mark.row("A105")
@pytest.mark.row("P146")
@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_the_sandbox_denies_is_a_failed_run_that_says_what_to_grant(
    name: str, run: Callable[[str], dict[str, Any]]
) -> None:
    record = run(name)
    assert record["outputs"] == {}
    assert record["reason"].startswith("not permitted"), record
    assert REFUSED[name] in record["reason"]


@pytest.mark.row("A104")
def test_a_sandboxed_run_keeps_files_of_its_own(run: Callable[[str], dict[str, Any]]) -> None:
    assert run("keeps_files")["outputs"] == {"read": "kept"}


@pytest.mark.row("A104")
def test_a_sandboxed_run_reads_what_it_declares_and_is_granted(
    run: Callable[[str], dict[str, Any]],
) -> None:
    assert run("is_granted_a_file")["outputs"] == {"read": "granted"}


@pytest.mark.row("P146")
def test_doctor_says_which_layers_hold_here(home: Reader) -> None:
    said = home.try_to("optifire doctor --json")
    found = [each for each in json.loads(said.stdout) if each["rule"] == "sandbox"]
    lacking = {f"layer: {layer}" for layer in missing(offered())}
    assert {each["where"] for each in found if each["level"] == "warning"} == lacking
    assert any("holds: no new privileges" in each["message"] for each in found)


# --- what the page says does not hold ---------------------------------------------------------


def test_a_run_reads_what_its_user_may_read(run: Callable[[str], dict[str, Any]]) -> None:
    assert WORD in run("reads_secrets")["outputs"]["read"]


def test_a_sandboxed_run_sees_that_a_file_exists(run: Callable[[str], dict[str, Any]]) -> None:
    assert run("looks_at_what_exists")["outputs"]["size"] > 0


@pytest.mark.parametrize(
    "words", ["`secrets.env` and the ledger", "When the service itself is killed, a process"]
)
def test_the_page_says_so(words: str) -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert words.replace("`secrets.env`", "`configs/secrets.env`") in text
