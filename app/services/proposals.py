"""Proposals: the RFC under review."""

from typing import NamedTuple

from sqlalchemy import select, true
from sqlalchemy.orm import Session
from sqlmodel import SQLModel

from app.services.entries import Head, get_head


class ProposalRow(NamedTuple):
    """What pages show of a proposal."""

    id: int
    slug: str
    title: str
    authors: list[str]
    status: str
    is_private: bool


# tables, not models: what every page asks costs a third
_TABLES = SQLModel.metadata.tables
_PROPOSALS, _ENTRIES = _TABLES["proposal"].c, _TABLES["entry"].c
_COLUMNS = (
    *(_PROPOSALS.id, _PROPOSALS.slug, _PROPOSALS.title),
    *(_PROPOSALS.authors, _PROPOSALS.status, _PROPOSALS.is_private),
)
_FIND = select(*_COLUMNS).order_by(_PROPOSALS.id).limit(1)
_SLUG = select(_PROPOSALS.slug).order_by(_PROPOSALS.id).limit(1)
_NEWEST = (
    select(_ENTRIES.seq, _ENTRIES.hash)
    .order_by(_ENTRIES.seq.desc())
    .limit(1)
    .subquery()
)
_FIND_AT_HEAD = (
    select(*_COLUMNS, _NEWEST.c.seq, _NEWEST.c.hash)
    .join_from(_TABLES["proposal"], _NEWEST, true())
    .order_by(_PROPOSALS.id)
    .limit(1)
)


def find_proposal(session: Session) -> ProposalRow | None:
    """Return the proposal under review, or None before one is loaded."""
    row = session.connection().execute(_FIND).first()
    return ProposalRow(*row) if row else None


def find_slug(session: Session) -> str | None:
    """Return the name of the proposal under review, or None without one."""
    slug: str | None = session.connection().scalar(_SLUG)
    return slug


def find_at_head(session: Session) -> tuple[ProposalRow | None, Head]:
    """Return the proposal under review and the log's head, by one statement.

    Every page shows both.
    """
    row = session.connection().execute(_FIND_AT_HEAD).first()
    if row is None:  # nothing is loaded, or nothing is logged
        return find_proposal(session), get_head(session)
    return ProposalRow(*row[:-2]), Head(*row[-2:])
