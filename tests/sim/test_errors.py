"""The three families say what happened."""

import pickle

import pytest

from app.sim.errors import GuestFault, NotModelled, Unspecified


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (GuestFault(6), "exception 6"),
        (GuestFault(13, 0x18), "exception 13 (0x18)"),
        (NotModelled("paging"), "not modelled: paging"),
        (
            Unspecified("RFC A", policy="p", readings=("a", "b")),
            "RFC A does not say: a, b",
        ),
    ],
)
def test_an_error_reads_as_a_sentence(error: Exception, text: str) -> None:
    """Each names its parts."""
    assert str(error) == text


def test_families_are_apart() -> None:
    """None of the three is caught for another."""
    families = {GuestFault, Unspecified, NotModelled}
    for family in families:
        assert family.__base__ is Exception


def test_faults_travel() -> None:
    """A fault and a gap of ours can be pickled."""
    for error in (GuestFault(13, 0), NotModelled("paging")):
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
        assert str(copy) == str(error)
