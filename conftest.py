"""What every test folder shares, those of plugins too: the `--long` option."""

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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in set(long)]
