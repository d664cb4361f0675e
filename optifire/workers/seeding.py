"""Chance that follows from a run's key: the same for every attempt of the same occurrence."""

from __future__ import annotations

import hashlib
import importlib.machinery
import random
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

_NUMPY = "numpy.random"


def seed_of(run_id: str) -> int:
    """Give the seed that follows from a run's key, and from nothing else."""
    # Not SHA-256: that is OpenSSL's, of which a forked child would touch many pages.
    return int.from_bytes(hashlib.blake2b(run_id.encode(), digest_size=32).digest(), "big")


def reseed(run_id: str) -> None:
    """Seed the global generators of `random` and numpy from a run's key.

    numpy's is seeded now where it is imported, else as soon as the run imports it.
    """
    seed = seed_of(run_id)
    random.seed(seed)
    _late.seed = seed
    if _NUMPY in sys.modules:
        _seed_numpy(sys.modules[_NUMPY], seed)
    elif _late not in sys.meta_path:
        sys.meta_path.insert(0, _late)


def _seed_numpy(module: Any, seed: int) -> None:  # noqa: ANN401 - this room does not import numpy
    module.seed([(seed >> shift) & 0xFFFFFFFF for shift in range(0, 256, 32)])


class _Late:
    """Seeds numpy's global generator when numpy is imported during a run."""

    seed = 0

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """Give the ordinary spec of ``numpy.random``, with a loader that seeds; None for others."""
        if name != _NUMPY:
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = _Seeding(name, spec.origin, self.seed)
        return spec


class _Seeding(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, seed: int) -> None:
        super().__init__(name, path)
        self._seed = seed

    def exec_module(self, module: ModuleType) -> None:
        """Execute the file, then seed."""
        super().exec_module(module)
        _seed_numpy(module, self._seed)


_late = _Late()
