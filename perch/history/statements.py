"""Which statements about a space count, and in which order: the one place where words become a history.

A statement counts where the layout names its agent at its moment. A lost span states `unknown/events-lost` for each
space of its agent, in place of its first event; statements inside it do not count. Of two epochs that speak of one
millisecond the one that ends it in not knowing is heard last, else the one with the greater id.
"""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt

from perch.codes import DATING_CODES, REASON_CODES
from perch.history.layout import Tenure
from perch.history.source import (
    NO_COUNT,
    UNKNOWN,
    Columns,
    Integers,
)
from perch.history.told import LostSpan
from perch.model import Reason

PRIOR_THOUSANDTHS = 500
"""The probability of a space of which nothing was ever stated."""


def counted(columns: Columns, tenure: Tenure) -> Columns:
    """Give the statements that count within a tenure, each after all that it supersedes."""
    within = _in_order(columns.take(slice(*np.searchsorted(columns.time_ms, (tenure.from_ms, tenure.to_ms)))))
    return _in_order(_with_lost(within, columns.lost, tenure)) if columns.lost else within


def changes(columns: Columns) -> list[int]:
    """Give the places of transitions among the counted statements of a tenure: the first, and each that differs.

    A transition differs in state or count from the statement before it.
    """
    said = (columns.state << 32) + columns.count
    return np.flatnonzero(np.diff(said, prepend=said[:1] + 1)).tolist()


def _in_order(columns: Columns) -> Columns:
    """Sort ties between epochs; the rest is in order already."""
    same = (columns.time_ms[1:] == columns.time_ms[:-1]) & (columns.epoch[1:] != columns.epoch[:-1])
    if not same.any():
        return columns
    tied = np.isin(columns.time_ms, columns.time_ms[1:][same])
    order = np.arange(len(columns))
    for _, group in groupby(np.flatnonzero(tied).tolist(), key=lambda place: columns.time_ms[place]):
        places = list(group)
        order[places[0] : places[-1] + 1] = _order_of_tie(columns, places)
    return columns.take(order)


def _order_of_tie(columns: Columns, places: list[int]) -> list[int]:
    """Order statements of one millisecond: epoch by epoch, each by sequence number."""
    spoken: dict[int, list[int]] = {}
    for place in sorted(places, key=lambda place: int(columns.seq[place])):
        spoken.setdefault(int(columns.epoch[place]), []).append(place)
    epochs = sorted(
        spoken, key=lambda epoch: (columns.state[spoken[epoch][-1]] == UNKNOWN, columns.vouches[epoch].epoch)
    )
    return [place for epoch in epochs for place in spoken[epoch]]


def _with_lost(columns: Columns, lost: Sequence[LostSpan], tenure: Tenure) -> Columns:
    epochs = {vouch.epoch: place for place, vouch in enumerate(columns.vouches)}
    inside = np.zeros(len(columns), dtype=np.bool_)
    for span in lost:
        inside |= _inside(columns, span, epochs[span.epoch])
    columns = columns.take(~inside)
    begun = [span for span in lost if tenure.from_ms <= span.from_ms < tenure.to_ms]
    for span in sorted(begun, key=lambda span: (span.from_ms, span.first_seq)):
        columns = _insert(columns, span, epochs[span.epoch])
    return columns


def _inside(columns: Columns, span: LostSpan, epoch: int) -> npt.NDArray[np.bool_]:
    """Tell which rows lie in a lost span; at its very ends sequence numbers decide, other epochs come after it."""
    time_ms, own = columns.time_ms, columns.epoch == epoch
    before = (time_ms < span.from_ms) | ((time_ms == span.from_ms) & own & (columns.seq < span.first_seq))
    after = (time_ms > span.to_ms) | ((time_ms == span.to_ms) & (~own | (columns.seq > span.last_seq)))
    outside: npt.NDArray[np.bool_] = before | after
    return ~outside


def _insert(columns: Columns, span: LostSpan, epoch: int) -> Columns:
    """Put the statement of a lost span where its first event was; the probability stays what it was."""
    place = int(np.searchsorted(columns.time_ms, span.from_ms))
    while place < len(columns) and columns.time_ms[place] == span.from_ms and columns.seq[place] < span.first_seq:
        place += 1
    thousandths = int(columns.thousandths[place - 1]) if place else PRIOR_THOUSANDTHS

    def put(column: Integers, value: int) -> Integers:
        return np.insert(column, place, value)

    return Columns(
        put(columns.time_ms, span.from_ms),
        put(columns.seq, span.first_seq),
        put(columns.epoch, epoch),
        put(columns.state, UNKNOWN),
        put(columns.reason, REASON_CODES[Reason.EVENTS_LOST]),
        put(columns.clock, DATING_CODES[span.clock]),
        put(columns.thousandths, thousandths),
        put(columns.count, NO_COUNT),
        columns.vouches,
        columns.lost,
    )
