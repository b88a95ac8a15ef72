"""A batch of events, sorted into what `history.db` keeps of them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from perch.codes import DATING_CODES
from perch.history.told import Lost, Marked, Stated, Told, Unplaced
from perch.model import SENSIBLE_MS

Span = tuple[int, int]


@dataclass(slots=True)
class Lived:
    """When an epoch is known to have lived, and between which moments since 2000 it was heard (None: at none)."""

    first_ms: int
    until_ms: int
    heard: Span | None = None

    def add(self, time_ms: int, received_ms: int) -> None:
        """Take in evidence of the epoch; none counts as heard later than it was received."""
        if time_ms > self.until_ms:
            self.until_ms = time_ms
        elif time_ms < self.first_ms:
            self.first_ms = time_ms
        heard_ms = time_ms if time_ms < received_ms else received_ms
        if heard_ms >= SENSIBLE_MS and (self.heard is None or not self.heard[0] <= heard_ms <= self.heard[1]):
            self.heard = _widened(self.heard, heard_ms)


class Batch:
    """Statements by (site, agent, space), marks by (site, agent), lost and unplaced, lives of epochs."""

    def __init__(self, told: Iterable[Told]) -> None:
        self.stated: dict[tuple[str, str, str], list[Stated]] = {}
        self.marked: dict[tuple[str, str], list[Marked]] = {}
        self.lost: list[tuple[str, str, str, int, int, int, int, int]] = []
        self.unplaced: Counter[tuple[str, str, str]] = Counter()
        self.epochs: dict[tuple[str, str, str], Lived] = {}
        for one in told:
            self._sort(one)

    def __repr__(self) -> str:
        return f"<Batch for {len(self.stated)} spaces and {len(self.marked)} agents>"

    @property
    def horizons(self) -> dict[str, Span]:
        """First and last moment at which a site was heard."""
        spans: dict[str, Span] = {}
        for (site, _, _), lived in self.epochs.items():
            if lived.heard is not None:
                spans[site] = _widened(_widened(spans.get(site), lived.heard[0]), lived.heard[1])
        return spans

    def _sort(self, one: Told) -> None:
        if isinstance(one, Stated):
            self.stated.setdefault((one.site, one.agent, one.space), []).append(one)
            self._lived(one.site, one.agent, one.epoch, one.time_ms, one.received_ms)
        elif isinstance(one, Marked):
            self.marked.setdefault((one.site, one.agent), []).append(one)
            self._lived(one.site, one.agent, one.epoch, one.time_ms, one.received_ms)
        elif isinstance(one, Lost):
            self.lost.append((one.site, one.agent, *one.span[:-1], DATING_CODES[one.span.clock]))
            self._lived(one.site, one.agent, one.span.epoch, one.span.to_ms, one.received_ms)
        elif isinstance(one, Unplaced):
            self.unplaced[one] += 1

    def _lived(self, site: str, agent: str, epoch: str, time_ms: int, received_ms: int) -> None:
        key = (site, agent, epoch)
        lived = self.epochs.get(key)
        if lived is None:
            lived = self.epochs[key] = Lived(time_ms, time_ms)
        lived.add(time_ms, received_ms)


def _widened(span: Span | None, ms: int) -> Span:
    return (ms, ms) if span is None else (min(span[0], ms), max(span[1], ms))
