"""DEPLOYMENT.md and the unit: followed line by line, and its command started as systemd would."""

import configparser
import json
import os
import re
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from optifire import __version__
from optifire.app.progress import PATIENCE
from optifire.app.service import DRAIN_SECONDS
from optifire.cli.commands_service import NO_RESTART
from optifire.core.entry import SESSION_GRACE
from optifire.store.migrate import migrations

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "optifire.service"
DOCUMENT = ROOT / "DEPLOYMENT.md"
PROGRAM = Path(sys.executable).with_name("optifire")
SH = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def service_section() -> dict[str, str]:
    """Give the keys of [Service]; of one that stands twice the last."""
    parser = configparser.RawConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign] # as its documentation says
    parser.read_string(UNIT.read_text(encoding="utf-8"))
    return dict(parser["Service"])


# --- the unit ---------------------------------------------------------------------------------


def verified(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    unit = folder / "optifire.service"
    unit.write_text(text, encoding="utf-8")
    return subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    text = UNIT.read_text(encoding="utf-8")
    here = text.replace("/opt/optifire/current/.venv/bin/optifire", str(PROGRAM))
    assert here != text
    done = verified(tmp_path, here)
    assert (done.returncode, done.stderr) == (0, "")
    broken = verified(tmp_path, here.replace("WatchdogSec=", "WatchdgoSec="))
    assert "WatchdgoSec" in broken.stderr


def test_the_unit_drains_contains_and_restarts() -> None:
    service = service_section()
    assert {key: service[key] for key in ("Type", "NotifyAccess", "KillMode", "Restart")} == {
        "Type": "notify",
        "NotifyAccess": "main",
        "KillMode": "mixed",
        "Restart": "on-failure",
    }
    assert service["Delegate"] == "yes"
    assert service["OOMPolicy"] == "continue"


def test_the_unit_gives_a_service_the_time_that_it_takes() -> None:
    service = service_section()
    assert int(service["TimeoutStopSec"]) >= 2 * DRAIN_SECONDS
    assert int(service["WatchdogSec"]) >= 3 * PATIENCE
    assert 1 <= int(service["RestartSec"]) <= SESSION_GRACE.total_seconds() / 10


def test_the_exit_code_that_no_restart_helps_is_the_one_of_up() -> None:
    assert int(service_section()["RestartPreventExitStatus"]) == NO_RESTART


def test_what_would_blind_the_health_monitor_is_not_in_the_unit() -> None:
    assert "ProcSubset" not in service_section()


@contextmanager
def listening(folder: Path) -> Iterator[tuple[str, Callable[[], str]]]:
    """Give the name of a notification socket, and a function that reads the next message."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(folder / "notify"))
        sock.settimeout(45)
        yield str(folder / "notify"), lambda: sock.recv(4096).decode()


@pytest.mark.row("O007")
def test_the_units_command_says_ready_alive_and_stopping(tmp_path: Path) -> None:
    """Start what ExecStart says, with the program of this environment and a home of its own."""
    service = service_section()
    program, *words = shlex.split(service["ExecStart"])
    assert Path(program).name == PROGRAM.name
    home = tmp_path / "home"
    subprocess.run([PROGRAM, "init", home], check=True, capture_output=True)
    with listening(tmp_path) as (named, next_message), (tmp_path / "out").open("wb") as out:
        environ = {
            "PATH": os.defpath,
            "LANG": "C.UTF-8",
            "OPTIFIRE_HOME": str(home),
            "OPTIFIRE_ENVIRONMENT": "paper",
            "NOTIFY_SOCKET": named,
            "WATCHDOG_USEC": "400000",
        }
        process = subprocess.Popen(
            [PROGRAM, *words], cwd=home, env=environ, stdout=out, stderr=subprocess.STDOUT
        )
        try:
            assert "READY=1" in next_message().splitlines()
            while next_message() != "WATCHDOG=1":
                pass
            process.send_signal(signal.SIGTERM)
            while "STOPPING=1" not in next_message().splitlines():
                pass
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()
            process.wait()


# --- the document -----------------------------------------------------------------------------

#: What the steps call that only root has; each does what it can without.
SHIMS = {
    "sudo": '[ "$1" = -u ] && shift 2\nexec "$@"',
    "systemctl": f'echo "systemctl $*" >>"$CALLS"\nexec {sys.executable} '
    f'{ROOT}/scripts/fake_systemctl.py "$PLACE" "$@"',
    "useradd": 'echo "useradd $*" >>"$CALLS"',
    # Gives the folder to nobody else, since there is no other user.
    "install": 'while [ $# -gt 1 ]; do shift; done\nmkdir -p "$1"',
}
#: Where the packages of this environment are; links to other folders count, as pip leaves some.
SITES = " ".join(each for each in sys.path if each.endswith("site-packages"))
#: What stands for the set-up of a release, which installs packages for minutes: an environment of
#: its own with the packages at hand and with this release's code before them.
SET_UP = f"""\
cd "$(dirname "$0")/.."
{sys.executable} -m venv --without-pip .venv
site=$(echo .venv/lib/python*/site-packages)
printf '%s\\n' "$PWD" {SITES} >$site/release.pth
printf '%s\\n' "#!$PWD/.venv/bin/python" 'import sys' 'from optifire.cli.main import main' \\
  'sys.exit(main())' >.venv/bin/optifire
chmod +x .venv/bin/optifire
"""


class Place:
    """A folder that stands for ``/``, with a checkout, and a shell in which steps are followed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = folder / "calls"
        self.calls.touch()
        for name in ("etc/systemd/system", "shims", "optifire/scripts", "optifire/deploy"):
            (folder / name).mkdir(parents=True)
        for name, body in SHIMS.items():
            self._program(folder / "shims" / name, body)
        self._program(folder / "optifire/scripts/setup", SET_UP)
        shutil.copy(UNIT, folder / "optifire/deploy")
        ignored = shutil.ignore_patterns("tests")
        shutil.copytree(ROOT / "optifire", folder / "optifire/optifire", ignore=ignored)

    @property
    def home(self) -> Path:
        return self.folder / "var/lib/optifire"

    @property
    def journal(self) -> str:
        return (self.folder / "journal").read_text(encoding="utf-8")

    def make_release(self, version: str) -> int:
        """Make the checkout a newer release that changes the ledger; gives the ledger's version."""
        package = self.folder / "optifire/optifire"
        init = package / "__init__.py"
        text = init.read_text(encoding="utf-8").replace(__version__, version)
        init.write_text(text, encoding="utf-8")
        number = migrations()[-1].version + 1
        step = package / f"store/migrations/{number:04}_trial.sql"
        step.write_text("CREATE TABLE trial (x INTEGER) STRICT;\n", encoding="utf-8")
        return number

    def ledger_version(self) -> int:
        with closing(sqlite3.connect(self.home / "data/paper.db")) as ledger:
            version: int = ledger.execute("PRAGMA user_version").fetchone()[0]
        return version

    def optifire(self, *words: str) -> str:
        """Give a command of the release in use, which must succeed."""
        program = self.folder / "opt/optifire/current/.venv/bin/optifire"
        done = subprocess.run(
            [program, "--home", self.home, *words], capture_output=True, text=True, check=True
        )
        return done.stdout

    def _program(self, path: Path, body: str) -> None:
        path.write_text(f"#!/bin/bash\nset -e\n{body}\n", encoding="utf-8")
        path.chmod(0o755)

    def follow(self, *steps: str, code: int = 0) -> None:
        """Run blocks of the document one after the other in one shell, which keeps its names."""
        kept = self.folder / "names"
        script = "\n".join(["set -a", f"[ ! -e {kept} ] || . {kept}", *steps])
        for place in ("/opt/optifire", "/var/lib/optifire", "/var/backups", "/etc/systemd"):
            script = script.replace(place, f"{self.folder}{place}")
        script += f"\ndeclare -p VERSION NEW STAMP NAME 2>/dev/null >{kept} || true"
        environ = {
            **{name: value for name, value in os.environ.items() if name[:9] != "OPTIFIRE_"},
            "PATH": f"{self.folder / 'shims'}:{os.environ['PATH']}",
            "CALLS": str(self.calls),
            "PLACE": str(self.folder),
        }
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, f"{done.stdout}{done.stderr}"


def steps() -> dict[str, list[str]]:
    """Give the shell blocks of each section of the document."""
    _, *sections = DOCUMENT.read_text(encoding="utf-8").split("\n## ")
    return {text.split("\n", 1)[0]: SH.findall(text) for text in sections}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.follow("[ ! -e pid ] || systemctl stop optifire")


@pytest.mark.row("O007")
@pytest.mark.timeout(240)
def test_the_steps_install_back_up_restore_upgrade_and_roll_back(place: Place) -> None:
    by_section = steps()
    place.follow(*by_section["Install"], *by_section["Day by day"])
    assert json.loads(place.optifire("status", "--json"))["environment"] == "paper"
    assert json.loads(place.optifire("health", "--json"))["live"]
    old = place.ledger_version()

    change = "echo '# changed' >>/var/lib/optifire/configs/config.yaml"
    place.follow(*by_section["Back up"], change, *by_section["Restore"])
    config = place.home / "configs/config.yaml"
    assert "# changed" not in config.read_text(encoding="utf-8")
    (kept,) = (place.home).glob("configs.before-*/config.yaml")
    assert "# changed" in kept.read_text(encoding="utf-8")
    assert json.loads(place.optifire("status", "--json"))["state"] == "running"
    assert list(place.folder.glob("var/backups/optifire/backups/paper-*/ledger.db"))

    new = place.make_release("0.2.0")
    place.follow(*by_section["Upgrade"])
    assert place.optifire("--version") == "optifire 0.2.0\n"
    assert (place.ledger_version(), new) == (old + 1, old + 1)
    assert (place.home / f"data/paper.db.bak-{old}").is_file()
    record = json.loads(place.optifire("run", "infra_heartbeat", "--json"))
    assert record["status"] == "succeeded"

    back, take_home_back, start = by_section["Roll back"]
    place.follow(back)
    place.follow(start, code=1)
    assert (place.folder / "ended").read_text(encoding="ascii") == "2"
    refusal = f"the ledger has version {new}, this program knows versions up to {old}"
    assert refusal in place.journal
    assert place.ledger_version() == new
    place.follow(take_home_back, start)
    assert place.optifire("--version") == f"optifire {__version__}\n"
    assert place.ledger_version() == old
    assert json.loads(place.optifire("status", "--json"))["state"] == "running"
    ran = json.loads(place.optifire("runs", "--json"))
    assert record["run_id"] not in {one["run_id"] for one in ran}
    newer = place.folder / "var/lib/optifire.newer/data/paper.db"
    assert newer.is_file()


@pytest.mark.long
@pytest.mark.timeout(120)
def test_a_rollback_of_a_release_that_left_the_ledger_alone_needs_no_backup(place: Place) -> None:
    by_section = steps()
    place.follow(*by_section["Install"], *by_section["Upgrade"])
    record = json.loads(place.optifire("run", "infra_heartbeat", "--json"))
    back, _, start = by_section["Roll back"]
    place.follow(back, start)
    ran = json.loads(place.optifire("runs", "--json"))
    assert record["run_id"] in {one["run_id"] for one in ran}


def test_every_section_with_steps_is_followed() -> None:
    followed = {"Install", "Day by day", "Back up", "Restore", "Upgrade", "Roll back"}
    assert {name for name, blocks in steps().items() if blocks} == followed


def test_the_document_and_the_unit_name_the_same_places() -> None:
    text, service = DOCUMENT.read_text(encoding="utf-8"), service_section()
    program = service["ExecStart"].split()[0]
    assert program in text
    assert service["WorkingDirectory"] == "/var/lib/optifire"
    assert service["Environment"] == "OPTIFIRE_HOME=/var/lib/optifire"
    assert f"MemoryMax={service['MemoryMax']}" in text
