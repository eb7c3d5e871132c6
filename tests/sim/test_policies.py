"""Policies: each has values, a default among them, text and source."""

import pytest

from app.sim.gaps import UNSPECIFIED
from app.sim.policies import POLICIES, Policy


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_a_policy_is_complete(policy: Policy) -> None:
    """It says what it is about and who says so."""
    assert policy.default in policy.values
    assert len(set(policy.values)) == len(policy.values) >= 2
    assert policy.text.endswith(".")
    assert policy.source
    assert UNSPECIFIED not in policy.readings
    assert len(policy.readings) >= 2


def test_silence_is_the_default_where_the_rfc_is_silent() -> None:
    """Nothing is chosen for the RFC."""
    for policy in POLICIES.values():
        if UNSPECIFIED in policy.values:
            assert policy.default == UNSPECIFIED
