"""The bar store: every recorded series, loaded once a process, user files before built-in ones."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from optifire.core.calendar import Calendar
from optifire.core.errors import ConfigError, ContractError
from optifire.data.known import Sessions
from optifire.data.providers import builtin, files
from optifire.data.recorded import Recorded
from optifire.data.resample import FREQUENCIES, resampled
from optifire.data.shift import shifted

#: What a symbol may look like: it becomes a file name.
_SYMBOL: Final = re.compile(r"[A-Za-z0-9^][A-Za-z0-9._^=\-]{0,63}")
SUFFIXES: Final = (".csv", ".parquet")

#: A file as it was when it was read: path, mtime in ns, size.
Stamp = tuple[str, int, int]


def check_symbol(symbol: object) -> str:
    """Give the symbol back; raises `ContractError` for what cannot name a series."""
    if isinstance(symbol, str) and _SYMBOL.fullmatch(symbol):
        return symbol
    raise ContractError(
        f"{symbol!r} is not a symbol",
        where="DataFeed",
        remedy="Use letters, digits and . _ - = ^, 64 at most, beginning with a letter or digit",
    )


class BarStore:
    """All series of one home.

    Parameters
    ----------
    home
        The folder whose ``data/<kind>/<symbol>.csv|.parquet`` are read; None: built-in data only.
    calendar
        The sessions that the series are dated by.
    watch
        True: a user file that appeared, changed or went away is seen at the next question. False
        (replay): whatever was first seen holds, and nothing is read twice.

    A user file replaces the built-in series of its name whole, also where it is shorter. What was
    loaded before a fork is shared with the children.
    """

    def __init__(self, home: Path | None, calendar: Calendar, *, watch: bool = True) -> None:
        self.sessions = Sessions.of(calendar)
        self._folder = None if home is None else home / "data"
        self._watch = watch
        self._files: dict[tuple[str, str], tuple[Stamp | None, Recorded | None]] = {}
        self._builtin: dict[tuple[str, str], tuple[Recorded, ...]] = {}
        self._slower: dict[tuple[int, str], tuple[Recorded, Recorded]] = {}

    def series(self, kind: str, symbol: str) -> Sequence[Recorded]:
        """Give the series of that kind and name in order of preference, none if there is none."""
        own = self.user_series(kind, symbol)
        return (own,) if own is not None else self._builtin_series(kind, symbol)

    def user_series(self, kind: str, symbol: str) -> Recorded | None:
        """Give the series of the user's file, None without one; raises where the file is bad."""
        kept = self._files.get((kind, symbol))
        if kept is not None and not self._watch:
            return kept[1]
        stamp = self._stamp(kind, symbol)
        if kept is None or kept[0] != stamp:
            loaded = None
            if stamp is not None:
                read = files.load(Path(stamp[0]), files.SCHEMAS[kind], symbol, self.sessions)
                loaded = shifted(read)
            kept = self._files[kind, symbol] = (stamp, loaded)
        return kept[1]

    def at_frequency(self, series: Recorded, frequency: str, asof: int) -> Recorded:
        """Give the series at a slower frequency: made once, unless corrections may change it."""
        if frequency == series.info.frequency:
            return series
        if frequency not in FREQUENCIES:
            raise ContractError(
                f"there is no frequency {frequency!r}",
                where=f"{series.info.kind} {series.info.key}",
                remedy=f"Use one of {', '.join(FREQUENCIES)}",
            )
        if series.corrected:
            seen = series.seen(asof)
            return resampled(series.as_seen(seen), frequency, self.sessions) if seen else series
        # The origin is kept beside the result, so that its id cannot be used again.
        made = self._slower.get((id(series), frequency))
        if made is None:
            made = (series, resampled(series, frequency, self.sessions))
            self._slower[id(series), frequency] = made
        return made[1]

    def warm(self, keys: Sequence[str] | None = None) -> None:
        """Load the named series (None: all built-in ones) of every kind, for children to share."""
        for key in builtin.catalog() if keys is None else keys:
            for kind in files.SCHEMAS:
                self.series(kind, key)

    def _builtin_series(self, kind: str, symbol: str) -> tuple[Recorded, ...]:
        kept = self._builtin.get((kind, symbol))
        if kept is None:
            kept = self._builtin[kind, symbol] = tuple(
                shifted(builtin.load(entry, self.sessions))
                for entry in builtin.catalog().get(symbol, ())
                if entry.info.kind == kind
            )
        return kept

    def _stamp(self, kind: str, symbol: str) -> Stamp | None:
        if self._folder is None:
            return None
        found: list[Stamp] = []
        for suffix in SUFFIXES:
            path = f"{self._folder}/{kind}/{symbol}{suffix}"
            try:
                status = os.stat(path)  # noqa: PTH116 - asked at every call, three times as quick
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise ConfigError(
                    f"the folder cannot be looked into: {error.strerror}",
                    where=f"{self._folder}/{kind}",
                    remedy="Make it readable for the user that runs OptiFIRE",
                ) from error
            found.append((path, status.st_mtime_ns, status.st_size))
        if len(found) > 1:
            raise ConfigError(
                f"there are two files of {kind} {symbol}",
                where=f"{found[0][0]} and {found[1][0]}",
                remedy="Remove one of them",
            )
        return found[0] if found else None
