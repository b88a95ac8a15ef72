"""The estimator over a recording: the same transitions that an agent would state, as fast as it goes."""

from collections.abc import Iterable, Iterator, Sequence

from perch.model import Occupancy, Reading, SensedSpace, Sensor
from perch.sensing.watch import Change, Watch


def changes(spaces: Sequence[SensedSpace], sensors: Sequence[Sensor], readings: Iterable[Reading]) -> Iterator[Change]:
    """Give every change from the first reading to the last, in order; readings are in order of time."""
    watch = Watch(spaces, sensors)
    last_ms: int | None = None
    observe = watch.observe
    for reading in readings:
        if last_ms is None:
            yield from watch.start(reading.time_ms)
        last_ms = reading.time_ms
        if changes := observe(reading):
            yield from changes
    if last_ms is not None:
        yield from watch.advance(last_ms + 1)


def steps(
    spaces: Sequence[SensedSpace], sensors: Sequence[Sensor], readings: Iterable[Reading], step_ms: int
) -> Iterator[tuple[int, str, Occupancy]]:
    """Give every space as it stands at each step from the first reading to the last: (time_ms, space, occupancy)."""
    watch = Watch(spaces, sensors)
    next_ms, last_ms = 0, None
    for reading in readings:
        if last_ms is None:
            watch.start(reading.time_ms)
            next_ms = reading.time_ms
        while next_ms < reading.time_ms:
            watch.advance(next_ms + 1)
            yield from ((next_ms, space, said) for space, said in watch.occupancies(next_ms).items())
            next_ms += step_ms
        watch.observe(reading)
        last_ms = reading.time_ms
    if next_ms == last_ms:
        watch.advance(last_ms + 1)
        yield from ((next_ms, space, said) for space, said in watch.occupancies(next_ms).items())
