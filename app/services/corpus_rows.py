"""Rows that a corpus file feeds: found, changed, and never lost."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlmodel import SQLModel

from app.errors import CorpusError
from app.models import (
    Call,
    Person,
    Proposal,
    Revision,
    Scenario,
    Section,
    Thread,
)

Row = Proposal | Revision | Section | Person | Call | Thread | Scenario

Ids = Mapping[str, int]
Values = dict[str, Any]


def require_all(
    stored: Iterable[str], listed: Iterable[str], file: str
) -> None:
    """Refuse a file that lists no more what was loaded from it."""
    missing = sorted(set(stored) - set(listed))
    if missing:
        raise CorpusError(
            file,
            "was loaded before and is missing now; nothing under review "
            "goes away",
            entry=missing[0],
        )


def update_row(row: SQLModel, values: Mapping[str, Any]) -> None:
    """Set what differs."""
    for name, value in values.items():
        if getattr(row, name) != value:
            setattr(row, name, value)
