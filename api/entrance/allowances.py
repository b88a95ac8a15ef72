"""How much one reader may ask: a bucket each (`perch.delivery.allowance`), told in every answer by the IETF's fields.

`RateLimit-Policy` names the allowance, `RateLimit` what is left of it (draft-ietf-httpapi-ratelimit-headers-10).
"""

import ipaddress
import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from starlette.types import Scope

from perch.delivery.allowance import Allowance, Bucket, full, left, spend, wait_ms

WINDOW_S = 60
MOST_KNOWN = 10_000
"""Readers whose buckets are kept; beyond that, who asked least recently begins anew with a full one."""

RawHeaders = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Ruling:
    """What to tell about an allowance, and how long to wait where the request is not covered by it."""

    headers: RawHeaders
    wait_s: int | None = None


UNLIMITED = Ruling([])


class Allowances:
    """The buckets of all readers; 0 requests a minute stand for no limit. A minute's worth may be asked at once."""

    def __init__(self, requests_per_minute: int, now_ms: Callable[[], int]) -> None:
        self._each = Allowance(requests_per_minute, requests_per_minute / WINDOW_S)
        self._now_ms = now_ms
        self._buckets: dict[Hashable, Bucket] = {}
        self._policy = b'"requests";q=%d;w=%d' % (requests_per_minute, WINDOW_S)

    def __repr__(self) -> str:
        return f"<Allowances of {self._each.burst:g} a minute, {len(self._buckets)} readers>"

    def ask(self, who: Hashable) -> Ruling:
        """Take one request out of a reader's bucket, if it is covered."""
        if not self._each.burst:
            return UNLIMITED
        now_ms = self._now_ms()
        bucket = self._buckets.pop(who, None) or full(self._each, now_ms)
        spent = spend(self._each, bucket, 1, now_ms)
        self._buckets[who] = kept = spent or bucket
        if len(self._buckets) > MOST_KNOWN:
            del self._buckets[next(iter(self._buckets))]
        headers = self._headers(left(self._each, kept, now_ms))
        if spent is not None:
            return Ruling(headers)
        wait_s = max(1, math.ceil(wait_ms(self._each, bucket, 1, now_ms) / 1000))
        return Ruling([*headers, (b"retry-after", b"%d" % wait_s)], wait_s)

    def _headers(self, remaining: float) -> RawHeaders:
        refilled_s = math.ceil((self._each.burst - remaining) / self._each.per_s)
        state = b'"requests";r=%d;t=%d' % (remaining, refilled_s)
        return [(b"ratelimit-policy", self._policy), (b"ratelimit", state)]


def address_of(scope: Scope) -> str:
    """Give who asks without a key: an address, or the network of one where a machine has many (IPv6)."""
    host, _ = scope.get("client") or ("", 0)
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return str(host)
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else str(host)
