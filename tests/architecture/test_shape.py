"""The shape of the code: sizes that keep every file and function readable at one sitting.

That everything public is documented and typed is held by ruff (`D`, `ANN`) and mypy.
"""

import ast
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "optifire"
FILE_MAX = 400
FILE_MEDIAN = 120
FUNCTION_MAX = 60
FUNCTION_LONG = 40
FUNCTION_LONG_SHARE = 0.05
FUNCTION_MEDIAN = 10
METHODS_MAX = 15
INIT_MAX = 40

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Sized:
    """Something with a size, and where it stands."""

    where: str
    size: int


def sources(*, tests: bool) -> list[Path]:
    folders = [PACKAGE, ROOT / "scripts", *([ROOT / "tests"] if tests else [])]
    found = chain.from_iterable(folder.rglob("*.py") for folder in folders)
    return sorted(path for path in found if tests or "tests" not in path.parts[len(ROOT.parts) :])


def files(*, tests: bool) -> list[Sized]:
    return [
        Sized(str(path.relative_to(ROOT)), len(path.read_text(encoding="utf-8").splitlines()))
        for path in sources(tests=tests)
    ]


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path)))


def lines_of(function: FunctionNode) -> int:
    """Give the lines from `def` to the last statement, less the docstring."""
    assert function.end_lineno is not None
    total = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is None or first.end_lineno is None:
        return total
    return total - (first.end_lineno - first.lineno + 1)


def functions() -> list[Sized]:
    return [
        Sized(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", lines_of(node))
        for path in sources(tests=False)
        for node in nodes(path)
        if isinstance(node, FunctionNode)
    ]


def classes() -> list[Sized]:
    return [
        Sized(
            f"{path.relative_to(ROOT)}:{node.lineno} {node.name}",
            sum(isinstance(child, FunctionNode) for child in node.body),
        )
        for path in sources(tests=False)
        for node in nodes(path)
        if isinstance(node, ast.ClassDef)
    ]


def over(limit: int, sized: list[Sized]) -> list[str]:
    return [f"{item.where}: {item.size}" for item in sized if item.size > limit]


def test_no_file_is_longer_than_400_lines() -> None:
    assert over(FILE_MAX, files(tests=True)) == []


def test_half_of_the_files_have_at_most_120_lines() -> None:
    sizes = [item.size for item in files(tests=False) if not item.where.endswith("__init__.py")]
    assert statistics.median(sizes) <= FILE_MEDIAN


def test_no_function_is_longer_than_60_lines() -> None:
    assert over(FUNCTION_MAX, functions()) == []


def test_at_most_one_function_in_twenty_is_longer_than_40_lines() -> None:
    found = functions()
    long = over(FUNCTION_LONG, found)
    assert len(long) <= FUNCTION_LONG_SHARE * len(found), long


def test_half_of_the_functions_have_at_most_10_lines() -> None:
    assert statistics.median(item.size for item in functions()) <= FUNCTION_MEDIAN


def test_no_class_has_more_than_15_methods() -> None:
    assert over(METHODS_MAX, classes()) == []


def is_export(node: ast.stmt) -> bool:
    """Tell whether a statement re-exports: a docstring, an import, `__all__` or the version."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    if isinstance(node, ast.Assign):
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        return names in (["__all__"], ["__version__"])
    return isinstance(node, ast.Import | ast.ImportFrom)


def test_an_init_file_only_re_exports() -> None:
    inits = [path for path in sources(tests=False) if path.name == "__init__.py"]
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in inits
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if not is_export(node)
    ]
    assert found == []
    assert over(INIT_MAX, [item for item in files(tests=False) if "__init__" in item.where]) == []


def test_tests_in_plugin_folders_are_not_packages() -> None:
    assert list(PACKAGE.glob("plugins/*/tests/__init__.py")) == []
