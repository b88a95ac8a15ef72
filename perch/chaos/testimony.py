"""What an agent accepts, told from inside its outbox: a line before each `append` and one after it.

    ? EPOCH FIRST DIGEST…   events are about to be accepted: in doubt from now on
    = EPOCH FIRST LAST      they are accepted
    ! EPOCH FIRST LAST      the outbox said that they are not

Lines go over a pipe to whoever started the agent, so that they outlive a killed agent and need none of its disk.
"""

import os
from array import array
from collections.abc import Iterable, Sequence
from hashlib import blake2b

from perch import contract
from perch.adapters.journal.reader import Stream
from perch.adapters.outbox.store import Outbox
from perch.contract import Event

DIGEST_BYTES = 6


def digest(event: Event) -> str:
    """Give a short text that differs where two events do."""
    return blake2b(contract.encode_event(event), digest_size=DIGEST_BYTES).hexdigest()


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


class Digests:
    """Digests by sequence number, in a few bytes each, so that hours of them weigh little."""

    def __init__(self) -> None:
        self._seqs = array("Q")
        self._digests = bytearray()

    def __len__(self) -> int:
        return len(self._seqs)

    def add(self, seq: int, text: str) -> None:
        """Note the digest of an event."""
        self._seqs.append(seq)
        self._digests += bytes.fromhex(text)

    def by_seq(self) -> dict[int, str]:
        """Give them all."""
        ends = range(0, len(self._digests), DIGEST_BYTES)
        return {seq: self._digests[at : at + DIGEST_BYTES].hex() for seq, at in zip(self._seqs, ends, strict=True)}


class Testimony:
    """What one agent was seen to accept, over all of its epochs; reads lines in any number of pieces."""

    def __init__(self, site: str, agent: str) -> None:
        self._site, self._agent = site, agent
        self._accepted: dict[Stream, Digests] = {}
        self.in_doubt: dict[Stream, dict[int, str]] = {}
        self.refused: dict[Stream, dict[int, str]] = {}

    def __repr__(self) -> str:
        return f"<Testimony of {self._site}/{self._agent}, {self.total} accepted>"

    @property
    def accepted(self) -> dict[Stream, dict[int, str]]:
        """The digests of what was accepted."""
        return {stream: digests.by_seq() for stream, digests in self._accepted.items()}

    @property
    def total(self) -> int:
        """How many events were accepted so far."""
        return sum(map(len, list(self._accepted.values())))

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
        for seq in range(int(first), int(rest[0]) + 1):
            if kind == "=":
                self._accepted.setdefault(stream, Digests()).add(seq, doubted.pop(seq))
            else:
                self.refused.setdefault(stream, {})[seq] = doubted.pop(seq)
