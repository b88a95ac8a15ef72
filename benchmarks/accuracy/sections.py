"""The parts of the benchmark by name, each of which can run in a process of its own."""

from collections.abc import Callable, Mapping

from benchmarks.accuracy import desks, doors, office, rates, room
from benchmarks.accuracy.tables import Section

SECTIONS: Mapping[str, Callable[[], Section]] = {
    "room-fitted": room.with_labels,
    "room-mixes": room.mixes_with_labels,
    "desks": desks.section,
    "desk-rates": desks.sampled,
    "office": office.section,
    "room": room.section,
    "doors": doors.section,
    "rates": rates.section,
}
"""The longest first."""


def run(name: str) -> Section:
    """Score one part."""
    return SECTIONS[name]()
