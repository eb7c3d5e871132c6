"""Who may read a private review, and whether it is private.

The gate that keeps others out is elsewhere (`services.access`). An
administrator reads every review, member or not.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import NotFoundError
from app.models import Member, Proposal, Reviewer, Role
from app.services.entries import append_entry, take_turn
from app.services.proposals import ProposalRow, find_proposal
from app.services.reviewers import PROGRAM, require_account


class MemberRow(NamedTuple):
    """A member, and since when."""

    name: str
    display_name: str
    role: Role
    is_disabled: bool
    added_at: datetime


def require_proposal(session: Session) -> ProposalRow:
    """Return the proposal under review, or refuse."""
    proposal = find_proposal(session)
    if proposal is None:
        raise NotFoundError("proposal", "…")
    return proposal


def list_members(session: Session) -> Sequence[MemberRow]:
    """Return the members by name."""
    rows = session.execute(
        select(
            col(Reviewer.name),
            col(Reviewer.display_name),
            col(Reviewer.role),
            col(Reviewer.disabled_at).is_not(None),
            col(Member.added_at),
        )
        .join(Member, col(Member.reviewer_id) == col(Reviewer.id))
        .where(col(Member.proposal_id) == require_proposal(session).id)
        .order_by(col(Reviewer.name))
    )
    return [MemberRow(*row) for row in rows]


def add_member(session: Session, name: str, *, actor: str = PROGRAM) -> bool:
    """Let an account read the private review; tell if that is new."""
    take_turn(session)
    proposal = require_proposal(session)
    account = require_account(session, name)
    if session.get(Member, (proposal.id, account.id)) is not None:
        return False
    session.add(
        Member(
            proposal_id=proposal.id,
            reviewer_id=account.id,
            added_at=datetime.now(UTC),
        )
    )
    session.flush()
    append_entry(
        session,
        actor,
        "member.added",
        f"reviewer:{name}",
        {"proposal": proposal.slug},
    )
    return True


def remove_member(
    session: Session, name: str, *, actor: str = PROGRAM
) -> None:
    """Let an account read the private review no more, from now on."""
    take_turn(session)
    proposal = require_proposal(session)
    account = require_account(session, name)
    removed = session.execute(
        delete(Member)
        .where(
            col(Member.proposal_id) == proposal.id,
            col(Member.reviewer_id) == account.id,
        )
        .returning(col(Member.reviewer_id))
    ).first()
    if removed is None:
        raise NotFoundError("member", name)
    append_entry(
        session,
        actor,
        "member.removed",
        f"reviewer:{name}",
        {"proposal": proposal.slug},
    )


def set_private(
    session: Session, is_private: bool, *, actor: str = PROGRAM
) -> bool:
    """Close the review to all but its members, or open it to everybody.

    Tells whether that changed anything.
    """
    take_turn(session)
    proposal = require_proposal(session)
    changed = session.execute(
        update(Proposal)
        .where(
            col(Proposal.id) == proposal.id,
            col(Proposal.is_private) != is_private,
        )
        .values(is_private=is_private)
        .returning(col(Proposal.id))
    ).first()
    if changed is None:
        return False
    append_entry(
        session,
        actor,
        "proposal.closed" if is_private else "proposal.opened",
        f"proposal:{proposal.slug}",
        {},
    )
    return True
