"""What an agent makes of an acknowledgement: what is settled by it, and what the collector has lost.

    It names a journal never heard of     everything that is kept is sent again
    it has less of an epoch than before   the same, though in answer to one journal once in FORGET_AGAIN_MS at most
    it misses what was settled            that is sent again: an earlier answer was false
    it comes from a foreign journal       nothing (see `journals`)

An `ack` of a new journal settles nothing by itself. What the collector has, it says beyond doubt of one number more
than `upto`: that it misses the next one. Time is the machine's monotonic clock.
"""

from dataclasses import dataclass, replace

from perch.delivery import journals as journaling
from perch.delivery.journals import Voice
from perch.delivery.sender import Lane, Sender
from perch.delivery.watermark import SeqRange, Watermark

FORGET_AGAIN_MS = 300_000


@dataclass(frozen=True, slots=True)
class Settled:
    """What an acknowledgement changed: ranges now settled, and ranges `missed` that were settled before and are not.

    Where it is `forgotten` what the collector has, whatever is kept is unsent again. `journals` are the ids to keep,
    the present one last; what is not `heeded` changes nothing that is kept.
    """

    epoch: str
    journals: tuple[str, ...] = ()
    ranges: tuple[SeqRange, ...] = ()
    missed: tuple[SeqRange, ...] = ()
    forgotten: bool = False
    heeded: bool = True


def heard(sender: Sender, journal: str, epoch: str, have: Watermark, now_ms: int) -> tuple[Sender, Settled]:
    """Take in an acknowledgement."""
    journals, voice = journaling.heard(sender.journals, journal, now_ms)
    sender, ids = replace(sender, journals=journals), journaling.ids(journals)
    if voice is Voice.FOREIGN:
        return sender, Settled(epoch, ids, heeded=False)
    if voice is Voice.NEW:
        return _forgetting(sender, now_ms), Settled(epoch, ids, forgotten=True)
    sender, forgotten = _fallen(sender, epoch, have, now_ms)
    lane = sender.lane(epoch)
    if lane is None:
        return sender, Settled(epoch, ids, forgotten=forgotten)
    lane, missed = _missed(lane, have)
    if missed:
        sender = replace(sender, flights=tuple(flight for flight in sender.flights if flight.epoch != epoch))
    ranges = _newly(lane, have)
    lane = replace(lane, settled=lane.settled.add_all(ranges), heard_upto=have.upto)
    return sender.with_lane(lane), Settled(epoch, ids, ranges, missed, forgotten)


def trouble(sender: Sender, now_ms: int) -> str | None:
    """Say in a sentence what is wrong with the answers that come, None where nothing is."""
    if sender.owes:
        return (
            f"the collector with the journal {sender.journals.present} has less than it said before, again: two"
            " collectors answer from copies of one data folder, or its disk is ill"
        )
    return journaling.trouble(sender.journals, now_ms)


def _fallen(sender: Sender, epoch: str, have: Watermark, now_ms: int) -> tuple[Sender, bool]:
    """Forget what the collector has where it has less than before, unless that was done a moment ago: then later."""
    lane = sender.lane(epoch)
    owes = sender.owes or (lane is not None and have.upto < lane.heard_upto)
    if owes and (sender.forgot_ms is None or now_ms - sender.forgot_ms >= FORGET_AGAIN_MS):
        return _forgetting(sender, now_ms), True
    return replace(sender, owes=owes), False


def _forgetting(sender: Sender, now_ms: int) -> Sender:
    """Count as unsent whatever is still kept."""
    lanes = tuple(replace(lane, settled=lane.gone, heard_upto=0) for lane in sender.lanes)
    return replace(sender, lanes=lanes, flights=(), forgot_ms=now_ms, owes=False)


def _missed(lane: Lane, have: Watermark) -> tuple[Lane, tuple[SeqRange, ...]]:
    """Count as unsent what the collector misses although it was settled; gives also the ranges of it.

    Many ranges come in several answers, of which each has some: beyond `upto` + 1 a missing range says nothing, unless
    there are none at all.
    """
    beyond = have.upto + 1
    is_missed = beyond in lane.settled and beyond not in lane.gone
    if not is_missed and have.have:
        return lane, ()
    claimed = lane.settled.present(beyond, lane.last)
    sure = lane.gone.add_all([(1, have.upto), *have.have])
    missed = tuple(gap for first, last in claimed for gap in sure.missing(first, last))
    if not missed:
        return lane, ()
    still = (kept for first, last in claimed for kept in sure.present(first, last))
    return replace(lane, settled=Watermark().add_all([*lane.settled.present(1, have.upto), *still])), missed


def _newly(lane: Lane, have: Watermark) -> tuple[SeqRange, ...]:
    """Give the ranges that an acknowledgement settles and that were not settled before."""
    claimed = ((1, min(have.upto, lane.last)), *((first, min(last, lane.last)) for first, last in have.have))
    return tuple(gap for first, last in claimed if first <= last for gap in lane.settled.missing(first, last))
