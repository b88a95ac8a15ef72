"""What must be conserved, whatever was broken: one judgement over all that a campaign left behind; touches nothing.

An event counts as accepted once the outbox's `append` has returned. It is in doubt where that call never returned: the
process died inside it, or the disk failed. Everything else is either stored exactly once, everywhere, or told lost.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import chain

from perch.adapters.journal.reader import Stream

Numbers = Mapping[Stream, Mapping[int, str]]
"""A digest of the content of each event, by stream and sequence number."""

Identities = Mapping[Stream, Set[int]]
"""Sequence numbers as plain sets: the product's own arithmetic of ranges is on trial, too."""

_NOTHING: Mapping[int, str] = {}
_NONE: Set[int] = frozenset()
EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Projection:
    """Rows that a projection holds, and rows that the journal gives when it is projected anew."""

    rows: Counter[Hashable]
    rebuilt: Counter[Hashable]


@dataclass(frozen=True, slots=True)
class Kept:
    """What an outbox says of an epoch at the end: its last number, and which numbers need no sending any more."""

    last: int
    settled: Set[int]


@dataclass(frozen=True, slots=True)
class LostSpan:
    """What a tombstone names; only where the outbox was `full` may an accepted event be among it."""

    stream: Stream
    first: int
    last: int
    full: bool

    @property
    def count(self) -> int:
        """How many numbers it names."""
        return self.last - self.first + 1

    @property
    def numbers(self) -> range:
        """The numbers it names."""
        return range(self.first, self.last + 1)


