"""What the files of a plugin say without being imported: their hash, and what they import."""

import ast
import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

#: Helper packages of OptiFIRE that bring third-party modules into the process that uses them.
HELPERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"optifire.data": ("numpy", "pandas"), "optifire.fe": ("numpy", "pandas")}
)
#: Frames reach a plugin without an import of its own, by these words in its source.
FRAME_WORDS = frozenset({"market_data", "feed"})
#: What tells one state of a file from another: name, time of change in nanoseconds, size, inode.
Stamp = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """SHA-256 over names and contents of all files, and the third-party modules imported."""

    checksum: str
    modules: tuple[str, ...]


def files_of(folder: Path) -> Iterator[Path]:
    """Give all files that belong to a plugin, sorted: not hidden ones, not compiled code."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if _belongs(each))
        yield from (Path(root, name) for name in sorted(names) if _belongs(name))


def _belongs(name: str) -> bool:
    return not name.startswith(".") and name != "__pycache__" and not name.endswith(".pyc")


def stamp_of(folder: Path) -> Stamp:
    """Give what changes when any file of the folder does; costs one `stat` a file."""
    found: list[tuple[str, int, int, int]] = []
    for file in files_of(folder):
        state = file.stat()
        changed = max(state.st_mtime_ns, state.st_ctime_ns)
        found.append((str(file), changed, state.st_size, state.st_ino))
    return tuple(found)


def facts_of(folder: Path) -> Facts:
    """Read all files of the folder; raises `OSError` when one cannot be read."""
    digest = hashlib.sha256()
    modules: set[str] = set()
    for file in files_of(folder):
        name, content = file.relative_to(folder).as_posix(), file.read_bytes()
        digest.update(f"{len(name)} {name} {len(content)} ".encode() + content)
        if file.suffix == ".py" and not is_test(file, folder):
            modules.update(top_imports(content, folder))
    return Facts(digest.hexdigest(), tuple(sorted(modules)))


def is_test(file: Path, folder: Path) -> bool:
    """Tell whether a file belongs to the plugin's tests."""
    return file.relative_to(folder).parts[0] in {"tests", "conftest.py"}


def top_imports(source: bytes, folder: Path) -> Iterator[str]:
    """Give the third-party modules that a file imports when it is imported itself.

    A file that does not parse gives none: loading it says what is wrong with it.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    own = {each.stem for each in folder.iterdir()} | {f"optifire_plugin_{folder.name}"}
    for name in dict.fromkeys(imported(_executed_at_import(tree.body))):
        first = name.partition(".")[0]
        if first == "optifire":
            yield from HELPERS.get(".".join(name.split(".")[:2]), ())
        elif first not in own and first not in sys.stdlib_module_names:
            yield name
    if any(_speaks_of_frames(node) for node in ast.walk(tree)):
        yield from ("numpy", "pandas")


def _speaks_of_frames(node: ast.AST) -> bool:
    """Tell whether a node is ``"market_data"`` or ``context.feed``, which give frames."""
    if isinstance(node, ast.Attribute):
        return node.attr in FRAME_WORDS
    return isinstance(node, ast.Constant) and node.value == "market_data"


def imported(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Give the absolute names of modules that import statements name."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def _executed_at_import(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Give all statements that run when the module is imported, those of classes included."""
    for statement in body:
        yield statement
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            yield from _executed_at_import(statement.orelse)
            continue
        for part in ("body", "orelse", "finalbody"):
            yield from _executed_at_import(getattr(statement, part, ()))
        for handler in getattr(statement, "handlers", ()):
            yield from _executed_at_import(handler.body)
