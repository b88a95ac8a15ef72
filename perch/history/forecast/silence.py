"""Why nothing is said of a moment: a code with its numbers, which every language can say; and a sentence in English."""

from dataclasses import dataclass
from enum import StrEnum


class Why(StrEnum):
    """Why there is no forecast (stable codes)."""

    NO_SPACE = "no-space"
    CLOSED = "closed"
    CLOSED_UNTIL = "closed-until"
    FEW_DAYS = "few-days"
    FEW_WEEKS = "few-weeks"
    UNTRIED = "untried"


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing is said: `found` of something were there where `needed` are; `opens_ms` is when a closed site opens."""

    code: Why
    sentence: str
    found: int = 0
    needed: int = 0
    opens_ms: int | None = None
