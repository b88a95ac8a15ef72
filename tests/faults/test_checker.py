"""The checker of the fault campaign finds each violation that is planted, and nothing where nothing is wrong."""

from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import replace

import pytest
from hypothesis import given

from perch.adapters.journal.reader import Entry, Stream
from perch.chaos.checker import Found, Kept, LostSpan, Projection, check
from perch.chaos.transitions import Word, due, stored
from perch.chaos.undated import undated
from perch.contract import StateEvent
from perch.history.memory import MemoryHistory
from perch.history.rows import occupancy_rows
from perch.history.source import BEGINNING_MS, END_MS
from perch.history.told import Lost, Stated, Told
from tests import history_cases
from tests.history_cases import AGENTS, SPACES, words
from tests.placing_cases import journals
from tests.placing_oracle import expected

EPOCH = Stream("hq", "a1", "e" * 32)
OLDER = Stream("hq", "a1", "d" * 32)
START_MS = 1_790_000_000_000


def sound() -> Found:
    """Five events of an epoch and two of an older one; the fourth was in doubt, the second of the older was lost."""
    stored = [(EPOCH, seq, f"c{seq}") for seq in (1, 2, 4, 3, 5)] + [(OLDER, 1, "o1")]
    return Found(
        accepted={EPOCH: {1: "c1", 2: "c2", 3: "c3", 5: "c5"}, OLDER: {1: "o1", 2: "o2"}},
        in_doubt={EPOCH: {4: "c4", 6: "c6"}},
        refused={},
        stored=stored,
        lost=[LostSpan(OLDER, 2, 2, full=True)],
        settled={EPOCH: {1, 2, 3, 4, 5}, OLDER: {1, 2}},
        kept={EPOCH: Kept(5, {1, 2, 3, 4, 5}), OLDER: Kept(2, {1, 2})},
        projections={"history": Projection(Counter("abc"), Counter("abc"))},
        stated=Counter({(EPOCH, 1): 1, (EPOCH, 2): 1}),
        named={"history": Counter({(EPOCH, 1): 1, (EPOCH, 2): 1})},
        transitions=Projection(Counter("pq"), Counter("pq")),
        overdue_s={"hq/d1": 0.0},
        looks=100,
    )


def violated(found: Found) -> list[str]:
    return [line.what for line in check(found) if line.violated]


def test_what_is_sound_is_let_be() -> None:
    assert violated(sound()) == []


def stored_without(found: Found, seq: int) -> Found:
    return replace(found, stored=[row for row in found.stored if row[:2] != (EPOCH, seq)])


PLANTED: dict[str, tuple[Callable[[Found], Found], str]] = {
    "an accepted event is missing": (lambda f: stored_without(f, 3), "accepted − stored − told lost"),
    "the last accepted event is missing": (lambda f: stored_without(f, 5), "accepted − stored − told lost"),
    "an event that nobody accepted": (
        lambda f: replace(f, stored=[*f.stored, (EPOCH, 7, "c7")]),
        "stored − accepted − in doubt",
    ),
    "an event stored twice": (lambda f: replace(f, stored=[*f.stored, (EPOCH, 2, "c2")]), "stored twice"),
    "an event with other content": (
        lambda f: replace(f, stored=[*f.stored[1:], (EPOCH, 1, "altered")]),
        "stored with other content",
    ),
    "an event in doubt stored with other content": (
        lambda f: replace(stored_without(f, 4), stored=[*stored_without(f, 4).stored, (EPOCH, 4, "altered")]),
        "stored with other content",
    ),
    "a number that was left out": (lambda f: stored_without(f, 4), "numbers neither stored nor told lost"),
    "a tombstone that was never told": (lambda f: replace(f, lost=[]), "accepted − stored − told lost"),
    "a tombstone over what was accepted, though there was room": (
        lambda f: replace(f, lost=[LostSpan(OLDER, 2, 2, full=False)]),
        "accepted − stored − told lost",
    ),
    "an outbox that still waits": (
        lambda f: replace(f, kept={EPOCH: Kept(5, {1, 2, 3, 4})}),
        "counters of both ends that differ",
    ),
    "a journal that acknowledged too much": (
        lambda f: replace(f, settled={EPOCH: {1, 2, 3, 4, 5, 6, 7, 8, 9}, OLDER: {1, 2}}),
        "counters of both ends that differ",
    ),
    "as many numbers acknowledged as stored, but others": (
        lambda f: replace(f, settled={EPOCH: {1, 2, 3, 5, 6}, OLDER: {1, 2}}, kept={}),
        "counters of both ends that differ",
    ),
    "an outbox that let go of other numbers": (
        lambda f: replace(stored_without(f, 4), settled={EPOCH: {1, 2, 3, 5}, OLDER: {1, 2}}),
        "counters of both ends that differ",
    ),
    "a watermark with a hole": (
        lambda f: replace(f, settled={EPOCH: {1, 2, 3, 4, 5, 7, 8}, OLDER: {1, 2}}),
        "counters of both ends that differ",
    ),
    "a row that history should not have": (
        lambda f: replace(f, projections={"history": Projection(Counter("abcd"), Counter("abc"))}),
        "history rows that a rebuild lacks",
    ),
    "a row twice": (
        lambda f: replace(f, projections={"history": Projection(Counter("abcc"), Counter("abc"))}),
        "history rows that a rebuild lacks",
    ),
    "a row that history lacks": (
        lambda f: replace(f, projections={"history": Projection(Counter("ab"), Counter("abc"))}),
        "history rows that only a rebuild has",
    ),
    "an event twice in history": (
        lambda f: replace(f, named={"history": Counter({(EPOCH, 1): 2, (EPOCH, 2): 1})}),
        "not exactly once in history",
    ),
    "an event that is not in history": (
        lambda f: replace(f, named={"history": Counter({(EPOCH, 1): 1})}),
        "not exactly once in history",
    ),
    "a transition that InfluxDB lacks": (
        lambda f: replace(f, transitions=Projection(Counter("p"), Counter("pq"))),
        "transitions not exactly once in InfluxDB",
    ),
    "a transition twice in InfluxDB": (
        lambda f: replace(f, transitions=Projection(Counter("ppq"), Counter("pq"))),
        "transitions not exactly once in InfluxDB",
    ),
    "a space shown free past its time": (
        lambda f: replace(f, overdue_s={"hq/d1": 0.25}),
        "seconds shown free past their time",
    ),
}


