"""Named points at which a process can be told to die, to see what then becomes of what it was doing.

`PERCH_CRASH_AT=journal.db/committed:3` kills the process when it reaches that point for the third time. Unset, as ever
outside of `perch chaos` and tests, nothing happens. The points:

    FILE/written      a transaction of a database is written and not committed
    FILE/committed    it is committed, and nobody has been told
    publish/sent      a message was handed to the broker, and no reply has been seen
    influx/sent       InfluxDB has rows, and the cursor does not say so yet
    backup/whole      a backup is whole, and has not got its name
    restore/moved     one of a backup's databases has taken its place
"""

import os
import signal

VARIABLE = "PERCH_CRASH_AT"

_left: dict[str, int] = {}
_wanted, _, _times = os.environ.get(VARIABLE, "").rpartition(":")
if _wanted:
    _left[_wanted] = int(_times) if _times.isdecimal() else 1


def reach(place: str, moment: str) -> None:
    """Say that the process is at a point; it does not come back where it is to die there."""
    if _left:
        _reach(f"{place}/{moment}")


def _reach(point: str) -> None:
    if point in _left:
        _left[point] -= 1
        if _left[point] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
