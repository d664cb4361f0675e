"""Versions of the configuration: the texts of its files under one hash, and where they are kept."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from optifire.host.documents import Document


@dataclass(frozen=True, slots=True)
class ConfigVersion:
    """The configuration files as they were accepted, by file name; secrets are not among them."""

    hash: str
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One line of the history: which version, since when, and who made it."""

    hash: str
    at: datetime
    author: str


class ConfigVersions(Protocol):
    """Keeps every accepted version."""

    async def put(self, version: ConfigVersion, at: datetime, author: str) -> None:
        """Keep a version that has been accepted; the latest one again changes nothing."""

    async def list(self, limit: int) -> Sequence[VersionRow]:
        """Give the history, newest first."""

    async def get(self, prefix: str) -> ConfigVersion | None:
        """Give one version by its hash or the beginning of it; None if there is no or no single."""


def version_of(documents: Iterable[Document]) -> ConfigVersion:
    """Give the version that some files make up; the order of the files does not count."""
    texts = {each.name.rpartition("/")[2]: each.text for each in documents}
    digest = hashlib.sha256()
    for name in sorted(texts):
        digest.update(f"{len(name)} {name} {len(texts[name])} {texts[name]}".encode())
    return ConfigVersion(digest.hexdigest(), dict(sorted(texts.items())))
