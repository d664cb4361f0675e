"""The service as systemd starts, watches and ends it, with real sockets and real signals."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from pathlib import Path
from typing import Protocol

import pytest

from trial import Service, Trial, until

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "optifire.service"

#: A service of which one part spins without end once a file says so, as no part of it ever should.
STUCK = """\
import sys
from pathlib import Path
from optifire.app import rooms
from optifire.runtime.clock import real_pause

async def spin(service):
    while not (service.home.data / "spin").exists():
        await real_pause(0.02)
    (service.home.data / "spinning").touch()
    while True:
        pass

rooms.keep_metering = spin
from optifire.cli.main import main
sys.exit(main())
"""
#: Seconds after which systemd would take the service for hung.
WATCHDOG_S = 0.3


class Next(Protocol):
    """Waits for the next message."""

    def __call__(self, within: float = 30) -> str:
        """Give it, or raise `TimeoutError`."""


#: Says whether it is kept from the file with the service's settings.
SEES = """\
try:
    (context.data_dir.parents[2] / "configs" / "features.yaml").read_text()
except PermissionError:
    return PluginResult(success=True, data={"denied": True})
return PluginResult(success=True, data={"denied": False})
"""


@pytest.fixture
def paper(trial: Trial) -> Trial:
    """Give a home that goes by the wall clock."""
    trial.enable("fe_garch", environment="paper")
    return trial


@contextmanager
def notified(trial: Trial, named: str) -> Iterator[Next]:
    """Listen where systemd would; gives the function that waits for the next message."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(named.replace("@", "\0", 1))
        usec = f"{WATCHDOG_S * 1e6:.0f}"
        trial.environ = {"NOTIFY_SOCKET": named, "WATCHDOG_USEC": usec}

        def next_message(within: float = 30) -> str:
            sock.settimeout(within)
            return sock.recv(4096).decode()

        yield next_message


def until_said(next_message: Next, *starts: str) -> None:
    """Wait for messages that begin so, in this order; others may come in between."""
    for start in starts:
        while not next_message().startswith(start):
            pass


@pytest.mark.row("O007")
@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_ready_alive_reloading_and_stopping_are_told(paper: Trial, *, abstract: bool) -> None:
    named = f"@optifire-test-{os.getpid()}" if abstract else str(paper.root / "notify")
    with notified(paper, named) as next_message, paper.service() as service:
        assert next_message().startswith("READY=1\nSTATUS=paper, ")
        until_said(next_message, "WATCHDOG=1", "WATCHDOG=1")
        paper.enable("fe_garch", "alpha_vrp", environment="paper")
        until_said(next_message, "RELOADING=1\nMONOTONIC_USEC=", "READY=1\nSTATUS=paper, ")
        service.process.send_signal(signal.SIGTERM)
        until_said(next_message, "STOPPING=1\nSTATUS=draining")
        assert service.process.wait(30) == 0


@pytest.mark.row("O007")
def test_a_loop_that_stands_is_told_no_longer_and_two_signals_end_it_at_once(paper: Trial) -> None:
    words = paper.command("up", "--no-view")[1:]
    with notified(paper, str(paper.root / "notify")) as next_message:
        with (paper.root / "said.txt").open("wb") as said:
            process = subprocess.Popen(
                [sys.executable, "-c", STUCK, *words],
                env=paper.variables(),
                stdout=said,
                stderr=said,
            )
        try:
            until_said(next_message, "READY=1", "WATCHDOG=1")
            (paper.home.data / "spin").touch()
            until((paper.home.data / "spinning").exists, what="a loop that stands")
            with pytest.raises(TimeoutError):
                read_on(next_message, 3 * WATCHDOG_S)
            assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            until(lambda: not is_pending(process.pid, signal.SIGTERM), what="the first signal")
            assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == -signal.SIGTERM
        finally:
            process.kill()
            process.wait()
        until(lambda: not paper.processes(), what="an end of all its processes")


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None or find_library("seccomp") is None,
    reason="there is no systemd here",
)
def test_plugins_are_sandboxed_in_full_under_the_filter_of_the_unit(trial: Trial) -> None:
    """A filter without the calls that lay a sandbox would leave plugins with none."""
    trial.plugin("mine", SEES, plan={"schedule": "@manual"})
    trial.enable("mine", environment="paper")
    words: list[str | Path] = [
        sys.executable,
        ROOT / "scripts" / "under_filter.py",
        UNIT,
        *trial.command(),
    ]
    free = trial.ask("doctor")
    done = subprocess.run([*words, "doctor", "--json"], capture_output=True, check=True)
    assert said_of_sandbox(json.loads(done.stdout)) == said_of_sandbox(free)
    with (trial.root / "said.txt").open("wb") as said:
        process = subprocess.Popen(
            [*words, "up", "--no-view"], stdout=said, stderr=said, env=trial.variables()
        )
    service = Service(trial.home, process, trial.root / "said.txt")
    try:
        until(service.is_up, what="a service that answers")
        record = trial.ask("run", "mine")
        assert (record["status"], record["outputs"]) == ("succeeded", {"denied": True})
        assert service.status()["health"] == {"level": "green", "reasons": []}
        assert service.stop() == 0
    finally:
        process.kill()
        process.wait()


def said_of_sandbox(findings: list[dict[str, str]]) -> list[str]:
    return [one["message"] for one in findings if one["rule"] == "sandbox"]


def read_on(next_message: Next, seconds: float) -> None:
    """Read messages until none comes for so long, which raises `TimeoutError`."""
    while True:
        next_message(within=seconds)


def is_pending(pid: int, number: int) -> bool:
    """Tell whether a process has yet to take a signal that was sent to it (proc_pid_status(5))."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    masks = [int(line.split()[1], 16) for line in lines if line.startswith(("SigPnd", "ShdPnd"))]
    return any(mask >> (number - 1) & 1 for mask in masks)
