"""Rate limits: counted for each who asks, told, and bounded in memory."""

import pytest

from app.services import rate_limits
from app.services.rate_limits import RateLimits, get_origin, multiply


def test_one_who_asks_too_often_is_told_when_to_come_back() -> None:
    limits = RateLimits({"writes": "3/minute"})
    told = [limits.count("writes", "1") for _ in range(4)]
    assert [one.is_over for one in told if one] == [False] * 3 + [True]
    assert [one.remaining for one in told if one] == [2, 1, 0, 0]
    last = told[-1]
    assert last is not None
    assert 1 <= last.reset <= 60
    assert last.policy_field == '"writes";q=3;w=60'
    assert last.field == f'"writes";r=0;t={last.reset}'


def test_each_who_asks_is_counted_alone() -> None:
    limits = RateLimits({"writes": "1/hour", "reads": "1/hour"})
    for name, who in (("writes", "1"), ("writes", "2"), ("reads", "1")):
        standing = limits.count(name, who)
        assert standing is not None
        assert not standing.is_over


def test_no_quota_is_no_limit() -> None:
    limits = RateLimits({"writes": ""})
    assert limits.count("writes", "1") is None
    assert limits.count("other", "1") is None


def test_counts_do_not_grow_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rate_limits, "MOST_KEYS", 50)
    limits = RateLimits({"reads": "5/day"})
    for number in range(500):
        limits.count("reads", str(number))
    assert len(limits._storage.expirations) <= 52


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("testclient", "testclient"),
    ],
)
def test_a_network_of_one_sender_counts_as_one(
    address: str, origin: str
) -> None:
    assert get_origin(address) == origin


def test_a_quota_is_multiplied() -> None:
    assert multiply("12/hour", 5) == "60/hour"
    assert not multiply("", 5)
