"""What must hold of a ledger whatever happened: each thing is counted from outside of it."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from optifire.core.ledger import RunRow
from optifire.core.run import TERMINAL, RunStatus
from tests.chaos.strike import noted
from trial import Trial
from trial_ledger import is_whole, selecting

LAUNCHER: Final = Path(__file__).with_name("faulty.py")
EFFECTS: Final = ("pure", "idempotent", "effectful")
#: Makes an effect outside of the record and a row in a table, and is struck on its way.
WORKS: Final = """\
import runpy
from pathlib import Path
faults, own = Path({folder!r}), runpy.run_path({striking!r})
own["strike"](faults, context.key, "begun")
own["note"](faults / "effects.txt", context.key)
own["strike"](faults, context.key, "done")
await context.db.execute(
    "INSERT INTO features (symbol, feature_name, value) VALUES (?, ?, ?)", ("SPX", "one", 1)
)
return PluginResult(success=True)
"""


@dataclass
class Programmed(Trial):
    """A home whose program does what the folder of the faults says (see `faulty`)."""

    def __post_init__(self) -> None:
        """Make the folder."""
        super().__post_init__()
        self.faults.mkdir()
        (self.faults / "fates.json").write_text("{}", encoding="utf-8")
        root = str(LAUNCHER.parents[2])
        self.environ = {**self.environ, "FAULTS": str(self.faults), "PYTHONPATH": root}

    @property
    def faults(self) -> Path:
        """The folder of what goes wrong, and of what is noted outside of the record."""
        return self.root / "faults"

    def command(self, *words: str) -> list[str]:
        """Give the words of a command, which that program is given."""
        _, *rest = super().command(*words)
        return [sys.executable, str(LAUNCHER), *rest]


@dataclass
class Faulty(Programmed):
    """One with a plugin of each effect class."""

    words: Mapping[str, str] = field(default_factory=dict)
    environment: str = "demo"
    _known: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Write the plugins, one an effect class."""
        super().__post_init__()
        body = WORKS.format(folder=str(self.faults), striking=str(LAUNCHER.with_name("strike.py")))
        for name in EFFECTS:
            self.plugin(name, body, plan={"schedule": self.words[name], "effect": name})
        self.configure_faulty()

    def configure_faulty(self, **sections: Mapping[str, object]) -> None:
        """Write both files of configuration: kills are no reason for a quarantine here."""
        self.configure(system={"quarantine_after": 1_000_000}, **sections)
        on = {name: {"sandbox": False} for name in EFFECTS}
        self.enable(environment=self.environment, **on)

    @property
    def ledger(self) -> Path:
        """The ledger of the service."""
        return self.home.database(self.environment)

    def schedule(self, word: str, first: str, until_: str) -> list[str]:
        """Give the instants of a word between two others, worked out once."""
        if word == "interval_1s":
            begin, end = (datetime.fromisoformat(each) for each in (first, until_))
            seconds = int((end - begin).total_seconds())
            return [(begin + timedelta(seconds=n)).isoformat() for n in range(seconds + 1)]
        asked = (word, first, until_)
        if asked not in self._known:
            self._known[asked] = super().schedule(*asked)
        return self._known[asked]

    def rows(self) -> dict[str, list[RunRow]]:
        """Give the runs of each plugin, oldest first."""
        found = self.runs(self.ledger)
        return {name: [one for one in found if one.key.plugin_id == name] for name in self.words}

    def check(self, begin: str, end: str) -> None:
        """Check all that must hold of the occurrences between two instants, as ISO text."""
        assert is_whole(self.ledger)
        for name, rows in self.rows().items():
            check_once(rows, self.schedule(self.words[name], begin, end), name)
        self.check_effects()
        self.check_acknowledged()

    def check_from_first(self) -> None:
        """Check all that must hold from each plugin's first record to its last."""
        assert is_whole(self.ledger)
        for name, rows in self.rows().items():
            first = min(row.first or row.key.due for row in rows).isoformat()
            last = max(row.key.due for row in rows).isoformat()
            check_once(rows, self.schedule(self.words[name], first, last), name)
        self.check_effects()
        self.check_acknowledged()

    def check_effects(self) -> None:
        """No effectful run has made its effect twice, and none succeeded without it."""
        made = Counter(noted(self.faults / "effects.txt"))
        twice = [key for key, times in made.items() if times > 1]
        assert [key for key in twice if key.startswith("effectful@")] == []
        with selecting(self.ledger) as ask:
            written = Counter(run_id for (run_id,) in ask("SELECT run_id FROM shared_features"))
        done = [r for rows in self.rows().values() for r in rows if r.status is RunStatus.SUCCEEDED]
        assert done
        assert {row.run_id for row in done} <= made.keys()
        assert written == Counter(row.run_id for row in done)

    def check_acknowledged(self) -> None:
        """Every end that a commit has acknowledged is in the ledger as it was acknowledged."""
        said = dict(line.split() for line in noted(self.faults / "acknowledged.txt"))
        stored = {row.run_id: str(row.status) for row in self.runs(self.ledger)}
        assert said
        assert said.items() <= stored.items()


def check_once(rows: Sequence[RunRow], schedule: Sequence[str], name: str) -> None:
    """Check that each instant of a schedule has one record, and that has ended."""
    due = [datetime.fromisoformat(each) for each in schedule]
    assert due
    assert [row.run_id for row in rows if row.status not in TERMINAL] == []
    assert Counter(each for row in rows for each in stood_for(row, due)) == Counter(due), name
    assert sum(row.count for row in rows) == len(due), name


def stood_for(row: RunRow, due: Sequence[datetime]) -> Iterator[datetime]:
    """Give the occurrences that a row is the record of."""
    first = row.first or row.key.due
    return (instant for instant in due if first <= instant <= row.key.due)
