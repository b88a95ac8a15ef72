"""An InfluxDB that takes a connection and says nothing is as good as away, long before the connection times out."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from perch.adapters.influx.query import Bucket, JsonRow
from perch.adapters.influx.writing import RowStore, Written
from perch.errors import UnavailableError
from perch.settings import Influx

PATIENCE_S = 6.0
"""A batch of 5,000 lines takes an InfluxDB that is well a fraction of a second."""


class Patience:
    """Knows since when whoever asks an InfluxDB waits for its answer; any thread may look at `trouble`."""

    def __init__(self, influx: Influx, mono_s: Callable[[], float] = time.monotonic) -> None:
        self._influx = influx
        self._mono_s = mono_s
        self._since_s: dict[int, float] = {}

    def __repr__(self) -> str:
        return f"<Patience with {self._influx.url}, {len(self._since_s)} waiting>"

    def trouble(self) -> UnavailableError | None:
        """Say that an answer takes too long, None while none does."""
        since_s = min(list(self._since_s.values()), default=None)
        if since_s is None or self._mono_s() - since_s < PATIENCE_S:
            return None
        what = f"InfluxDB at {self._influx.url} has not answered for more than {PATIENCE_S:g} s"
        return UnavailableError(what, "see its log and its disk; restart it if it hangs")

    def with_store(self, connect: Callable[[], RowStore]) -> Callable[[], RowStore]:
        """Give what connects to a store whose answers are waited for with this patience."""

        def connected() -> RowStore:
            with self.asking():
                return _Asked(connect(), self)

        return connected

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Note that an answer is waited for."""
        asker = threading.get_ident()
        self._since_s[asker] = self._mono_s()
        try:
            yield
        finally:
            del self._since_s[asker]


class _Asked:
    """A `RowStore` of which is known how long it takes."""

    def __init__(self, inner: RowStore, patience: Patience) -> None:
        self._inner = inner
        self._patience = patience

    def __repr__(self) -> str:
        return f"<Asked {self._inner!r}>"

    @property
    def target(self) -> str:
        return self._inner.target

    def prepare(self) -> None:
        with self._patience.asking():
            self._inner.prepare()

    def write(self, bucket: Bucket, lines: Sequence[str]) -> Written:
        with self._patience.asking():
            return self._inner.write(bucket, lines)

    def delete(self, bucket: Bucket, measurement: str, from_ms: int, to_ms: int, tags: Mapping[str, str]) -> None:
        with self._patience.asking():
            self._inner.delete(bucket, measurement, from_ms, to_ms, tags)

    def oldest_ms(self, bucket: Bucket) -> int | None:
        with self._patience.asking():
            return self._inner.oldest_ms(bucket)

    def query(self, influxql: str, bucket: Bucket) -> list[JsonRow]:
        with self._patience.asking():
            return self._inner.query(influxql, bucket)
