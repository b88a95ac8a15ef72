"""Drawings as plain SVG: lines, steps and points on two axes, readable on light and on dark pages."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 62, 52
LEGEND, LETTER = 46, 6.6

STYLE = """
  :root { --page: #ffffff; --ink: #1f2328; --faint: #d0d7de; --a: #0969da; --b: #bc4c00; --c: #1a7f37; --d: #8250df; }
  @media (prefers-color-scheme: dark) {
    :root { --page: #0d1117; --ink: #e6edf3; --faint: #30363d; --a: #58a6ff; --b: #f0883e; --c: #56d364; --d: #d2a8ff; }
  }
  text { font: 13px system-ui, sans-serif; fill: var(--ink); }
  .title { font-weight: 600; font-size: 15px; }
  .page { fill: var(--page); }
  .grid { stroke: var(--faint); stroke-width: 1; }
  .line { fill: none; stroke-width: 2; }
"""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Axis:
    """What is shown along an edge: from where to where, and at which places with which words."""

    name: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]

    def place(self, value: float) -> float:
        """Give where a value lies, 0 to 1."""
        return (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)


@dataclass(slots=True)
class Drawing:
    """A drawing that is made piece by piece; colours are the letters a to d, or `ink` and `faint`."""

    title: str
    across: Axis
    up: Axis
    parts: list[str] = field(default_factory=list)
    keys: list[tuple[str, str]] = field(default_factory=list)

    def line(self, points: Sequence[Point], colour: str, key: str = "", dashed: bool = False) -> None:
        """Join points."""
        path = " ".join(f"{'M' if not at else 'L'}{x:.1f},{y:.1f}" for at, (x, y) in enumerate(map(self.at, points)))
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.parts.append(f'<path class="line" stroke="var(--{colour})"{dash} d="{path}"/>')
        self._key(colour, key)

    def dots(self, points: Sequence[tuple[Point, str]], colour: str, key: str = "", radius: float = 4) -> None:
        """Set points, each with a word beside it."""
        for point, word in points:
            x, y = self.at(point)
            self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="var(--{colour})"/>')
            if word:
                self.parts.append(f'<text x="{x + 7:.1f}" y="{y - 6:.1f}">{escape(word)}</text>')
        self._key(colour, key)

    def band(self, left: float, right: float, low: float, high: float, colour: str, key: str = "") -> None:
        """Fill a rectangle."""
        (x, y), (end, top) = self.at((left, low)), self.at((right, high))
        self.parts.append(
            f'<rect x="{x:.1f}" y="{top:.1f}" width="{end - x:.1f}" height="{y - top:.1f}" fill="var(--{colour})"/>'
        )
        self._key(colour, key)

    def at(self, point: Point) -> Point:
        """Give where a point lies on the page."""
        across = LEFT + self.across.place(point[0]) * (WIDTH - LEFT - RIGHT)
        return across, HEIGHT - BOTTOM - self.up.place(point[1]) * (HEIGHT - TOP - BOTTOM)

    def __str__(self) -> str:
        pieces = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
            f"<title>{escape(self.title)}</title>",
            f"<style>{STYLE}</style>",
            f'<rect class="page" width="{WIDTH}" height="{HEIGHT}"/>',
            f'<text class="title" x="{LEFT}" y="22">{escape(self.title)}</text>',
            *self._axes(),
            *self.parts,
            *self._legend(),
            "</svg>",
        ]
        return "\n".join(pieces) + "\n"

    def _key(self, colour: str, key: str) -> None:
        if key and (colour, key) not in self.keys:
            self.keys.append((colour, key))

    def _axes(self) -> list[str]:
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        parts = []
        for value, word in self.across.ticks:
            x, _ = self.at((value, self.up.low))
            parts.append(f'<line class="grid" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}"/>')
            parts.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{escape(word)}</text>')
        for value, word in self.up.ticks:
            _, y = self.at((self.across.low, value))
            parts.append(f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>')
            parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(word)}</text>')
        middle = (LEFT + right) / 2
        parts.append(f'<text x="{middle}" y="{HEIGHT - 12}" text-anchor="middle">{escape(self.across.name)}</text>')
        turned = f'transform="rotate(-90 16 {(TOP + bottom) / 2})" text-anchor="middle"'
        parts.append(f'<text x="16" y="{(TOP + bottom) / 2}" {turned}>{escape(self.up.name)}</text>')
        return parts

    def _legend(self) -> list[str]:
        parts, x = [], float(LEFT)
        for colour, key in self.keys:
            parts.append(f'<rect x="{x:.0f}" y="{LEGEND - 10}" width="12" height="11" fill="var(--{colour})"/>')
            parts.append(f'<text x="{x + 18:.0f}" y="{LEGEND}">{escape(key)}</text>')
            x += 42 + LETTER * len(key)
        return parts
