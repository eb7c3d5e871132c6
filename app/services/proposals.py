"""Proposals: the RFC under review."""

from typing import NamedTuple

from sqlalchemy import select, true
from sqlalchemy.orm import Session
from sqlmodel import col

from app.models import Entry, Proposal
from app.services.entries import Head, get_head


class ProposalRow(NamedTuple):
    """What pages show of a proposal."""

    id: int
    slug: str
    title: str
    authors: list[str]
    status: str
    is_private: bool


_COLUMNS = (
    col(Proposal.id),
    col(Proposal.slug),
    col(Proposal.title),
    col(Proposal.authors),
    col(Proposal.status),
    col(Proposal.is_private),
)
_FIND = select(*_COLUMNS).order_by(col(Proposal.id)).limit(1)
_NEWEST = (
    select(col(Entry.seq), col(Entry.hash))
    .order_by(col(Entry.seq).desc())
    .limit(1)
    .subquery()
)
_FIND_AT_HEAD = (
    select(*_COLUMNS, _NEWEST.c.seq, _NEWEST.c.hash)
    .join_from(Proposal, _NEWEST, true())
    .order_by(col(Proposal.id))
    .limit(1)
)


def find_proposal(session: Session) -> ProposalRow | None:
    """Return the proposal under review, or None before one is loaded."""
    row = session.execute(_FIND).first()
    if row is None or row[0] is None:
        return None
    return ProposalRow(row[0], *row[1:])


def find_at_head(session: Session) -> tuple[ProposalRow | None, Head]:
    """Return the proposal under review and the log's head, by one statement.

    Every page shows both.
    """
    row = session.execute(_FIND_AT_HEAD).first()
    if row is None:  # nothing is loaded, or nothing is logged
        return find_proposal(session), get_head(session)
    return ProposalRow(*row[:-2]), Head(*row[-2:])
