"""Rate limits: how often one account, or one address, may ask.

Counts are kept in bounded memory of this process, by the sliding window of
`limits`, and forgotten when it ends. An IPv6 address counts with its network
of 64 bits, of which one sender has all addresses.
"""

import ipaddress
import math
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from limits import (
    RateLimitItem,
    RateLimitItemPerDay,
    RateLimitItemPerHour,
    RateLimitItemPerMinute,
    RateLimitItemPerSecond,
)
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

MOST_KEYS = 50_000
"""How many counts are kept; past that all are forgotten."""

KEPT_ORIGINS = 1024
NETWORK_BITS = 64
ITEMS: Mapping[str, type[RateLimitItem]] = {
    "second": RateLimitItemPerSecond,
    "minute": RateLimitItemPerMinute,
    "hour": RateLimitItemPerHour,
    "day": RateLimitItemPerDay,
}


class Standing(NamedTuple):
    """How one who asks stands to a limit."""

    name: str
    quota: int
    window: int
    remaining: int
    reset: int
    is_over: bool

    @property
    def policy_field(self) -> str:
        """Return what the `RateLimit-Policy` field says."""
        return f'"{self.name}";q={self.quota};w={self.window}'

    @property
    def field(self) -> str:
        """Return what the `RateLimit` field says."""
        return f'"{self.name}";r={self.remaining};t={self.reset}'


class RateLimits:
    """Counts of one process.

    Parameters
    ----------
    quotas
        For each name how often, as `120/minute`; empty means as often as
        one likes.
    """

    def __init__(self, quotas: Mapping[str, str]) -> None:
        self._storage = MemoryStorage()
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)
        self._items = {
            name: read_quota(quota) for name, quota in quotas.items() if quota
        }

    def count(self, name: str, who: str) -> Standing | None:
        """Count one request of `who`; None if nothing limits it."""
        item = self._items.get(name)
        if item is None:
            return None
        if len(self._storage.expirations) > MOST_KEYS:
            self._storage.reset()
        is_over = not self._limiter.hit(item, name, who)
        stats = self._limiter.get_window_stats(item, name, who)
        reset = max(1, math.ceil(stats.reset_time - time.time()))
        return Standing(
            name,
            item.amount,
            item.get_expiry(),
            max(0, stats.remaining),
            min(reset, item.get_expiry()),
            is_over,
        )


def read_quota(text: str) -> RateLimitItem:
    """Return `120/minute` as a limit."""
    amount, _, unit = text.partition("/")
    return ITEMS[unit](int(amount))


def multiply(quota: str, factor: int) -> str:
    """Return so many times a quota; none stays none."""
    amount, slash, unit = quota.partition("/")
    return f"{int(amount) * factor}{slash}{unit}" if quota else quota


@lru_cache(maxsize=KEPT_ORIGINS)
def get_origin(address: str) -> str:
    """Return what an address counts as: itself, or its IPv6 network."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, NETWORK_BITS), strict=False))
