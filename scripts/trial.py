"""A home in a folder of its own and the program `optifire` on it, for tests of the joined parts.

`Trial` makes the home, gives commands as a person would and starts services; `until` waits for
what they do. The clock read here is real time, which only bounds how long a test waits.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import indent
from typing import Any, TypeVar

import psutil

from optifire.core.errors import OptifireError
from optifire.core.ledger import NoteRow, RunRow
from optifire.host import client
from optifire.host.home import Home, init_home
from trial_ledger import notes_in, runs_in

T = TypeVar("T")

#: The program beside the running interpreter, as a person would call it.
PROGRAM = Path(sys.executable).with_name("optifire")
#: Seconds between two looks, and for how long to look unless a test says otherwise.
STEP, PATIENCE = 0.02, 30.0

PLUGIN = """\
from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class Made(Plugin):
    def describe(self):
        return PluginMetadata.create(
            plugin_id="{name}", version="1.0.0", description="Made for a test", **{says}
        )

    def plan(self):
        return {plan}

    async def run(self, context):
{body}
"""


class TooLateError(AssertionError):
    """What a test waited for has not happened in time."""


def until(look: Callable[[], T | None], *, within: float = PATIENCE, what: str = "it") -> T:
    """Look again and again until something true is seen, and give it.

    Raises
    ------
    TooLateError
        Nothing true was seen within that many seconds; says what was, last.
    """
    end = time.monotonic() + within
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > end:
            raise TooLateError(f"{what}: not within {within:g} s; last seen: {seen!r}")
        time.sleep(STEP)


@dataclass
class Service:
    """A service in a process of its own; what it says goes to a file."""

    home: Home
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def said(self) -> str:
        """Give what it has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def status(self) -> dict[str, Any]:
        """Ask it how it is; raises `OptifireError` when it does not answer."""
        answer: dict[str, Any] = client.ask(self.home.socket, "status")
        return answer

    def is_up(self) -> bool:
        """Tell whether it answers; fails at once when it has ended instead."""
        assert self.process.poll() is None, f"the service ended:\n{self.said()}"  # noqa: S101
        try:
            return bool(self.status())
        except OptifireError:
            return False

    def until_status(
        self,
        look: Callable[[dict[str, Any]], T | None],
        *,
        within: float = PATIENCE,
        what: str = "status",
    ) -> T:
        """Wait until its status shows something true, and give that."""
        try:
            return until(lambda: look(self.status()), within=within, what=what)
        except TooLateError as error:
            raise TooLateError(f"{error}\n{self.status()}\n{self.said()}") from None

    def until_finished(self, *, within: float = PATIENCE) -> None:
        """Wait until a demo has played its last day."""
        self.until_status(lambda said: said["state"] == "finished", within=within, what="the end")

    def stop(self, *, within: float = PATIENCE) -> int:
        """End it with SIGTERM and give its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within)

    def kill(self) -> None:
        """End it as a crash would, whatever it is doing."""
        self.process.kill()
        self.process.wait()


@dataclass
class Program:
    """The program on one home; `environ` goes over the environment of this process."""

    root: Path
    environ: Mapping[str, str] = field(default_factory=dict)

    def give(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401
        """Give one command of the program and wait for its end; options are those of `run`."""
        return subprocess.run(
            self.command(*words),
            env=self.variables(),
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            **options,
        )

    def ask(self, *words: str) -> Any:  # noqa: ANN401 - whatever the command's JSON is
        """Give a command that must succeed, and read its JSON."""
        done = self.give(*words, "--json")
        assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"  # noqa: S101
        return json.loads(done.stdout)

    def refused(self, *words: str, code: int = 1) -> dict[str, str]:
        """Give a command that must fail with that exit code, and read its error."""
        done = self.give(*words, "--json")
        assert done.returncode == code, f"{words}\n{done.stdout}{done.stderr}"  # noqa: S101
        error: dict[str, str] = json.loads(done.stderr.splitlines()[-1])["error"]
        return error

    def command(self, *words: str) -> list[str]:
        """Give the words of a command on this home."""
        return [str(PROGRAM), "--home", str(self.root), *words]

    def variables(self) -> dict[str, str]:
        """Give the environment of a command: this process's own, less what configures OptiFIRE."""
        own = {name: value for name, value in os.environ.items() if name[:9] != "OPTIFIRE_"}
        return {**own, "TMPDIR": str(self.root / "tmp"), **self.environ}

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Begin a command and let it go on; its output goes to ``said.txt`` in the home."""
        with (self.root / "said.txt").open("ab") as log:
            return subprocess.Popen(
                self.command(*words),
                env=self.variables(),
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )


@dataclass
class Trial(Program):
    """A home to try things on: its files, its commands, its service."""

    def __post_init__(self) -> None:
        """Make the home, with a folder for plugins of its own."""
        init_home(self.root)
        (self.root / "mine").mkdir()
        (self.root / "tmp").mkdir()

    @property
    def home(self) -> Home:
        """The home."""
        return Home(self.root)

    @property
    def features(self) -> Path:
        """The file that says what runs."""
        return self.root / "configs" / "features.yaml"

    @property
    def database(self) -> Path:
        """The ledger of the demo."""
        return self.home.database("demo")

    def enable(self, *names: str, environment: str = "demo", **more: Mapping[str, object]) -> None:
        """Write a new ``features.yaml`` with these plugins on; ``more`` holds settings of some."""
        plugins: dict[str, dict[str, object]] = {name: {"enabled": True} for name in names}
        for name, settings in more.items():
            plugins[name] = {"enabled": True, **settings}
        lines = [
            f"environment: {environment}",
            "plugin_paths: [mine]",
            "plugins:" + (" {}" if not plugins else ""),
        ]
        for name, settings in plugins.items():
            lines += [f"  {name}:", *(f"    {k}: {json.dumps(v)}" for k, v in settings.items())]
        self.replace(self.features, "\n".join(lines) + "\n")

    def configure(self, **sections: Mapping[str, object]) -> None:
        """Write a new ``config.yaml``."""
        text = "".join(f"{name}: {json.dumps(said)}\n" for name, said in sections.items())
        self.replace(self.root / "configs" / "config.yaml", text)

    def replace(self, file: Path, text: str) -> None:
        """Write a file as an editor does: all of it, or nothing."""
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f".{file.name}.draft")
        draft.write_text(text, encoding="utf-8")
        draft.replace(file)

    def plugin(
        self,
        name: str,
        body: str = "return PluginResult(success=True)",
        *,
        plan: Mapping[str, object],
        head: str = "",
        **says: object,
    ) -> Path:
        """Write a plugin whose ``run`` has this body, and give its file."""
        text = PLUGIN.format(name=name, plan=dict(plan), says=says, body=indent(body, " " * 8))
        file = self.root / "mine" / name / "impl.py"
        self.replace(file, head + text)
        return file

    @contextmanager
    def service(self, *words: str, pace: float = 0.0, wait: bool = True) -> Iterator[Service]:
        """Run the home's service; it is gone when this ends, whatever the test did."""
        process = self.start("up", "--no-view", "--pace", str(pace), *words)
        service = Service(self.home, process, self.root / "said.txt")
        try:
            if wait:
                until(service.is_up, what="a service that answers")
            yield service
        finally:
            if process.poll() is None:
                service.kill()
            until(lambda: not self.processes(), what="an end of all its processes")

    def processes(self) -> list[str]:
        """Give the command lines of all processes of this home, workers included."""
        found = []
        for process in psutil.process_iter(["cmdline", "status"]):
            words = " ".join(process.info["cmdline"] or ())
            if str(self.root) in words and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(words)
        return found

    def runs(self, path: Path | None = None, **conditions: Any) -> list[RunRow]:  # noqa: ANN401
        """Give the runs that a ledger holds, oldest first; none when there is no ledger yet."""
        return runs_in(path or self.database, **conditions)

    def notes(self, kind: str | None = None, path: Path | None = None) -> list[NoteRow]:
        """Give the notes that a ledger holds, oldest first; none when there is no ledger yet."""
        return notes_in(path or self.database, kind)

    def schedule(self, word: str, first: str, until_: str) -> list[str]:
        """Give the instants of a word between two instants of UTC, both as ISO text, by command."""
        many = "2000"
        said = self.ask("schedule", word, "--from", first, "--count", many)["instants"]
        return [instant for instant in said if instant <= until_]
