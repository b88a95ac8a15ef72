"""What a collector does with an event: a verdict.

An event's identity is (agent, epoch, sequence number), for ever. Its first arrival is stored; every further one with
the same content is a repeat, which needs nothing but a fresh acknowledgement; one with other content is a conflict,
and never overwrites what is stored. A number may be settled without anything being stored, because its event could not
be read or was given up for lost: if it comes in a form that can be stored after all, it is.
"""

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import Protocol, TypeVar

from perch.delivery.watermark import Watermark


class Verdict(StrEnum):
    """What to do with an event that arrived."""

    STORE = "store"
    REPEAT = "repeat"
    CONFLICT = "conflict"


class Numbered(Protocol):
    """Anything with a sequence number."""

    @property
    def seq(self) -> int | None: ...


Item = TypeVar("Item", bound=Numbered)


def judge(
    watermark: Watermark, events: Sequence[Item], same: Callable[[Item], bool | None]
) -> Iterator[tuple[Item, Verdict]]:
    """Say of each event of one epoch what to do with it, in order.

    `same` tells whether an event equals the stored one of its identity, None where nothing is stored under it; it is
    asked only for numbers that the watermark has. Events without a number are left out: nothing can be promised of
    them.
    """
    for event in events:
        seq = event.seq
        if seq is None:
            continue
        if seq not in watermark:
            watermark = watermark.add(seq, seq)
            yield event, Verdict.STORE
        else:
            yield event, _OF_THE_SETTLED[same(event)]


_OF_THE_SETTLED = {None: Verdict.STORE, True: Verdict.REPEAT, False: Verdict.CONFLICT}
