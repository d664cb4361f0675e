"""What the source of a plugin's own files does, read without running any of it."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from optifire.host.plugin_files import files_of, imported, is_test

_TIME = ("time", "monotonic", "perf_counter", "process_time", "thread_time", "clock_gettime")
#: Functions that read the clock whatever they are given.
CLOCKS = frozenset(
    {f"time.{name}{end}" for name in _TIME for end in ("", "_ns")}
    | {f"datetime.datetime.{name}" for name in ("now", "utcnow", "today")}
    | {"datetime.date.today"}
    | {f"pandas.Timestamp.{name}" for name in ("now", "utcnow", "today")}
)
#: Functions that read the clock unless they are told the time, and at which place.
CLOCKS_BY_DEFAULT: Mapping[str, int] = {
    "time.localtime": 0, "time.gmtime": 0, "time.ctime": 0, "time.asctime": 0, "time.strftime": 1,
}  # fmt: skip
#: Generators of random numbers that are as good as their seed: fine with one, not without.
SEEDED = frozenset({"random.Random", "numpy.random.default_rng", "numpy.random.RandomState"})
#: Generators that are different each time, or shared by everybody in the process.
RANDOM_MODULES = ("random.", "numpy.random.", "secrets.")
#: Parts of these modules that hold no generator of their own.
RANDOM_TYPES = frozenset({"numpy.random.Generator", "numpy.random.SeedSequence"})
OS_RANDOM = frozenset({"os.urandom", "uuid.uuid1", "uuid.uuid4"})


@dataclass(frozen=True)
class Source:
    """One file of a plugin and its syntax tree; empty where the file does not parse."""

    file: Path
    tree: ast.Module

    @cached_property
    def aliases(self) -> Mapping[str, str]:
        """What each imported name of the file stands for, such as ``pd`` for ``pandas``."""
        found: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    first = alias.name.partition(".")[0]
                    found[alias.asname or first] = alias.name if alias.asname else first
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                for alias in node.names:
                    found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        return found

    def where(self, node: ast.AST) -> str:
        """Give file and line of a node."""
        return f"{self.file}:{getattr(node, 'lineno', 1)}"

    def calls(self) -> Iterator[tuple[ast.Call, str]]:
        """Give all calls with the full dotted name of what is called, empty where it has none."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                yield node, self.name_of(node.func)

    def name_of(self, node: ast.expr) -> str:
        """Give the full name of a dotted expression whose first part was imported."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self.aliases:
            return ""
        return ".".join([self.aliases[node.id], *reversed(parts)])

    def late_imports(self) -> Iterator[tuple[ast.stmt, str]]:
        """Give the imports that happen inside a function, and what they import."""
        for function in ast.walk(self.tree):
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                for node in ast.walk(function):
                    if isinstance(node, (ast.Import, ast.ImportFrom)):
                        for name in imported([node]):
                            yield node, name

    def all_imports(self) -> Iterator[tuple[ast.AST, str]]:
        """Give every import of the file and what it imports."""
        for node in ast.walk(self.tree):
            for name in imported([node]):
                yield node, name


def sources_of(folder: Path) -> tuple[Source, ...]:
    """Read the Python files of a plugin, without its tests; what does not parse is left out."""
    found: list[Source] = []
    for file in files_of(folder):
        if file.suffix != ".py" or is_test(file, folder):
            continue
        try:
            found.append(Source(file, ast.parse(file.read_bytes())))
        except (SyntaxError, ValueError):
            continue  # loading the plugin names the line
    return tuple(found)


def reads_clock(call: ast.Call, name: str) -> bool:
    """Tell whether a call asks for the present instead of being told the instant."""
    if name in CLOCKS_BY_DEFAULT:
        return len(call.args) <= CLOCKS_BY_DEFAULT[name]
    if name == "pandas.Timestamp" and call.args:
        first = call.args[0]
        return isinstance(first, ast.Constant) and first.value in {"now", "today"}
    return name in CLOCKS


def is_unrepeatable(call: ast.Call, name: str) -> bool:
    """Tell whether a call gives random numbers that no other run can give again."""
    if name in SEEDED:
        return not call.args and not call.keywords
    return name in OS_RANDOM or (name.startswith(RANDOM_MODULES) and name not in RANDOM_TYPES)


def published_events(source: Source) -> Iterator[tuple[ast.Call, str]]:
    """Give the events that a file publishes by a name written out."""
    for node in ast.walk(source.tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "publish"
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, str)
        ):
            yield node, node.args[0].value
