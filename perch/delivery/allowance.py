"""How much one agent may ask of the collector over time: a token bucket, as a value.

A bucket begins full. It fills at a steady rate up to its burst, and what is asked for is taken out. So somebody who
asks rarely may ask for much at once (a week's outbox), and somebody who never stops gets the rate and no more.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Allowance:
    """`burst` may be asked for at once and `per_s` in the long run, in whatever unit the caller counts."""

    burst: float
    per_s: float


@dataclass(frozen=True, slots=True)
class Bucket:
    """What was left of an allowance at a moment (monotonic ms)."""

    left: float
    at_ms: int


def full(allowance: Allowance, now_ms: int) -> Bucket:
    """Give the bucket of somebody who has asked for nothing yet."""
    return Bucket(allowance.burst, now_ms)


def left(allowance: Allowance, bucket: Bucket, now_ms: int) -> float:
    """Tell how much may be asked for at a moment; a moment before the bucket's own adds nothing."""
    gained = allowance.per_s * max(0, now_ms - bucket.at_ms) / 1000
    return min(allowance.burst, bucket.left + gained)


def price(allowance: Allowance, cost: float) -> float:
    """Give what something costs: no single thing more than the burst, or it could never be had."""
    return min(cost, allowance.burst)


def spend(allowance: Allowance, bucket: Bucket, cost: float, now_ms: int) -> Bucket | None:
    """Take out what something costs; None, and nothing is taken, where not enough is left."""
    rest = left(allowance, bucket, now_ms) - price(allowance, cost)
    return None if rest < 0 else Bucket(rest, max(bucket.at_ms, now_ms))


def wait_ms(allowance: Allowance, bucket: Bucket, cost: float, now_ms: int) -> int:
    """Tell how long to wait until something can be paid for; 0 where it can be now."""
    missing = price(allowance, cost) - left(allowance, bucket, now_ms)
    return max(0, math.ceil(missing * 1000 / allowance.per_s))
