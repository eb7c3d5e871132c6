"""Proposals: the RFC under review."""

from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.models import Proposal


class ProposalRow(NamedTuple):
    """What pages show of a proposal."""

    id: int
    slug: str
    title: str
    authors: list[str]
    status: str
    is_private: bool


def find_proposal(session: Session) -> ProposalRow | None:
    """Return the proposal under review, or None before one is loaded."""
    row = session.execute(
        select(
            col(Proposal.id),
            col(Proposal.slug),
            col(Proposal.title),
            col(Proposal.authors),
            col(Proposal.status),
            col(Proposal.is_private),
        )
        .order_by(col(Proposal.id))
        .limit(1)
    ).first()
    if row is None or row[0] is None:
        return None
    return ProposalRow(row[0], *row[1:])
