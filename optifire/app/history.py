"""Who changed which setting when, from what to what: the accepted versions, compared in turn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from optifire.app.plugin_info import plain, shown
from optifire.core.types import fold_id
from optifire.host.documents import parse_document
from optifire.host.layers import Leaves, Sourced, overlay
from optifire.host.records import instant_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from optifire.core.ledger import ConfigVersion

#: The section of features.yaml whose keys are plugins.
_PLUGINS = "plugins"


@dataclass(frozen=True, slots=True)
class Edit:
    """One key of one file that was changed, added or removed; an absent value is None.

    ``by`` is who did it, as in ``alice (command)``; ``version`` the hash of what came of it.
    """

    at: datetime
    by: str
    file: str
    key: str
    before: object
    after: object
    version: str

    @property
    def plugin_id(self) -> str | None:
        """The plugin that it is about, None where it is about no single one."""
        section, _, rest = self.key.partition(".")
        return rest.partition(".")[0] if section == _PLUGINS and rest else None

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON can say it."""
        return {
            "at": instant_text(self.at),
            "by": self.by,
            "file": self.file,
            "key": self.key,
            "before": self.before,
            "after": self.after,
            "version": self.version,
        }


def edits_of(versions: Sequence[ConfigVersion], plugin_id: str | None = None) -> Iterator[Edit]:
    """Give every change between versions, the newest first; ``plugin_id`` keeps those about one.

    Parameters
    ----------
    versions
        As the ledger lists them, newest first.
    """
    for new, old in pairwise(versions):
        if new.hash == old.hash:
            continue  # a start with the files of the one before
        for edit in _between(old, new):
            mine = edit.plugin_id
            if plugin_id is None or (mine is not None and fold_id(mine) == fold_id(plugin_id)):
                yield edit


def _between(old: ConfigVersion, new: ConfigVersion) -> Iterator[Edit]:
    for name in sorted(old.files.keys() | new.files.keys()):
        if old.files.get(name) == new.files.get(name):
            continue  # most files of most versions
        before, after = _leaves(name, old.files), _leaves(name, new.files)
        for path in sorted(before.keys() | after.keys()):
            if not _same(before.get(path), after.get(path)):
                was, now = _said(path, before), _said(path, after)
                yield Edit(new.at, new.author, name, ".".join(path), was, now, new.hash)


def _leaves(name: str, files: Mapping[str, str]) -> Leaves:
    """Give the values of a file by their paths; none where there is no such file."""
    leaves: Leaves = {}
    data = parse_document(files[name], name).data if name in files else {}
    for key, value in data.items():
        overlay(leaves, (str(key),), value, lambda _: name)
    return leaves


def _same(before: Sourced | None, after: Sourced | None) -> bool:
    """Tell whether two values are the same; true is not 1."""
    if before is None or after is None:
        return before is after
    return before.value == after.value and repr(before.value) == repr(after.value)


def _said(path: tuple[str, ...], leaves: Mapping[tuple[str, ...], Sourced]) -> object:
    """Give a value as it may be shown: secrets are masked."""
    own = path[2:] if path[0] == _PLUGINS else path  # the id of a plugin says nothing of its values
    return plain(shown(own, leaves[path])) if path in leaves else None
