"""How a process is told to stop: a signal sets a flag and does nothing else."""

import os
import queue
import signal
import threading

PARENT_SEEN_S = 0.5


def stop_on_signals() -> threading.Event:
    """Give an event that SIGTERM and SIGINT set; call it on the main thread."""
    stop = threading.Event()
    signals: queue.SimpleQueue[int] = queue.SimpleQueue()

    def watch() -> None:
        signals.get()
        stop.set()

    # A handler runs in the middle of whatever the main thread does, even inside `stop.wait()`, where `stop.set()` would
    # wait for itself for ever. Putting into a SimpleQueue is allowed at any moment.
    threading.Thread(target=watch, name="stop on signals", daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: signals.put(received))
    return stop


def stop_with_parent(stop: threading.Event, parent: int) -> None:
    """Set the event as soon as the process that started this one is gone, so that none is left behind."""

    def watch() -> None:
        while os.getppid() == parent and not stop.wait(PARENT_SEEN_S):
            pass
        stop.set()

    threading.Thread(target=watch, name="stop with parent", daemon=True).start()
