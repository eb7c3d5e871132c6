"""How `Prefer` is read."""

import pytest
from fastapi import Request

from app.errors import MalformedError
from app.routes.preferences import (
    DESCRIPTIONS,
    IRIS,
    MINIMAL,
    Preference,
    read_preference,
)


def ask(*headers: str) -> Preference:
    """Return the preference of a request with these headers."""
    return read_preference(
        Request(
            {
                "type": "http",
                "headers": [(b"prefer", h.encode()) for h in headers],
            }
        )
    )


@pytest.mark.parametrize(
    ("headers", "is_minimal", "iris"),
    [
        ((), False, None),
        ((f'return=representation;include="{MINIMAL}"',), True, None),
        ((f'return=representation; include="{IRIS}"',), False, True),
        ((f'return=representation;include="{DESCRIPTIONS}"',), False, False),
        (
            (f'return=representation;include="{IRIS} {MINIMAL}"',),
            True,
            True,
        ),
        ((f'Return = "representation" ; Include = "{IRIS}"',), False, True),
        ((f"return=representation;include={IRIS}",), False, True),
        (("wait=10", f'return=representation;include="{IRIS}"'), False, True),
        (
            (f'respond-async, return=representation;include="{IRIS}"',),
            False,
            True,
        ),
        ((f'return=minimal;include="{IRIS}"',), False, None),
        ((f'return=representation;omit="{IRIS}"',), False, None),
        (
            ('return=representation;include="http://example.org/"',),
            False,
            None,
        ),
        ((f'wait=1;include="{IRIS}"',), False, None),
        (
            (
                "return=representation",
                f'return=representation;include="{IRIS}"',
            ),
            False,
            None,
        ),
        (
            (f'return=representation;include="{IRIS}";include="{MINIMAL}"',),
            False,
            True,
        ),
        (('return=representation;include="',), False, None),
    ],
)
def test_the_first_wish_for_a_representation_counts(
    headers: tuple[str, ...], *, is_minimal: bool, iris: bool | None
) -> None:
    assert ask(*headers) == Preference(is_minimal, iris)


def test_both_forms_at_once_are_refused() -> None:
    with pytest.raises(MalformedError, match="not both"):
        ask(f'return=representation;include="{IRIS} {DESCRIPTIONS}"')


def test_minimal_embeds_nothing() -> None:
    assert ask(f'return=representation;include="{IRIS}"').is_embedding
    both = ask(f'return=representation;include="{IRIS} {MINIMAL}"')
    assert both.is_obeyed
    assert not both.is_embedding
