"""DEPLOYMENT.md and the unit: followed line by line, and its command started as systemd would."""

import configparser
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from optifire.app.progress import PATIENCE
from optifire.app.service import DRAIN_SECONDS
from optifire.cli.commands_service import NO_RESTART
from optifire.core.entry import SESSION_GRACE

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

#: What the steps call that only root on a machine with systemd has; each notes that it was called.
SHIMS = {
    "sudo": '[ "$1" = -u ] && shift 2\nexec "$@"',
    "systemctl": 'echo "systemctl $*" >>"$CALLS"',
    "useradd": 'echo "useradd $*" >>"$CALLS"',
    # Gives the folder to nobody else, since there is no other user.
    "install": 'while [ $# -gt 1 ]; do shift; done\nmkdir -p "$1"',
}


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
        # The real set-up installs packages for minutes; here it lends the environment at hand.
        lend = f'cd "$(dirname "$0")/.." && ln -s {PROGRAM.parent.parent} .venv'
        self._program(folder / "optifire/scripts/setup", lend)
        shutil.copy(UNIT, folder / "optifire/deploy")

    @property
    def home(self) -> Path:
        return self.folder / "var/lib/optifire"

    def _program(self, path: Path, body: str) -> None:
        path.write_text(f"#!/bin/bash\nset -e\n{body}\n", encoding="utf-8")
        path.chmod(0o755)

    def follow(self, *steps: str) -> None:
        """Run blocks of the document one after the other in one shell."""
        script = "\n".join(steps)
        for place in ("/opt/optifire", "/var/lib/optifire", "/var/backups", "/etc/systemd"):
            script = script.replace(place, f"{self.folder}{place}")
        environ = {
            **os.environ,
            "PATH": f"{self.folder / 'shims'}:{os.environ['PATH']}",
            "CALLS": str(self.calls),
        }
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def steps() -> dict[str, list[str]]:
    """Give the shell blocks of each section of the document."""
    _, *sections = DOCUMENT.read_text(encoding="utf-8").split("\n## ")
    return {text.split("\n", 1)[0]: SH.findall(text) for text in sections}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.timeout(120)
def test_the_steps_install_back_up_restore_upgrade_and_roll_back(place: Place) -> None:
    by_section = steps()
    change = "echo '# changed' >>/var/lib/optifire/configs/config.yaml"
    place.follow(
        *by_section["Install"],
        *by_section["Day by day"],
        *by_section["Back up"],
        change,
        *by_section["Restore"],
        *by_section["Upgrade"],
        *by_section["Roll back"],
    )
    features = (place.home / "configs/features.yaml").read_text(encoding="utf-8")
    assert "environment: paper" in features
    assert "# changed" not in (place.home / "configs/config.yaml").read_text(encoding="utf-8")
    before = place.folder / "var/lib/optifire.before/configs/config.yaml"
    assert "# changed" in before.read_text(encoding="utf-8")
    assert (place.folder / "opt/optifire/current").readlink().name == "0.1.0"
    assert (place.folder / "etc/systemd/system/optifire.service").is_file()
    calls = place.calls.read_text(encoding="utf-8").splitlines()
    assert calls.count("systemctl start optifire") == 4
    assert calls.count("systemctl stop optifire") == 4


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
