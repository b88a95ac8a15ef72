"""A feed for each kind of reader, so that its numbers and its window tell of nothing which that kind may not see."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from api.live.feed import Condition, Feed

COARSE_RESUMABLE_US = 120_000_000


class Sight(Enum):
    """How a reader sees what happens: in coarse words, exactly, or with spaces that are not shared as well."""

    COARSE = "coarse"
    EXACT = "exact"
    WHOLE = "whole"


@dataclass(frozen=True, slots=True)
class Audience:
    """Readers who may see the same, whatever of it they ask for; `who` tells one audience from another."""

    who: Hashable
    sees: Condition = field(compare=False)
    sight: Sight


class Feeds:
    """The feed of each audience that was there since `first_id`, which must lie beyond the ids of earlier runs.

    A feed begins with its first reader: nobody has an older number of it. An id is a moment, and who sees in coarse
    words is not told exact moments afterwards; so it resumes from two minutes ago at most.
    """

    def __init__(self, first_id: int) -> None:
        self._first_id = first_id
        self._feeds: dict[Audience, Feed] = {}

    def __repr__(self) -> str:
        return f"<Feeds, {len(self._feeds)} audiences, {self.readers} readers>"

    @property
    def readers(self) -> int:
        """How many subscriptions are open."""
        return sum(feed.readers for feed in self._feeds.values())

    def of(self, audience: Audience, at_us: int) -> Feed:
        """Give the feed of an audience; it begins now (wall clock) where there was none."""
        if audience not in self._feeds:
            resumable_us = COARSE_RESUMABLE_US if audience.sight is Sight.COARSE else None
            self._feeds[audience] = Feed(max(self._first_id, at_us), resumable_us)
        return self._feeds[audience]

    def publish(self, name: str, subject: object, words: Mapping[Sight, bytes], at_us: int) -> None:
        """Tell every audience that sees the subject, in the words for its sight; where there are none, nothing."""
        for audience, feed in self._feeds.items():
            told = words.get(audience.sight)
            if told is not None and audience.sees(subject):
                feed.publish(name, subject, told, at_us)

    def begin_anew(self) -> None:
        """Close every subscription, and let nobody resume from before now: what they know no longer holds."""
        for feed in self._feeds.values():
            feed.begin_anew()

    def break_off(self) -> None:
        """Do the same at once: what was not sent yet may be past its time."""
        for feed in self._feeds.values():
            feed.break_off()

    def end(self) -> None:
        """Close every subscription."""
        for feed in self._feeds.values():
            feed.end()
