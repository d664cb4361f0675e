"""What a test asks the kit for. Light: pytest imports this at its start."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from optifire.core.ports import BarReader, Frame

if TYPE_CHECKING:
    from optifire.sdk.plugin import Plugin

#: A plugin class, one made by hand, or the folder that holds its ``impl.py``.
PluginLike: TypeAlias = "type[Plugin] | Plugin | Path | str"
#: An instant with its zone, or the same as ISO text.
Instant: TypeAlias = dt.datetime | str
#: Stands for the id of a test's one plugin.
ONLY = ""


@dataclass(frozen=True)
class Asked:
    """The world that plugins are to run in.

    Attributes
    ----------
    config
        The settings of each plugin, by plugin id; `ONLY` is the one plugin of the test.
    data
        What others have published before: ``"vol_forecast"`` or ``"fe_garch.vol_forecast"``. A
        name that the host provides (``market_data``) is answered with the value given here.
    bars
        None: the built-in data. A mapping symbol -> frame lies over it: columns open, high, low,
        close, volume, the index a session's date. Anything else answers in its place.
    tables
        Rows that are there before, by table. A table of one's own (``p_<id>_...``) is made with
        the columns of its first row.
    features
        Entries over ``config``, as under ``plugins.<id>`` of features.yaml.
    strict
        A success without a declared output, or after reading an undeclared name, is a failure.
    cancel_at
        Tell every run to end when it waits for the n-th time; 0: never.
    """

    config: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    bars: Mapping[str, Frame] | BarReader | None = None
    tables: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    features: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    strict: bool = True
    cancel_at: int = 0


def instant_of(when: Instant) -> dt.datetime:
    """Give an instant in UTC; text is ISO 8601 with a zone, as in ``2018-11-23T18:00Z``.

    Raises `ValueError` where the zone is missing, because nobody can say what is meant then.
    """
    said = dt.datetime.fromisoformat(when) if isinstance(when, str) else when
    if said.tzinfo is None:
        raise ValueError(f"{when!r} has no time zone; write 2018-11-23T18:00Z")
    return said.astimezone(dt.UTC)


def is_folder(plugin: object) -> bool:
    """Tell whether a plugin was given as the folder that it lies in."""
    return isinstance(plugin, str | Path)
