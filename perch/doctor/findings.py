"""What a check has to say."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from perch.errors import PerchError


class Verdict(StrEnum):
    """How a part is: a warning may be meant so, a fault is not."""

    OK = "ok"
    WARN = "warn"
    FAULT = "FAULT"


@dataclass(frozen=True, slots=True)
class Finding:
    """How a part is, in one sentence, and what to do about it (empty where there is nothing to do)."""

    part: str
    verdict: Verdict
    what: str
    remedy: str = ""


def ok(part: str, what: str) -> Finding:
    """Say that a part is well."""
    return Finding(part, Verdict.OK, what)


def warn(part: str, what: str, remedy: str) -> Finding:
    """Say that a part works, or may well be meant to be as it is, but deserves a look."""
    return Finding(part, Verdict.WARN, what, remedy)


def fault(part: str, what: str, remedy: str) -> Finding:
    """Say that a part does not do what Perch needs."""
    return Finding(part, Verdict.FAULT, what, remedy)


def fault_of(part: str, error: PerchError) -> Finding:
    """Make a fault of an error."""
    return fault(part, error.what, error.remedy)


def counted(number: int, noun: str) -> str:
    """Write a number with its noun: 1 space, 2 spaces."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def any_fault(findings: Iterable[Finding]) -> bool:
    """Tell whether anything is at fault."""
    return any(finding.verdict is Verdict.FAULT for finding in findings)
