"""What is true only now (`zone_now`, `fleet`), written to InfluxDB as well as can be: bounded, and never waited for."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable

from perch.adapters.influx.query import Bucket
from perch.adapters.influx.writing import MAX_LINES, LineWriter
from perch.errors import UnavailableError

log = logging.getLogger(__name__)


class BestEffortWriter:
    """Takes lines for the zones bucket from one thread and writes them from its own.

    While InfluxDB is away the newest `limit` lines wait and older ones are dropped and counted: live rows are no part
    of history. `connect` is called on the writing thread. An error that is no outage ends it, and `check` raises it.
    """

    def __init__(self, connect: Callable[[], LineWriter], limit: int = 10_000, retry_s: float = 5.0) -> None:
        self._connect = connect
        self._waiting: deque[str] = deque(maxlen=limit)
        self._retry_s = retry_s
        self._lock = threading.Lock()
        self._something = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="influx-live", daemon=True)
        self._failure: BaseException | None = None
        self.dropped = 0
        self.refused = 0

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def offer(self, lines: Iterable[str]) -> None:
        """Hand over lines; never blocks and never fails."""
        with self._lock:
            for line in lines:
                self.dropped += len(self._waiting) == self._waiting.maxlen
                self._waiting.append(line)
        self._something.set()

    def check(self) -> None:
        """Raise what ended the writing thread, if anything did."""
        if self._failure is not None:
            raise self._failure

    def stop(self, timeout_s: float) -> None:
        """Try once more to write what waits, and end."""
        self._stopping.set()
        self._something.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            self._write_until_stopped()
        except BaseException as error:
            self._failure = error
            log.exception("Writing live rows to InfluxDB ended")

    def _write_until_stopped(self) -> None:
        writer = self._connect()
        up = True
        while True:
            self._something.wait()
            stopping = self._stopping.is_set()
            self._something.clear()
            trouble = self._write_all(writer)
            if (trouble is None) != up:
                self._say(trouble)
            up = trouble is None
            if stopping:
                return
            if not up:
                self._stopping.wait(self._retry_s)
                self._something.set()

    def _say(self, trouble: UnavailableError | None) -> None:
        if trouble is None:
            log.info("rows of what is true now (zone_now, fleet) reach InfluxDB again")
        else:
            log.warning(
                "rows of what is true now (zone_now, fleet) do not reach InfluxDB: %s; %s", trouble.what, trouble.remedy
            )

    def _write_all(self, writer: LineWriter) -> UnavailableError | None:
        while lines := self._newest_waiting():
            try:
                written = writer.write(Bucket.ZONES, lines)
            except UnavailableError as error:
                self._put_back(lines)
                return error
            self.refused += len(written.refused)
        return None

    def _newest_waiting(self) -> list[str]:
        with self._lock:
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_LINES))]

    def _put_back(self, lines: list[str]) -> None:
        with self._lock:
            room = (self._waiting.maxlen or 0) - len(self._waiting)
            self.dropped += max(0, len(lines) - room)
            self._waiting.extendleft(reversed(lines[max(0, len(lines) - room) :]))
