"""An HTTP server that hears so many visitors at once, each on a thread of its own, and turns away who comes beyond."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class SeatedServer(ThreadingHTTPServer):
    """Has `seats` for visitors; whoever finds none is not heard."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], visitor: type[BaseHTTPRequestHandler], seats: int) -> None:
        self._number = seats
        self._seats = threading.BoundedSemaphore(seats)
        super().__init__(address, visitor)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Hear somebody on a thread of its own, where there is a seat."""
        if not self._seats.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread could be started, and nobody else would give the seat back
            self._seats.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Hear somebody, and give the seat back whatever comes of it."""
        try:
            self.hear(request, client_address)
        finally:
            self._seats.release()

    def hear(self, request: Any, client_address: Any) -> None:
        """Answer somebody who has a seat, and end the connection."""
        super().process_request_thread(request, client_address)

    def finish(self, wait_s: float) -> None:
        """Wait until everybody who is being heard has an answer, but not for longer; nobody is heard any more then."""
        deadline = time.monotonic() + wait_s
        for _ in range(self._number):
            self._seats.acquire(timeout=max(0.0, deadline - time.monotonic()))
