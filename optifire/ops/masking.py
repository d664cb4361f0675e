"""Keeps the values of secrets out of whatever is written."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK: Final = "***"
#: A shorter value is part of too many other words to be told apart, and no secret anyway.
SHORTEST: Final = 4


class Masker:
    """Replaces the values of secrets, as they are and as Python, JSON and URLs would write them."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._pattern: re.Pattern[str] | None = None
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Take these values instead of those known so far."""
        forms = {form for secret in secrets for form in written(secret.strip())}
        # The longest first: one secret may begin with another.
        ordered = sorted(forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        """Give the text without secrets."""
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def all(self, lines: Iterable[str]) -> list[str]:
        """Give lines without secrets, those that reach over several lines included."""
        return self("\n".join(lines)).split("\n")


def written(secret: str) -> set[str]:
    """Give the ways in which a secret may stand in a text; none if it is too short to be one."""
    if len(secret) < SHORTEST:
        return set()
    return {
        secret,
        repr(secret)[1:-1],
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
    }
