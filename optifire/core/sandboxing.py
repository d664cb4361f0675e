"""Who runs in the sandbox, and what becomes of whom where this machine lacks a layer of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence


class Origin(StrEnum):
    """Whose code a plugin is."""

    #: It came with OptiFIRE.
    BUNDLED = "bundled"
    #: A folder of ``plugin_paths``: the user's own code.
    FOLDER = "folder"
    #: An installed package: somebody else's code.
    PACKAGE = "package"


@dataclass(frozen=True, slots=True)
class Sandboxing:
    """What was decided for one plugin.

    Attributes
    ----------
    laid
        Whether the layers that there are go around its runs.
    refused
        Why it may not run, empty if it may.
    degraded
        Whether it runs with fewer layers than there should be, and nobody has said that this is
        well; health is amber then.
    """

    laid: bool = False
    refused: str = ""
    degraded: bool = False


OPEN: Final = Sandboxing()


def decide(
    origin: Origin, missing: Sequence[str], *, sandbox: bool | None, allow_degraded: bool
) -> Sandboxing:
    """Decide for one plugin.

    Parameters
    ----------
    missing
        The layers that this machine lacks, by name.
    sandbox
        What features.yaml says; None leaves it to the origin: all but bundled plugins.
    allow_degraded
        Whether features.yaml accepts that layers are missing.
    """
    wanted = origin is not Origin.BUNDLED if sandbox is None else sandbox
    if not wanted:
        return OPEN
    if not missing or allow_degraded:
        return Sandboxing(laid=True)
    if origin is Origin.PACKAGE:
        return Sandboxing(refused=f"this machine lacks {lacking(missing)} of the sandbox")
    return Sandboxing(laid=True, degraded=True)


def lacking(missing: Sequence[str]) -> str:
    """Name the layers that are missing, as in "the layers files and signals"."""
    *some, last = missing
    return f"the layers {', '.join(some)} and {last}" if some else f"the layer {last}"


def degraded_line(plugin_ids: Sequence[str], missing: Sequence[str]) -> str:
    """Say in one line who runs with fewer layers than there should be."""
    run = "runs" if len(plugin_ids) == 1 else "run"
    return (
        f"sandbox: this machine lacks {lacking(missing)}; {', '.join(plugin_ids)} {run} with what "
        "there is. Upgrade the kernel, or accept it by allow_degraded: true"
    )
