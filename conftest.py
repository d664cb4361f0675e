"""What every test folder shares, those of plugins too: the options `--long` and `--half`."""

import signal
import zlib
from collections import defaultdict

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no finding: how long an example takes is measured by `scripts/bench` alone.
settings.register_profile(
    "shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("shared machine")
# For the second Python, which is there to find what differs between the two.
settings.register_profile("second Python", settings.get_profile("shared machine"), max_examples=20)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run the tests marked `long`")
    parser.addoption("--half", action="store_true", help="run those that show rows and half of all")


def pytest_configure() -> None:
    # A shell has what it starts with `&` ignore Ctrl-C, and programs that tests start with it.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def is_for_long(item: pytest.Item) -> bool:
    """Tell whether a test is of the half that only `--long` runs.

    Those that show an acceptance row always run; whoever names files or tests gets all of them.
    """
    if not item.config.getoption("--half") or item.get_closest_marker("row"):
        return False
    return zlib.crc32(item.nodeid.encode()) % 2 == 1


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    left_out = {item for item in items if item.get_closest_marker("long") or is_for_long(item)}
    cases: dict[tuple[str, int], list[pytest.Item]] = defaultdict(list)
    for item in items:
        if sample := item.get_closest_marker("sample"):
            cases[item.nodeid.partition("[")[0], *sample.args].append(item)
    for (_, most), several in cases.items():
        several.sort(key=lambda item: item.nodeid)
        kept = {index * len(several) // most for index in range(most)}
        left_out.update(item for index, item in enumerate(several) if index not in kept)
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]
