"""What ``${VAR}`` may name: the environment, and below it ``configs/secrets.env``."""

import re
import stat
from collections.abc import Mapping
from pathlib import Path

from optifire.core.errors import ConfigError
from optifire.host.texts import read_text

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_QUOTES = ("'", '"')


def read_variables(secrets: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Give all variables; what the environment sets wins over the file.

    Raises
    ------
    ConfigError
        The file cannot be read, others than its owner can read it, or a line is not
        ``NAME=value`` or names one again. The message never holds a value.
    """
    return {**_read_file(secrets), **environ}


def _read_file(file: Path) -> dict[str, str]:
    if not file.exists():
        return {}
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(
            f"holds secrets and others may read it (mode {mode:o})",
            where=str(file),
            remedy=f"Run `chmod 600 {file}`",
        )
    found: dict[str, str] = {}
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise ConfigError(
                "is not NAME=value", where=f"{file}:{number}", remedy="Write NAME=value"
            )
        if match[1] in found:
            raise ConfigError(
                f"{match[1]} stands twice", where=f"{file}:{number}", remedy="Remove one of the two"
            )
        found[match[1]] = _unquote(match[2].strip())
    return found


def _unquote(text: str) -> str:
    quoted = len(text) > 1 and text[0] in _QUOTES and text[-1] == text[0]
    return text[1:-1] if quoted else text
