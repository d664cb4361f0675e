"""Stands for `systemctl` where there is no systemd: starts and stops the one unit of a folder.

    fake_systemctl.py ROOT (start|stop) UNIT | enable --now UNIT | daemon-reload

``ROOT`` stands for ``/``, and the paths of the unit lie in it. As with ``Type=notify``, `start`
returns when the service has said READY=1, and fails when it has ended instead; `stop` sends
SIGTERM and returns when it has ended.
"""

import configparser
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

#: Seconds that a start or a stop may take.
PATIENCE = 60.0
OURS = ("/opt/optifire", "/var/lib/optifire")


def main(words: Sequence[str]) -> int:
    """Do what the words say, and give the exit code."""
    root, verb, *_ = Path(words[0]), *words[1:]
    if verb in {"start", "enable"}:
        return start(root)
    if verb == "stop":
        return stop(root)
    return 0 if verb == "daemon-reload" else 1


def start(root: Path) -> int:
    """Start the unit's command and wait until it is ready; gives 1 when it ended instead."""
    service = section(root)
    environ = dict(each.split("=", 1) for each in shlex.split(service["Environment"]))
    named = root / "notify"
    named.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(named))
        sock.settimeout(0.1)
        with (root / "journal").open("ab") as journal:
            process = subprocess.Popen(
                shlex.split(service["ExecStart"]),
                cwd=service["WorkingDirectory"],
                env={"PATH": os.defpath, "LANG": "C.UTF-8", "NOTIFY_SOCKET": str(named), **environ},
                stdin=subprocess.DEVNULL,
                stdout=journal,
                stderr=journal,
                start_new_session=True,
            )
        (root / "pid").write_text(str(process.pid), encoding="ascii")
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and process.poll() is None:
            try:
                if "READY=1" in sock.recv(4096).decode().splitlines():
                    return 0
            except TimeoutError:
                continue
    (root / "ended").write_text(str(process.poll()), encoding="ascii")
    return 1


def stop(root: Path) -> int:
    """End the service of the unit, if it is there, and wait for its end."""
    pid = int((root / "pid").read_text(encoding="ascii"))
    end = time.monotonic() + PATIENCE
    try:
        os.kill(pid, signal.SIGTERM)
        while time.monotonic() < end:
            if Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2][1] == "Z":
                return 0
            time.sleep(0.05)
    except (ProcessLookupError, FileNotFoundError):
        return 0
    return 1


def section(root: Path) -> dict[str, str]:
    """Give the keys of [Service], with the paths of this machine."""
    text = (root / "etc/systemd/system/optifire.service").read_text(encoding="utf-8")
    for path in OURS:
        text = text.replace(path, f"{root}{path}")
    parser = configparser.RawConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign] # as its documentation says
    parser.read_string(text)
    return dict(parser["Service"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
