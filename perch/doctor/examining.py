"""Running checks: all at once, each within its own time, their findings in the order in which the checks are given."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from perch.doctor.findings import Finding, fault, fault_of
from perch.errors import PerchError

BOUND_S = 10.0


@dataclass(frozen=True, slots=True)
class Check:
    """Looks at a part; what it raises is a fault of that part, as is not being done within `bound_s`."""

    part: str
    look: Callable[[], Iterable[Finding]]
    bound_s: float = BOUND_S


@dataclass(slots=True)
class _Run:
    """A check on its thread; the findings it has given so far."""

    check: Check
    findings: list[Finding] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)


def examine(checks: Sequence[Check]) -> list[Finding]:
    """Run all checks and give what they found."""
    begun_s = time.monotonic()
    runs = [_Run(check) for check in checks]
    for run in runs:
        # A check that hangs must not keep the process from ending, so nobody waits for its thread.
        threading.Thread(target=_look, args=(run,), name=f"doctor {run.check.part}", daemon=True).start()
    return [finding for run in runs for finding in _outcome(run, begun_s)]


def _look(run: _Run) -> None:
    part = run.check.part
    try:
        for finding in run.check.look():
            run.findings.append(finding)
    except PerchError as error:
        run.findings.append(fault_of(part, error))
    except OSError as error:
        run.findings.append(fault(part, str(error), "see whether this user may read what the message names"))
    except Exception as error:
        run.findings.append(
            fault(part, f"the check itself failed: {type(error).__name__}: {error}", "please report it")
        )
    finally:
        run.done.set()


def _outcome(run: _Run, begun_s: float) -> list[Finding]:
    bound_s = run.check.bound_s
    if run.done.wait(max(0.0, begun_s + bound_s - time.monotonic())):
        return run.findings
    late = fault(run.check.part, f"gave no answer within {bound_s:g} s", "see what keeps it: network, disk or load")
    return [*run.findings, late]
