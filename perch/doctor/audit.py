"""What people saw: can the file of their looks be read, and can another look be kept."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from perch.adapters.audit_file import MOST_LOOKS, NAME, AuditFile
from perch.doctor.findings import Finding, counted, ok, warn


def _may_write(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=True)


def look_at_audit(
    data: Path, kept_days: int, most: int = MOST_LOOKS, may_write: Callable[[Path], bool] = _may_write
) -> Iterator[Finding]:
    """Look at `audit.db` in a data folder, in which looks are kept for some days (0: for ever)."""
    looks = AuditFile(data, kept_days, most).examine()
    if looks is None:
        yield ok("audit", "nobody has looked yet")
        return
    path = data / NAME
    kept = f"kept for {counted(kept_days, 'day')}" if kept_days else "kept for ever"
    size = f"{path.stat().st_size / 1_048_576:.1f} MiB"
    yield ok("audit", f"{counted(looks, 'look')}, {kept}, {size}; whole")
    if not all(map(may_write, (path, data))):
        what = f"this user may not write {path}: where the API runs as the same one, no tap is kept"
        yield warn("audit", what, f"give {NAME} and its folder to the user of the API, or run this as that user")
    if looks >= most:
        what = f"it holds {counted(most, 'look')}, no more: each new one drops the oldest"
        yield warn("audit", what, "keep them for fewer days: audit_days in [retention]")