@dataclass(frozen=True, slots=True)
class Found:
    """All that is known at the end. `stored` is the journal in order; `lost` are the spans that tombstones name.

    `refused` are appends that raised. `settled` is what the journal acknowledges. `stated` are the state events of the
    journal, of which a projection that is `named` holds each once, and none that is `undated`: nobody knows its time.
    `transitions` are those that InfluxDB holds, beside those that the journal's words make.
    `overdue_s` are the seconds for which a space was shown free past its time, by space, over `looks` looks.
    """

    accepted: Numbers
    in_doubt: Numbers
    refused: Numbers
    stored: Sequence[tuple[Stream, int, str]]
    lost: Sequence[LostSpan] = ()
    settled: Identities = field(default_factory=dict)
    kept: Mapping[Stream, Kept] = field(default_factory=dict)
    projections: Mapping[str, Projection] = field(default_factory=dict)
    stated: Counter[tuple[Stream, int]] = field(default_factory=Counter)
    named: Mapping[str, Counter[tuple[Stream, int]]] = field(default_factory=dict)
    undated: Set[tuple[Stream, int]] = frozenset()
    transitions: Projection | None = None
    overdue_s: Mapping[str, float] = field(default_factory=dict)
    looks: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the conservation table; `must_be_zero` lines that are not are violations, of which some are shown."""

    what: str
    count: float
    must_be_zero: bool = False
    examples: tuple[str, ...] = ()

    @property
    def violated(self) -> bool:
        """Whether something is here that must not be."""
        return self.must_be_zero and self.count != 0


def check(found: Found) -> tuple[Line, ...]:
    """Draw up the conservation table."""
    return tuple(_lines(found))


def _lines(found: Found) -> Iterator[Line]:
    stored: dict[Stream, dict[int, str]] = {}
    for stream, seq, digest in found.stored:
        stored.setdefault(stream, {}).setdefault(seq, digest)
    yield Line("accepted by agents", _total(found.accepted))
    yield Line("in doubt: the call never returned", _total(found.in_doubt))
    yield Line("refused: the disk failed", _total(found.refused))
    yield Line("  refused and in doubt, yet stored", _kept_all_the_same(found, stored))
    yield Line("stored in the journal", len(found.stored))
    yield Line("told lost: never accepted, as the disk failed", sum(span.count for span in found.lost if not span.full))
    yield Line("told lost: the outbox was full", sum(span.count for span in found.lost if span.full))
    lost, full = _united(found.lost), _united(span for span in found.lost if span.full)
    yield _must("accepted − stored − told lost", _missing(found.accepted, stored, full))
    yield _must("stored − accepted − in doubt", _surplus(found, stored))
    yield _must("stored twice", _twice(found))
    yield _must("stored with other content", _changed(found, stored))
    yield _must("numbers neither stored nor told lost", _gaps(stored, lost))
    yield _must("counters of both ends that differ", _differing(found, stored, lost))
    for name, named in found.named.items():
        yield _must(f"not exactly once in {name}", _unequal(found, named))
    if found.transitions is not None:
        yield Line("transitions that the journal's words make", found.transitions.rebuilt.total())
        yield _must("transitions not exactly once in InfluxDB", _not_once(found.transitions))
    for name, projection in found.projections.items():
        yield _must(f"{name} rows that a rebuild lacks", _minus(projection.rows, projection.rebuilt))
        yield _must(f"{name} rows that only a rebuild has", _minus(projection.rebuilt, projection.rows))
    yield Line("looks at what is shown", found.looks)
    overdue = tuple(f"{space}: {seconds:.1f} s" for space, seconds in found.overdue_s.items() if seconds > 0)
    yield Line("seconds shown free past their time", round(sum(found.overdue_s.values()), 1), True, overdue[:EXAMPLES])


def _must(what: str, violations: Iterator[str]) -> Line:
    all_of_them = list(violations)
    return Line(what, len(all_of_them), True, tuple(all_of_them[:EXAMPLES]))


def _total(numbers: Numbers) -> int:
    return sum(map(len, numbers.values()))


def _kept_all_the_same(found: Found, stored: Numbers) -> int:
    unsure = (found.in_doubt, found.refused)
    return sum(seq in stored.get(stream, _NOTHING) for source in unsure for stream in source for seq in source[stream])


def _united(spans: Iterable[LostSpan]) -> dict[Stream, set[int]]:
    lost: dict[Stream, set[int]] = {}
    for span in spans:
        lost.setdefault(span.stream, set()).update(span.numbers)
    return lost


def _missing(accepted: Numbers, stored: Numbers, lost: Identities) -> Iterator[str]:
    for stream, numbers in accepted.items():
        have, excused = stored.get(stream, _NOTHING), lost.get(stream, _NONE)
        yield from (_name(stream, seq) for seq in numbers if seq not in have and seq not in excused)


def _surplus(found: Found, stored: Numbers) -> Iterator[str]:
    for stream, numbers in stored.items():
        sources = [source.get(stream, _NOTHING) for source in (found.accepted, found.in_doubt, found.refused)]
        yield from (_name(stream, seq) for seq in numbers if not any(seq in source for source in sources))


def _twice(found: Found) -> Iterator[str]:
    times = Counter((stream, seq) for stream, seq, _ in found.stored)
    return (f"{_name(*identity)}, {count} times" for identity, count in times.items() if count > 1)


def _changed(found: Found, stored: Numbers) -> Iterator[str]:
    for witnessed in (found.accepted, found.in_doubt):
        for stream, numbers in witnessed.items():
            have = stored.get(stream, _NOTHING)
            yield from (_name(stream, seq) for seq, digest in numbers.items() if have.get(seq, digest) != digest)


def _gaps(stored: Numbers, lost: Identities) -> Iterator[str]:
    for stream, numbers in stored.items():
        known = lost.get(stream, _NONE) | numbers.keys()
        yield from (_name(stream, seq) for seq in range(1, max(known) + 1) if seq not in known)


def _differing(found: Found, stored: Numbers, lost: Identities) -> Iterator[str]:
    """Compare, number by number, what outboxes think is settled, what the journal says is, and what it really has."""
    for stream, kept in found.kept.items():
        settled = found.settled.get(stream, _NONE)
        yield from _numbers(stream, set(range(1, kept.last + 1)) - kept.settled, "an outbox still waits for")
        yield from _numbers(stream, kept.settled - settled, "only an outbox takes for settled")
        if not _is_older_copy(found, stream, kept):
            beyond = {seq for seq in settled if seq > kept.last} - lost.get(stream, _NONE)
            yield from _numbers(stream, beyond, "the journal acknowledges, and no outbox ever had")
    for stream in found.settled.keys() | stored.keys() | lost.keys():
        settled = found.settled.get(stream, _NONE)
        real = lost.get(stream, _NONE) | stored.get(stream, _NOTHING).keys()
        yield from _numbers(stream, settled - real, "the journal acknowledges and does not have")
        yield from _numbers(stream, real - settled, "the journal has and does not acknowledge")


def _is_older_copy(found: Found, stream: Stream, kept: Kept) -> bool:
    """Whether events were accepted of which this outbox does not know: it was put back, or copied, before them."""
    witnessed = (found.accepted.get(stream, _NOTHING), found.in_doubt.get(stream, _NOTHING))
    return kept.last < max(chain.from_iterable(witnessed), default=0)


def _numbers(stream: Stream, numbers: Set[int], what: str) -> Iterator[str]:
    if numbers:
        yield f"{_name(stream, min(numbers))}: {what} {len(numbers)} from there"


def _unequal(found: Found, named: Counter[tuple[Stream, int]]) -> Iterator[str]:
    due = Counter({identity: 1 for identity in found.stated if identity not in found.undated})
    yield from (f"{_name(*identity)}: {times} times too often" for identity, times in (named - due).items())
    yield from (f"{_name(*identity)}: not there" for identity in due - named)


def _minus(rows: Counter[Hashable], others: Counter[Hashable]) -> Iterator[str]:
    return (f"{row}" for row in (rows - others).elements())


def _not_once(transitions: Projection) -> Iterator[str]:
    yield from (f"{point}: not there" for point in _minus(transitions.rebuilt, transitions.rows))
    yield from (f"{point}: too often" for point in _minus(transitions.rows, transitions.rebuilt))


def _name(stream: Stream, seq: int) -> str:
    return f"{stream.site}/{stream.agent} {stream.epoch[:8]} {seq}"
