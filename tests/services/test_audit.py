"""What the log tells of accounts, in words."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from app.services.audit import AuditLine

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({}, ""),
        ({"means": "invitation"}, "by invitation"),
        ({"means": "OpenID"}, "by OpenID"),
        ({"from": "reader", "to": "editor"}, "from reader, to editor"),
        ({"role": "editor", "days": 7}, "as editor, for 7 days"),
        ({"hours": 1}, "for 1 hour"),
        (
            {"role": "reader", "password": True},
            "as reader, with a password: yes",
        ),
        ({"token": 1, "scope": "read", "days": None}, "number 1, to read"),
        ({"tokens": 0}, "tokens revoked: 0"),
        ({"unheard {of}": "{x}"}, "unheard {of} {x}"),
    ],
)
def test_an_act_is_told_in_words(
    data: Mapping[str, object], told: str
) -> None:
    assert AuditLine(1, NOW, "a", "t", "s", data).told == told
