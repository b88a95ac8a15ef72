"""Writing lines while the next ones are worked out: one batch is on its way at any time, on a thread of its own."""

import threading
from collections.abc import Callable, Iterable, Sequence

from collector.influx.rows import Lines
from perch.adapters.influx.query import Bucket
from perch.adapters.influx.writing import MAX_LINES

Store = Callable[[Bucket, Sequence[str]], None]


def write_lines(lines: Iterable[Lines], store: Store) -> None:
    """Store lines in batches, never two at once; raises what a batch raised, after which no more are written."""
    way = _Way(store)
    waiting: dict[Bucket, list[str]] = {bucket: [] for bucket in Bucket}
    try:
        for bucket, some in lines:
            batch = waiting[bucket]
            batch.extend(some)
            while len(batch) >= MAX_LINES:
                way.send(bucket, batch[:MAX_LINES])
                del batch[:MAX_LINES]
    finally:
        way.arrive()
    for bucket, rest in waiting.items():
        if rest:
            store(bucket, rest)


class _Way:
    """Where one batch is on its way."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    def send(self, bucket: Bucket, lines: Sequence[str]) -> None:
        """Send a batch once the one before has arrived."""
        self.arrive()
        self._thread = threading.Thread(target=self._carry, args=(bucket, lines), name="influx-batch", daemon=True)
        self._thread.start()

    def arrive(self) -> None:
        """Wait until nothing is on its way; raises what became of it."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def _carry(self, bucket: Bucket, lines: Sequence[str]) -> None:
        try:
            self._store(bucket, lines)
        except BaseException as failure:
            self._failure = failure
