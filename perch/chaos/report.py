"""What a campaign found, as a table and as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from perch.chaos.campaign import Course
from perch.chaos.checker import Line


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
        return "\n".join([f"seed {self.seed}; {faults}, {whole}", parts, "", *rows, *deaths, "", verdict])


def _row(line: Line, width: int) -> str:
    mark = "  ← must be 0" if line.violated else ""
    examples = "".join(f"\n      {example}" for example in line.examples if line.violated)
    return f"{line.what:<{width}}  {line.count:>9,}{mark}{examples}"


def weighed(samples: Sequence[tuple[float, int]]) -> dict[str, int]:
    """Sum up memory over time: the median of the first and of the last third of the samples, and the most."""
    held = [kib for _, kib in samples]
    third = max(1, len(held) // 3)
    return {"first_third": _median(held[:third]), "last_third": _median(held[-third:]), "most": max(held)}


def _median(values: Sequence[int]) -> int:
    return sorted(values)[len(values) // 2]
