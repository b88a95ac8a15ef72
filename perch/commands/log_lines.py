"""How processes log: a line for a person, or with `PERCH_LOG=json` a line of JSON for a program, one for each event."""

import json
import logging
import os
import time
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime

from perch.commands.output import one_line

VARIABLE, JSON = "PERCH_LOG", "json"
LINE = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s"


class JsonLines(logging.Formatter):
    """Writes `{"time","level","part","what"}`, with `trace` where something was raised: always one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        told = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "part": record.name,
            "what": record.getMessage(),
        }
        if record.exc_info and record.exc_info[1] is not None:
            told["trace"] = "".join(traceback.format_exception(record.exc_info[1]))
        return json.dumps(told, ensure_ascii=False)


class PlainLines(logging.Formatter):
    """Writes lines for a person; what somebody else wrote, as a name in an address, stays within its line."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """Write a record without what was raised."""
        record.message = one_line(record.message)
        return super().formatMessage(record)


def log_to_stderr(environment: Mapping[str, str] = os.environ) -> None:
    """Have everything from information upwards written to stderr."""
    if environment.get(VARIABLE) == JSON:
        lines: logging.Formatter = JsonLines()
    else:
        logging.Formatter.converter = time.gmtime
        lines = PlainLines(LINE, "%Y-%m-%dT%H:%M:%S")
    handler = logging.StreamHandler()
    handler.setFormatter(lines)
    logging.basicConfig(level="INFO", handlers=[handler])
