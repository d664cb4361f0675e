"""What the API tells of a service that goes over from one catalog to the next."""

from types import SimpleNamespace
from typing import Any

import pytest

from optifire.app import reading
from optifire.app.graphs import graph_of
from optifire.app.reading import Reading
from optifire.host.catalog import Catalog


async def test_a_graph_is_made_once_for_a_catalog_and_anew_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Catalog] = []

    def counted(catalog: Catalog) -> dict[str, Any]:
        made.append(catalog)
        return {**graph_of(catalog), "of": len(made)}

    monkeypatch.setattr(reading, "graph_of", counted)
    first, second = Catalog(), Catalog()
    assert first == second, "it is the object that counts"
    service: Any = SimpleNamespace(catalog=first)
    told = Reading(service)
    assert [(await told.graph())["of"] for _ in range(3)] == [1, 1, 1]
    service.catalog = second
    assert [(await told.graph())["of"] for _ in range(2)] == [2, 2]
    assert [each is one for each, one in zip(made, (first, second), strict=True)] == [True, True]