@pytest.mark.parametrize(("plant", "what"), PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_violation_is_found(plant: Callable[[Found], Found], what: str) -> None:
    assert what in violated(plant(sound()))


def test_an_older_copy_of_an_outbox_may_know_less() -> None:
    assert violated(replace(sound(), kept={EPOCH: Kept(3, {1, 2, 3})})) == []


def test_events_that_nobody_can_date_are_absent_from_history() -> None:
    found = replace(sound(), named={"history": Counter({(EPOCH, 1): 1})}, undated=frozenset({(EPOCH, 2)}))
    assert violated(found) == []


def test_an_event_that_nobody_can_date_excuses_no_other() -> None:
    found = replace(sound(), named={"history": Counter({(EPOCH, 2): 1})}, undated=frozenset({(EPOCH, 2)}))
    [line] = [line for line in check(found) if line.violated]
    assert [example.split(": ")[1] for example in line.examples] == ["1 times too often", "not there"]


@given(words(START_MS, START_MS + 10_000_000))
def test_transitions_are_those_of_history(told: tuple[Told, ...]) -> None:
    """Where one agent serves a space for ever, as in a campaign."""
    home = history_cases.space(SPACES[0], agent=AGENTS[0])
    rows = occupancy_rows(history_cases.site(home), home.id, BEGINNING_MS, END_MS, MemoryHistory(told))
    points: dict[tuple[int, bool], Hashable] = {}
    for row in rows:  # of two that would be one point, the later one is written
        said, time_ns = row.state, row.time_ms * 1_000_000 + row.state.seq % 999_999
        counted = (("counted", str(int(said.count is not None))), ("people", str(said.count or 0)))
        where = (("time", str(time_ns)), ("space", home.id), ("carried", str(int(row.carried))))
        points[time_ns, row.carried] = ("occupancy", *where, ("state", said.state), *counted)
    own = [one for one in told if isinstance(one, Stated) and (one.agent, one.space) == (AGENTS[0], home.id)]
    spoken = [Word(one.time_ms, one.epoch, one.seq, one.state, one.people) for one in own]
    lost = {one.span for one in told if isinstance(one, Lost) and one.agent == AGENTS[0]}
    assert stored(Counter(points.values())) == Counter(due(home.id, spoken, list(lost)))


@given(journals(START_MS, START_MS + 100_000_000))
def test_what_nobody_can_date_is_named_as_the_oracle_of_placing_does(entries: tuple[Entry, ...]) -> None:
    states = {(entry.agent, entry.epoch, entry.event.seq) for entry in entries if isinstance(entry.event, StateEvent)}
    nowhere = {identity for identity, where in expected(entries).items() if identity in states and where == (None,)}
    assert {(stream.agent, stream.epoch, seq) for stream, seq in undated(entries)} == nowhere
