"""What a campaign found, as a table and as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from perch.chaos.campaign import Course, Weighed
from perch.chaos.checker import Line

GROWN_UP_S = 60.0


@dataclass(frozen=True, slots=True)
class Report:
    """A judged campaign; `parts` says what it ran on, `deaths` are ends that nobody brought about."""

    seed: int
    minutes: float
    parts: Mapping[str, str]
    course: Course
    lines: Sequence[Line]
    deaths: Sequence[str]

    @property
    def good(self) -> bool:
        """Whether nothing was lost, doubled, changed or shown past its time, and nothing died by itself."""
        return not self.deaths and self.course.trouble is None and not any(line.violated for line in self.lines)

    def as_json(self) -> dict[str, object]:
        """Give everything as JSON values."""
        return {
            "ok": self.good,
            "seed": self.seed,
            "minutes": self.minutes,
            "parts": dict(self.parts),
            "faults": {"total": self.course.faults.total(), **dict(self.course.faults.most_common())},
            "not_possible": dict(self.course.impossible),
            "broken_seconds": round(self.course.broken_s, 1),
            "settled_seconds": round(self.course.settled_s, 1),
            "table": [
                {"what": line.what, "count": line.count, "must_be_zero": line.must_be_zero, "examples": line.examples}
                for line in self.lines
            ],
            "deaths": list(self.deaths),
            "trouble": self.course.trouble,
            "memory_kib": {name: weighed(samples) for name, samples in sorted(self.course.memory.items())},
        }

    def as_text(self) -> str:
        """Give the conservation table for a person."""
        width = max(len(line.what) for line in self.lines)
        rows = [_row(line, width) for line in self.lines]
        faults = (
            f"{self.course.faults.total()} faults of {len(self.course.faults)} kinds in {self.course.broken_s:.0f} s"
        )
        whole = f"whole again in {self.course.settled_s:.0f} s"
        parts = ", ".join(f"{name}: {said}" for name, said in self.parts.items())
        deaths = [f"died by itself: {death}" for death in self.deaths]
        if self.course.trouble is not None:
            deaths.append(self.course.trouble)
        verdict = "nothing lost, nothing twice, nothing stale" if self.good else "THIS CAMPAIGN HAS FAILED"
        head = f"seed {self.seed}; {faults}, {whole}"
        return "\n".join([head, parts, "", *rows, "", *_memory(self.course), *deaths, "", verdict])


def _memory(course: Course) -> Iterator[str]:
    """Say what each process held in memory (MiB) over the campaign, and over its longest life."""
    yield f"{'memory (MiB)':<14}{'start':>7}{'middle':>8}{'end':>6}{'most':>6}   in the longest life"
    for name, samples in sorted(course.memory.items()):
        told = weighed(samples)
        start, middle, end, most, first, last = (
            f"{told[key] / 1024:.0f}" for key in ("start", "middle", "end", "most", "in_it_first", "in_it_last")
        )
        life = f"{first} → {last} in {told['longest_life_seconds']} s"
        yield f"{name:<14}{start:>7}{middle:>8}{end:>6}{most:>6}   {life}"


def _row(line: Line, width: int) -> str:
    mark = "  ← must be 0" if line.violated else ""
    examples = "".join(f"\n      {example}" for example in line.examples if line.violated)
    return f"{line.what:<{width}}  {line.count:>9,}{mark}{examples}"


def weighed(samples: Sequence[Weighed]) -> dict[str, int]:
    """Sum up memory over time (KiB): medians of the first, middle and last third of the samples, and the most.

    Who is killed often forgets often, so that its longest life is told too: how long it was (s), and what was held
    when it was a minute old, or younger if it never became so old, and at its end.
    """
    held = [one.kib for one in samples]
    third = max(1, len(held) // 3)
    middle = held[third:-third] or held
    lives: dict[float, list[Weighed]] = {}
    for one in samples:
        lives.setdefault(one.started_s, []).append(one)
    life = max(lives.values(), key=lambda life: life[-1].at_s - life[0].started_s)
    grown = [one for one in life if one.at_s - one.started_s >= GROWN_UP_S] or life
    return {
        "start": _median(held[:third]),
        "middle": _median(middle),
        "end": _median(held[-third:]),
        "most": max(held),
        "longest_life_seconds": round(life[-1].at_s - life[0].started_s),
        "in_it_first": grown[0].kib,
        "in_it_last": life[-1].kib,
    }


def _median(values: Sequence[int]) -> int:
    return sorted(values)[len(values) // 2]
