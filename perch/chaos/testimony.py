"""What an agent accepts, told from inside its outbox: a line before each `append` and one after it.

    ? EPOCH FIRST DIGEST…   events are about to be accepted: in doubt from now on
    = EPOCH FIRST LAST      they are accepted
    ! EPOCH FIRST LAST      the outbox said that they are not

Lines go over a pipe to whoever started the agent, so that they outlive a killed agent and need none of its disk.
"""

import os
from collections.abc import Iterable, Sequence
from hashlib import blake2b

from perch import contract
from perch.adapters.journal_reader import Stream
from perch.adapters.outbox import Outbox
from perch.contract import Event


def digest(event: Event) -> str:
    """Give a short text that differs where two events do."""
    return blake2b(contract.encode_event(event), digest_size=6).hexdigest()


class TestifyingOutbox(Outbox):
    """The real outbox, which tells on a file descriptor what it is asked to accept and what it accepted."""

    told_fd = 1

    def append(self, epoch: str, events: Sequence[Event]) -> None:
        """Accept events as ever, and say so before and after."""
        if not events:
            return
        first, last = events[0].seq, events[-1].seq
        self._say("?", epoch, first, *map(digest, events))
        try:
            super().append(epoch, events)
        except Exception:
            self._say("!", epoch, first, last)
            raise
        self._say("=", epoch, first, last)

    def _say(self, *words: object) -> None:
        line = (" ".join(map(str, words)) + "\n").encode()
        while line:
            line = line[os.write(self.told_fd, line) :]


class Testimony:
    """What one agent was seen to accept, over all of its epochs; reads lines in any number of pieces."""

    def __init__(self, site: str, agent: str) -> None:
        self._site, self._agent = site, agent
        self.accepted: dict[Stream, dict[int, str]] = {}
        self.in_doubt: dict[Stream, dict[int, str]] = {}
        self.refused: dict[Stream, dict[int, str]] = {}

    def __repr__(self) -> str:
        return f"<Testimony of {self._site}/{self._agent}, {self.total} accepted>"

    @property
    def total(self) -> int:
        """How many events were accepted so far."""
        return sum(map(len, list(self.accepted.values())))

    def read(self, lines: Iterable[bytes]) -> None:
        """Take in lines; the last one may have been torn by the death of its writer, and then says nothing."""
        for line in lines:
            if line.endswith(b"\n"):
                self._note(*line.decode().split())

    def _note(self, kind: str, epoch: str, first: str, *rest: str) -> None:
        stream = Stream(self._site, self._agent, epoch)
        doubted = self.in_doubt.setdefault(stream, {})
        if kind == "?":
            doubted.update(enumerate(rest, int(first)))
            return
        to = (self.accepted if kind == "=" else self.refused).setdefault(stream, {})
        for seq in range(int(first), int(rest[0]) + 1):
            to[seq] = doubted.pop(seq)
