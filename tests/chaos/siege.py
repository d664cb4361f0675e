"""A service under attack: what it looks like before and after, as the kernel tells it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import psutil

from optifire.core.ledger import RunRow
from optifire.core.run import TERMINAL
from tests.chaos.attacks import HEAD, Attack
from trial import Service, TooLateError, Trial, until

#: Megabytes by which a service's memory goes up and down by itself.
NOISE = 8.0
#: Two plugins that do their work, one in a process of each kind.
GOOD = ("good", "good_with_data")
GOOD_WORK = """\
row = await context.db.fetch_one("SELECT count(*) AS n FROM features")
return PluginResult(success=True, data=row)
"""
#: What a service has open for each process of a zygote.
OF_EACH = ("anon_inode", "pipe", "socket")
#: What a service opens when it first needs it, and keeps: up to four readers beside the writer of
#: its ledger (`ReadPool`), and its log.
LAZILY = {"paper.db": 5, "paper.db-wal": 5, "optifire.log": 1}
ALL_AT_ONCE = {"concurrency": 64, "max_ram_mb": 16_000}


@dataclass(frozen=True)
class Look:
    """What the kernel says of a service with nothing to do: megabytes, and what it has open."""

    memory: float
    opened: Counter[str]


@dataclass
class Siege:
    """A home with good plugins and bad ones, all due at the same instants each few seconds."""

    trial: Trial
    attacks: Mapping[str, Attack]
    period: int
    waves: int = 0

    def __post_init__(self) -> None:
        """Write the plugins."""
        word = f"interval_{self.period}s"
        for name in GOOD:
            head = "import numpy\n" if name.endswith("data") else ""
            self.trial.plugin(name, GOOD_WORK, plan={"schedule": word}, head=head)
        for name, attack in self.attacks.items():
            body = f"os.chdir(context.data_dir)\n{attack.body}\nreturn PluginResult(success=True)"
            plan = {"schedule": word, "timeout": attack.timeout}
            self.trial.plugin(name, body, plan=plan, head=HEAD)
        self.trial.configure(system=ALL_AT_ONCE)
        self.calm()

    @property
    def ledger(self) -> Path:
        """The ledger of the service."""
        return self.trial.home.database("paper")

    def calm(self) -> None:
        """Switch the attackers off."""
        self.trial.enable(*GOOD, environment="paper")

    def attack(self, *names: str) -> datetime:
        """Have some attackers, or all, attack at the same instants; gives when all was over."""
        attacks = {name: self.attacks[name] for name in names or self.attacks}
        more = {
            name: {"budget": attack.budget, "sandbox": False} for name, attack in attacks.items()
        }
        before = max((row.key.due for name in attacks for row in self.ended(name)), default=None)
        self.trial.enable(*GOOD, environment="paper", **more)
        for name in attacks:
            until(partial(self.ended, name, before), within=60, what=f"an end of {name}")
        self.waves += 1
        self.calm()
        until(lambda: attacks.keys() <= self.disabled(), what="attackers that are off")
        until(lambda: not self.going_on(), within=60, what="an end of every attack")
        ends = (row.finished_at for name in attacks for row in self.ended(name))
        return max(end for end in ends if end is not None)

    def rows(self, name: str) -> list[RunRow]:
        """Give the runs of one plugin, oldest first."""
        return self.trial.runs(self.ledger, plugin_id=name)

    def ended(self, name: str, after: datetime | None = None) -> list[RunRow]:
        """Give those that have ended, and were due after an instant."""
        rows = (row for row in self.rows(name) if row.status in TERMINAL)
        return [row for row in rows if after is None or row.key.due > after]

    def until_good(self, after: datetime | None = None) -> None:
        """Wait until every good plugin has a run that was due after an instant, and has ended."""
        for name in GOOD:
            until(partial(self.ended, name, after), what=f"a run of {name}")

    def disabled(self) -> set[str]:
        """Give who has been switched off after every attack so far."""
        notes = Counter(note.subject for note in self.trial.notes("disabled", self.ledger))
        return {name for name, times in notes.items() if times >= self.waves}

    def going_on(self) -> list[RunRow]:
        """Give the attackers' runs that have not ended."""
        return [r for name in self.attacks for r in self.rows(name) if r.status not in TERMINAL]


def strays(trial: Trial) -> list[str]:
    """Give what an attacker has started and left behind, found by where it is."""
    place = str(trial.home.data / "plugins")
    return [
        f"{process.info['pid']} {process.info['name']} in {process.info['cwd']}"
        for process in psutil.process_iter(["pid", "name", "cwd"])
        if (process.info["cwd"] or "").startswith(place + "/")
    ]


def family(service: Service) -> Iterator[psutil.Process]:
    """Give the processes of a service that stay: itself and its zygotes."""
    itself = psutil.Process(service.pid)
    yield itself
    yield from itself.children()


def look(service: Service) -> Look:
    """Look at a service with its zygotes, between two runs.

    For each process that a zygote has forked ahead the service has a socket, a pipe and a pidfd,
    and the zygote a pidfd; there may be more of these or fewer at a time, so they do not count.
    """
    memory, opened = 0.0, Counter[str]()
    for process in family(service):
        memory += process.memory_info().rss / (1 << 20)
        for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                opened[f"{process.pid} {_kind(descriptor.readlink().name)}"] += 1
        ahead = len(process.children()) if process.pid != service.pid else 0
        opened[f"{process.pid} anon_inode"] -= ahead
        opened.subtract(dict.fromkeys((f"{service.pid} {kind}" for kind in OF_EACH), ahead))
    return Look(memory, opened)


def steady_look(service: Service) -> Look:
    """Look once what is open stays: the kernel tells of it file by file, and a process that is
    being forked ahead is seen as a child before the service has its pidfd.
    """
    last: Look | None = None

    def stays() -> bool:
        nonlocal last
        before, last = last, look(service)
        return before is not None and before.opened == last.opened

    until(stays, what="descriptors that stay")
    assert last is not None
    return last


def more_open(service: Service, before: Look) -> Counter[str]:
    """Give what is open now and was not before, once that is nothing or stays for long."""
    more = Counter[str]()

    def none_more() -> bool:
        nonlocal more
        allowed = Counter({f"{service.pid} {name}": most for name, most in LAZILY.items()})
        more = look(service).opened - (before.opened | allowed)
        return not more

    with suppress(TooLateError):
        until(none_more, within=10)
    return more


def _kind(name: str) -> str:
    """Give what is open without its number, as sockets and pipes have one."""
    return name.split(":[", maxsplit=1)[0]


def zombies(service: Service) -> list[psutil.Process]:
    """Give what has ended below a service and has been reaped by nobody."""
    found = []
    for process in psutil.Process(service.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if process.status() == psutil.STATUS_ZOMBIE:
                found.append(process)
    return found
