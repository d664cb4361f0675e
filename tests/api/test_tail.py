"""Places in the order of events: pure, and for all orders there can be."""

from hypothesis import given
from hypothesis import strategies as st

from optifire.api.tail import Event, EventKind, Resumed, Span, Tail, Wanted, resume

NAMES = st.text("0123456789abcdef", min_size=1, max_size=8)
SPANS = st.builds(
    lambda name, first, more: Span(name, first, first - 1 + more),
    NAMES,
    st.integers(1, 1000),
    st.integers(0, 1000),
)


def events(first: int, last: int) -> list[Event]:
    return [Event(seq, EventKind.RUN) for seq in range(first, last + 1)]


@given(span=SPANS, data=st.data())
def test_an_id_of_an_event_that_is_kept_leads_behind_that_event(
    span: Span, data: st.DataObject
) -> None:
    seq = data.draw(st.integers(span.first - 1, span.last))
    assert resume(span.place(seq), span) == Resumed(seq)


@given(span=SPANS)
def test_who_has_seen_nothing_begins_with_what_comes(span: Span) -> None:
    assert resume("", span) == Resumed(span.last)


@given(span=SPANS, seq=st.integers(0, 10**6), name=NAMES)
def test_an_id_is_honoured_whole_or_what_is_missing_is_said(
    span: Span, seq: int, name: str
) -> None:
    found = resume(f"{name}.{seq}", span)
    kept = name == span.name and span.first - 1 <= seq <= span.last
    assert (found == Resumed(seq)) == kept
    assert bool(found.missing) != kept
    assert span.first - 1 <= found.after <= span.last


@given(span=SPANS, asked=st.text(min_size=1) | st.from_regex(r"[0-9a-f]+\.0?\d*", fullmatch=True))
def test_whatever_is_sent_as_an_id_gives_a_place_and_never_an_error(span: Span, asked: str) -> None:
    found = resume(asked, span)
    assert span.first - 1 <= found.after <= span.last
    assert found.missing or asked == span.place(found.after)


@given(
    start=st.integers(0, 50),
    parts=st.lists(st.integers(0, 9), max_size=12),
    most=st.integers(1, 30),
    seq=st.integers(0, 200),
    limit=st.integers(1, 20),
)
def test_a_tail_gives_what_follows_a_place_or_says_that_it_is_too_old(
    start: int, parts: list[int], most: int, seq: int, limit: int
) -> None:
    tail, last = Tail(start, most), start
    for size in parts:
        tail.add(events(last + 1, last + size))
        last += size
    found = tail.after(seq, limit)
    first = max(start + 1, last - most + 1)
    if found is None:
        assert seq < first - 1
    else:
        assert seq >= min(first - 1, last)
        assert [each.seq for each in found] == list(range(seq + 1, last + 1))[:limit]


@given(before=st.integers(1, 9), hole=st.integers(1, 9), after=st.integers(1, 9))
def test_a_tail_never_holds_two_events_with_a_hole_between(
    before: int, hole: int, after: int
) -> None:
    tail = Tail(0, 100)
    tail.add(events(1, before))
    begin = before + hole + 1
    tail.add(events(begin, begin + after - 1))
    assert tail.after(before, 100) is None
    found = tail.after(begin - 1, 100)
    assert found is not None
    assert [each.seq for each in found] == list(range(begin, begin + after))


def test_all_conditions_hold_together_and_an_empty_one_is_none() -> None:
    run = Event(1, EventKind.RUN, "a", "failed")
    note = Event(2, EventKind.NOTE, "*")
    guarded = Event(3, EventKind.NOTE, None, guarded=True)
    assert run in Wanted()
    assert run in Wanted(frozenset("a"), frozenset({"run"}), frozenset({"failed", "lost"}))
    assert run not in Wanted(plugins=frozenset("b"))
    assert run not in Wanted(kinds=frozenset({"note"}))
    assert run not in Wanted(statuses=frozenset({"succeeded"}))
    assert note in Wanted(plugins=frozenset("b")), "it is about all of them"
    assert note not in Wanted(statuses=frozenset({"failed"}))
    assert guarded not in Wanted()
    assert guarded in Wanted(admin=True)
