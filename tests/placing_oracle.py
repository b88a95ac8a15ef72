"""When events happened, worked out from a whole journal at once and sentence by sentence: slow, and without memory."""

from collections.abc import Sequence
from dataclasses import dataclass

from perch.adapters.journal.store import Entry
from perch.contract import AliveEvent, ClockEvent, LostEvent, StateEvent
from perch.model import Clock

YEAR_2000_MS = 946_684_800_000
DAY_MS = 86_400_000
WIRE_MS = 2**53

Placed = tuple[int, str]
"""A time and how it was come by."""


@dataclass(frozen=True)
class Dated:
    """A wall time and a monotonic time of an event, and whether its clock was said to be right."""

    wall_ms: int
    mono_ms: int
    ok: bool


def believable(wall_ms: int, received_ms: int) -> bool:
    if wall_ms < YEAR_2000_MS:
        return False
    return received_ms < YEAR_2000_MS or wall_ms <= received_ms + DAY_MS


@dataclass
class AgentJournal:
    """All entries of one agent, in the order of the journal."""

    entries: Sequence[Entry]

    def boots(self) -> list[str]:
        """In order of first appearance: as the boot of a message, or named by a `clock` event."""
        named: list[str] = []
        for entry in self.entries:
            named.append(entry.boot)
            if isinstance(entry.event, ClockEvent) and self._is_possible(entry):
                named.append(entry.event.boot)
        return list(dict.fromkeys(named))

    def _is_possible(self, entry: Entry) -> bool:
        event = entry.event
        assert isinstance(event, ClockEvent)
        sent_ms = max(entry.sent_mono_ms or 0, 0) if event.boot == entry.boot else 0
        return event.offset_ms >= YEAR_2000_MS and believable(event.offset_ms + sent_ms, entry.received_ms)

    def dates(self, entry: Entry) -> list[Dated]:
        """What an entry says of moments in its own epoch."""
        event = entry.event
        if isinstance(event, StateEvent | AliveEvent):
            return [Dated(event.wall_ms, event.mono_ms, event.clock is Clock.OK)]
        if isinstance(event, LostEvent) and event.epoch == entry.epoch:
            return [Dated(event.to_ms, event.to_mono_ms, event.clock is Clock.OK)]
        return []

    def reached(self, boot: str, epoch: str | None = None) -> int:
        """The largest monotonic time that a boot, or an epoch in it, is known to have come to; -1 where none is."""
        return max(
            (
                date.mono_ms
                for entry in self.entries
                if entry.boot == boot and epoch in (None, entry.epoch)
                for date in self.dates(entry)
                if date.mono_ms >= 0
            ),
            default=-1,
        )

    def told_offset(self, boot: str) -> int | None:
        """What the latest `clock` event of a boot says."""
        clocks = [
            (self.reached(boot, entry.epoch), entry.event.seq, entry.epoch, entry.event.offset_ms)
            for entry in self.entries
            if isinstance(entry.event, ClockEvent) and entry.event.boot == boot and self._is_possible(entry)
        ]
        return max(clocks)[-1] if clocks else None

    def shown_offset(self, boot: str) -> int | None:
        """What the clock showed at the first event at which it can be believed."""
        for entry in self.entries:
            event = entry.event
            if entry.boot != boot or not isinstance(event, StateEvent | AliveEvent) or event.mono_ms < 0:
                continue
            if event.clock is Clock.OK and believable(event.wall_ms, entry.received_ms):
                return event.wall_ms - event.mono_ms
        return None

    def estimated_offset(self, boot: str) -> int | None:
        """When the boot began if its messages came at once: the first one, unless a later one is much better."""
        best: int | None = None
        for entry in self.entries:
            if entry.boot != boot or entry.sent_mono_ms is None or entry.sent_mono_ms < 0:
                continue
            if entry.received_ms < YEAR_2000_MS:
                continue
            offset_ms = entry.received_ms - entry.sent_mono_ms
            if best is None or offset_ms < best - 5_000 or offset_ms > best + 300_000:
                best = offset_ms
        return best

    def offset(self, boot: str) -> Placed | None:
        """The best offset of a boot."""
        for told_ms in (self.told_offset(boot), self.shown_offset(boot)):
            if told_ms is not None:
                return told_ms, "placed"
        estimate_ms = self.estimated_offset(boot)
        if estimate_ms is not None:
            return estimate_ms, "estimated"
        boots = self.boots()
        for later in boots[boots.index(boot) + 1 :]:
            began = self.offset(later)
            if began is not None:
                return within_wire(began[0] - max(self.reached(boot), 0) - 1), "estimated"
        return None

    def before(self, boot: str) -> Placed | None:
        """Where something belongs that was before a boot: the end of the boot before, but not after this one began."""
        boots, own = self.boots(), self.offset(boot)
        for earlier in reversed(boots[: boots.index(boot)]):
            began = self.offset(earlier)
            if began is not None:
                end_ms = within_wire(began[0] + max(self.reached(earlier), 0))
                return (end_ms if own is None else min(end_ms, own[0])), "estimated"
        return None if own is None else (own[0], "estimated")

    def place(self, boot: str, date: Dated, received_ms: int, before: str | None = None) -> Placed | None:
        """Where a moment of a boot belongs; `before` is another boot, before which it was if it is before any."""
        believed = date.ok and believable(date.wall_ms, received_ms)
        if date.mono_ms < 0:
            return (date.wall_ms, "ok") if believed else self.before(before or boot)
        told_ms = self.told_offset(boot)
        if believed and (told_ms is None or abs(told_ms + date.mono_ms - date.wall_ms) <= 5_000):
            return date.wall_ms, "ok"
        offset = self.offset(boot)
        return None if offset is None else (within_wire(offset[0] + date.mono_ms), offset[1])

    def home(self, entry: Entry, epoch: str) -> str:
        """The boot of an epoch whose events are lost: the first boot in which it told anything, if any is known."""
        homes = {one.boot for one in self.entries if one.epoch == epoch}
        homes |= {
            one.event.boot
            for one in self.entries
            if one.epoch == epoch and isinstance(one.event, ClockEvent) and self._is_possible(one)
        }
        known = [boot for boot in self.boots() if boot in homes]
        return entry.boot if epoch == entry.epoch or not known else known[0]

    def places(self, entry: Entry) -> tuple[Placed | None, ...]:
        """Where an event belongs; both ends of a lost span; nothing for a `clock` event."""
        event = entry.event
        if isinstance(event, LostEvent):
            ends = ((event.from_ms, event.from_mono_ms), (event.to_ms, event.to_mono_ms))
            home, ok = self.home(entry, event.epoch), event.clock is Clock.OK
            return tuple(
                self.place(home, Dated(wall_ms, mono_ms, ok), entry.received_ms, entry.boot)
                for wall_ms, mono_ms in ends
            )
        return tuple(self.place(entry.boot, date, entry.received_ms) for date in self.dates(entry))


def within_wire(ms: int) -> int:
    return max(-WIRE_MS, min(WIRE_MS, ms))


def expected(entries: Sequence[Entry]) -> dict[tuple[str, str, int], tuple[Placed | None, ...]]:
    """Work out where each event belongs, by agent, epoch and number."""
    agents = {entry.agent for entry in entries}
    known = {agent: AgentJournal([entry for entry in entries if entry.agent == agent]) for agent in agents}
    return {
        (entry.agent, entry.epoch, entry.event.seq): known[entry.agent].places(entry)
        for entry in entries
        if not isinstance(entry.event, ClockEvent)
    }
