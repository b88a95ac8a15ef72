"""Waiting for room on the disk: who cannot store anything would end, and be started again every few seconds.

What agents send meanwhile is not acknowledged, so they keep it.
"""

import logging
import os
import threading
from pathlib import Path

from perch.adapters.instants import boot_ms
from perch.adapters.service import Service

FULL_BYTES = 2**20
"""With less room than this a collector does not begin."""

LOOK_S = 1.0

log = logging.getLogger(__name__)


def await_room(data: Path, stop: threading.Event) -> None:
    """Wait until a data folder has room, or until told to stop; says once that it waits, and when it is over."""
    if not is_full(data):
        return
    log.error(
        "the disk of %s is full: nothing can be stored, and agents keep what they have; free some space there", data
    )
    service = Service()
    while is_full(data):
        service.settle(boot_ms())
        if stop.wait(LOOK_S):
            return
    log.info("the disk of %s has room again", data)


def is_full(data: Path) -> bool:
    """Tell whether a folder's disk has too little room to store anything; False where nobody can tell."""
    try:
        disk = os.statvfs(data if data.exists() else data.parent)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < FULL_BYTES
