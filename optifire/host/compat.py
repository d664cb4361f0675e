"""Whether this machine has what a plugin's metadata asks for: versions, platform, packages."""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import optifire
from optifire.core.errors import CompatibilityError

#: The version of the plugin contract that this service speaks.
API_VERSION = "1"
_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(.*)")
_CLAUSE = re.compile(r"(~=|==|!=|<=|>=|<|>)\s*([0-9]+(?:\.[0-9]+)*)(\.\*)?")
_RELEASE = re.compile(r"[0-9]+(?:\.[0-9]+)*")


def check_compatible(metadata: Mapping[str, Any], where: str) -> None:
    """Raise `CompatibilityError` with all that a plugin asks for and does not get here."""
    missing = list(_lacking(metadata))
    if missing:
        raise CompatibilityError(
            "; ".join(message for message, _ in missing),
            where=where,
            remedy="; ".join(remedy for _, remedy in missing),
        )


def _lacking(metadata: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Give what is lacking and what to do about it."""
    if str(metadata.get("api_version") or API_VERSION) != API_VERSION:
        yield f"it speaks api_version {metadata['api_version']}", f"This one is {API_VERSION}"
    low, high = metadata.get("min_version"), metadata.get("max_version")
    here = optifire.__version__
    if low and _release(here) < _release(str(low)):
        yield f"it needs OptiFIRE {low} or later, and this is {here}", "Upgrade OptiFIRE"
    if high and _release(here) > _release(str(high)):
        yield f"it needs OptiFIRE {high} or earlier, and this is {here}", "Upgrade the plugin"
    platforms: Sequence[str] = metadata.get("supported_platforms") or ()
    if platforms and not any(sys.platform.startswith(str(each).lower()) for each in platforms):
        yield f"it runs on {', '.join(platforms)} only", f"This is {sys.platform}"
    for requirement in metadata.get("requires") or ():
        reason = unmet(str(requirement))
        if reason:
            yield reason, f"Install it: pip install '{requirement}'"


def unmet(requirement: str) -> str:
    """Give why a requirement such as ``scipy>=1.15,<2`` is not met, empty when it is."""
    if requirement.strip().startswith(("python ", "python>", "python=", "python<", "python!")):
        found, name, clauses = _python(), "python", requirement.strip().removeprefix("python")
    else:
        match = _REQUIREMENT.fullmatch(requirement.strip())
        if match is None:
            return f"requires: {requirement!r} is not a requirement"
        name, clauses = match[1], match[2]
        try:
            found = version(name)
        except PackageNotFoundError:
            return f"it needs {requirement}, and {name} is not installed"
    for clause in (part.strip() for part in clauses.split(",") if part.strip()):
        parsed = _CLAUSE.fullmatch(clause)
        if parsed is None:
            return f"requires: {clause!r} of {requirement!r} cannot be read (markers are not taken)"
        if not _holds(found, parsed[1], parsed[2], prefix=bool(parsed[3])):
            return f"it needs {requirement}, and {name} {found} is here"
    return ""


def _python() -> str:
    return ".".join(str(part) for part in sys.version_info[:3])


def _release(text: str) -> tuple[int, ...]:
    """Give the numbers of a version; what follows them (rc1, .post1) does not count."""
    match = _RELEASE.match(text)
    parts = [int(part) for part in match[0].split(".")] if match else [0]
    while len(parts) > 1 and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def _holds(found: str, operator: str, wanted: str, *, prefix: bool) -> bool:
    here, there = _release(found), _release(wanted)
    if operator in {"==", "!="}:
        numbers = tuple(int(part) for part in wanted.split("."))
        padded = here + (0,) * (len(numbers) - len(here))
        same = padded[: len(numbers)] == numbers if prefix else here == there
        return same is (operator == "==")
    if operator == "~=":
        series = tuple(int(part) for part in wanted.split("."))[:-1]
        return here >= there and (here + (0,) * len(series))[: len(series)] == series
    return {
        "<": here < there, "<=": here <= there, ">": here > there, ">=": here >= there,
    }[operator]  # fmt: skip
