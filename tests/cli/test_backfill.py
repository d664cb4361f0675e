"""``backfill`` on recorded data: what it makes, and what it says of what cannot be made."""

from pathlib import Path

import pytest

from .conftest import Program

WEEK = ("--from", "2018-11-12", "--to", "2018-11-16")


def test_a_week_before_the_ledger_is_made_as_a_replay_makes_it(
    optifire: Program, home: Path, tmp_path: Path
) -> None:
    before = optifire("--home", home, "runs", "--plugin", "alpha_vix_regime", "--json").json
    words = ("--home", home, "backfill", "alpha_vix_regime", *WEEK, "--json")
    said = optifire(*words)
    assert (said.code, said.json["statuses"], said.json["there"]) == (0, {"succeeded": 5}, 0)
    replayed = tmp_path / "r.db"
    alone = ("--plugins", "alpha_vix_regime", "--db", replayed)
    assert optifire("--home", home, "replay", *WEEK, *alone).code == 0

    def outputs(*where: object) -> dict[str, object]:
        rows = optifire("--home", home, "runs", "--until", "2018-11-16", *where, "--json").json
        return {row["due"]: row["outputs"] for row in rows}

    assert outputs() == outputs("--db", replayed)
    rows = optifire("--home", home, "runs", "--plugin", "alpha_vix_regime", "--json").json
    assert [row for row in rows if row["kind"] == "scheduled"] == before
    again = optifire(*words).json
    assert (again["changed"], again["there"]) == ([], 5)


def test_what_the_schedule_made_is_there_and_what_it_needs_is_read_as_of_then(
    optifire: Program, home: Path
) -> None:
    days = ("--from", "2018-11-16", "--to", "2018-11-20")
    said = optifire("--home", home, "backfill", "alpha_vrp", *days, "--json").json
    assert (said["there"], said["changed"]) == (2, ["alpha_vrp@20181116T210000Z~backfill"])


@pytest.mark.parametrize(
    ("words", "code", "kind", "says"),
    [
        (("alpha_vix_regim", *WEEK), 1, "NotFoundError", "alpha_vix_regime"),
        (("infra_heartbeat", *WEEK), 1, "StateError", "observes the machine"),
        (("fe_garch", "--from", "2018-11-16", "--to", "2018-11-12"), 2, "UsageError", "Turn them"),
        (("fe_garch", "--from", "2199-01-01", "--to", "2199-01-02"), 2, "UsageError", "not past"),
        (("fe_garch", "--from", "2016-01-01", "--to", "2016-01-02"), 2, "UsageError", "retention"),
        (("fe_garch", "--from", "soon", "--to", "2018-01-02"), 2, "UsageError", "not an instant"),
        (("fe_garch", "--to", "2018-01-02"), 2, "UsageError", "--from"),
        ((*WEEK,), 2, "UsageError", "ID"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    optifire: Program, home: Path, words: tuple[str, ...], code: int, kind: str, says: str
) -> None:
    before = optifire("--home", home, "runs", "--limit", "1000", "--json").json
    said = optifire("--home", home, "backfill", *words, "--json")
    assert (said.code, said.error["type"]) == (code, kind), said
    assert says in " ".join(said.error.values())
    assert optifire("--home", home, "runs", "--limit", "1000", "--json").json == before
