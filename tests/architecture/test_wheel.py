"""The wheel that users install: it holds everything that the package needs at run time."""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(
    tracked: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[zipfile.ZipFile]:
    """Give the wheel built from a copy, so that leftovers of earlier builds cannot slip in."""
    copy = tmp_path_factory.mktemp("source")
    for path in tracked:
        (copy / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy / path.relative_to(ROOT))
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", copy, copy],
        check=True,
        capture_output=True,
    )
    with zipfile.ZipFile(next(copy.glob("optifire-*.whl"))) as built:
        yield built


def test_the_wheel_holds_every_file_of_the_package(
    wheel: zipfile.ZipFile, tracked: list[Path]
) -> None:
    package = {str(path.relative_to(ROOT)) for path in tracked if ROOT / "optifire" in path.parents}
    assert sorted(package - set(wheel.namelist())) == []


def test_the_wheel_holds_nothing_beside_the_package(wheel: zipfile.ZipFile) -> None:
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"optifire"}


def test_the_wheel_names_the_command_and_the_licence(wheel: zipfile.ZipFile) -> None:
    info = next(name.partition("/")[0] for name in wheel.namelist() if ".dist-info/" in name)
    assert "optifire = optifire.cli.main:main" in wheel.read(f"{info}/entry_points.txt").decode()
    assert "License-Expression: MIT" in wheel.read(f"{info}/METADATA").decode()
