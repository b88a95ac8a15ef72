"""The drawings of the recorded room: how far a probability can be believed, and one day of it."""

from collections.abc import Mapping, Sequence
from itertools import groupby

from benchmarks.accuracy.recordings import Block
from benchmarks.accuracy.saying import Said, estimator
from benchmarks.accuracy.scores import Score
from benchmarks.accuracy.svg import Axis, Drawing
from perch.model import SensedSpace, Sensor, State

COLOURS = "abcd"
FEWEST = 20
"""A tenth of the probabilities with fewer looks than this is not drawn: it says nothing."""

HOUR_MS = 3_600_000
TENTHS = [(tenth / 10, f"{tenth / 10:g}") for tenth in range(0, 11, 2)]
TRUE, SAID = (0.0, 0.06), (0.08, 0.14)
"""The bands under the probability: what was true, what was said."""


def reliability(scores: Mapping[str, Score]) -> Drawing:
    """Draw how often somebody was there among the looks at which this was as likely as so much."""
    drawing = Drawing(
        "The recorded room, all sensors: probabilities and what was true",
        Axis("probability said, by tenths", 0, 1, TENTHS),
        Axis("share of looks at which somebody was there", 0, 1, TENTHS),
    )
    drawing.line([(0, 0), (1, 1)], "faint")
    for colour, (name, score) in zip(COLOURS, scores.items(), strict=False):
        points = [(said / looks, true / looks) for looks, said, true in score.bins if looks >= FEWEST]
        drawing.line(points, colour, name)
        drawing.dots([(point, "") for point in points], colour)
    return drawing


def day(space: SensedSpace, sensors: Sequence[Sensor], block: Block) -> Drawing:
    """Draw a block: the probability, what was said, what was true."""
    said = estimator(space, sensors)(block.readings, block.moments)
    hours = [at_ms % (24 * HOUR_MS) / HOUR_MS for at_ms in block.moments]
    across = Axis("time of day", hours[0], hours[-1], [(hour, f"{hour}:00") for hour in range(12, 24, 2)])
    up = Axis("probability that somebody is there", 0, 1, TENTHS)
    drawing = Drawing(f"A day of the recorded room ({block.name}), factory settings, all sensors", across, up)
    drawing.line([(hour, one.probability or 0.0) for hour, one in zip(hours, said, strict=True)], "a", "probability")
    _bands(drawing, hours, [_shown(one) for one in said], SAID)
    _bands(drawing, hours, [("c", "true: somebody was there") if count else None for count in block.people], TRUE)
    return drawing


def _shown(said: Said) -> tuple[str, str] | None:
    if said.state is State.OCCUPIED:
        return "b", "said: occupied"
    return ("faint", "said: unknown") if said.state is State.UNKNOWN else None


def _bands(
    drawing: Drawing, hours: Sequence[float], kinds: Sequence[tuple[str, str] | None], edges: tuple[float, float]
) -> None:
    for kind, stretch in groupby(range(len(hours)), lambda place: kinds[place]):
        places = list(stretch)
        if kind is not None:
            right = hours[min(places[-1] + 1, len(hours) - 1)]
            drawing.band(hours[places[0]], right, *edges, *kind)
