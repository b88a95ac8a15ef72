"""Tables of scores, as Markdown that can be read on a terminal too, and the aims they are held against."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.accuracy.scores import Score

FIGURES = ("F1", "balanced", "fv", "fo", "flaps", "release", "Brier", "unknown")
NONE = "–"


@dataclass(frozen=True, slots=True)
class Table:
    """A caption, column names (the first is what the rows are), and rows of text."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __str__(self) -> str:
        lines = [self.columns, *self.rows]
        widths = [max(len(line[place]) for line in lines) for place in range(len(self.columns))]
        head, *body = (" | ".join(_cells(line, widths)).rstrip() for line in lines)
        rule = " | ".join(["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
        return "\n".join([f"**{self.caption}**", "", *(f"| {line} |" for line in (head, rule, *body))])


@dataclass(frozen=True, slots=True)
class Aim:
    """What was aimed at, what was reached, and whether that is enough."""

    what: str
    wanted: str
    reached: str
    met: bool


@dataclass(frozen=True, slots=True)
class Section:
    """What one part of the benchmark found; drawings are SVG texts by file name."""

    name: str
    tables: Sequence[Table]
    aims: Sequence[Aim] = ()
    drawings: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.tables))


def figures(score: Score) -> tuple[str, ...]:
    """Write the figures of a score in the order of FIGURES."""
    counted = score.counted
    return (
        written(counted.f1, 3),
        written(counted.balanced, 3),
        written(counted.false_vacant, 2),
        written(counted.false_occupied, 2),
        written(counted.flaps, 1),
        release(score),
        written(counted.brier, 4),
        percent(counted.unknown_share),
    )


def release(score: Score) -> str:
    """Write the median of the release delays, and within how many minutes nine of ten were."""
    return f"{written(score.release_minutes, 1)} ({written(score.slow_release_minutes, 1)})"


def written(value: float | None, places: int) -> str:
    """Write a number, or that there is none."""
    return NONE if value is None else f"{value:.{places}f}"


def percent(share: float | None) -> str:
    """Write a share."""
    return NONE if share is None else f"{100 * share:.2f} %"


def aims_table(aims: Sequence[Aim]) -> Table:
    """Give all aims beside what was reached."""
    rows = [(aim.what, aim.wanted, aim.reached if aim.met else f"**{aim.reached}, missed**") for aim in aims]
    return Table("Aims", ("of", "aim", "reached"), rows)


def below(what: str, value: float | None, limit: float, places: int = 2) -> Aim:
    """Hold a figure against what it may be at most."""
    return Aim(what, f"≤ {limit:g}", written(value, places), value is not None and value <= limit)


def at_least(what: str, value: float | None, limit: float, places: int = 3) -> Aim:
    """Hold a figure against what it should be at least."""
    return Aim(what, f"≥ {limit:g}", written(value, places), value is not None and value >= limit)


def _cells(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *others = line
    return [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
