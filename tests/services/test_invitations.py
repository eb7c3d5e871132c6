"""Invitations: one account each, in time, by whoever may still invite."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from sqlmodel import col

from app.db import Database
from app.errors import ConflictError, NotFoundError
from app.models import Entry, Invitation, Role
from app.services import accounts, invitations
from app.services.invitations import InvitationState
from app.services.reviewers import compute_digest
from app.services.windows import NEWEST_FIRST
from tests.at_once import write_at_once
from tests.factories import make_visitor

PAST = datetime.now(UTC) - timedelta(seconds=1)


def test_an_invitation_makes_one_account_with_its_role(
    session: Session,
) -> None:
    """Who joined, and by whom they were invited, is known afterwards."""
    boss = make_visitor(session, "boss", Role.administrator)
    made = invitations.create_invitation(
        session, boss, Role.editor, note="for Ada", days=3
    )
    assert made.row.state == InvitationState.open
    assert made.row.inviter == "boss"
    digest = compute_digest(made.secret)
    reviewer = invitations.use_invitation(session, digest, "ada")
    assert reviewer.role == Role.editor
    row = invitations.get_invitation(session, made.row.id)
    assert (row.state, row.reviewer) == (InvitationState.used, "ada")
    with pytest.raises(NotFoundError) as refused:
        invitations.use_invitation(session, digest, "eve")
    assert digest not in str(refused.value)


def test_a_taken_name_does_not_use_the_invitation_up(
    session: Session,
) -> None:
    """Names that differ by capitals only are one name."""
    make_visitor(session, "ada")
    made = invitations.create_invitation(session, None, Role.reader, days=1)
    digest = compute_digest(made.secret)
    for taken in ("ada", "ADA"):
        with pytest.raises(ConflictError):
            invitations.use_invitation(session, digest, taken)
    assert invitations.use_invitation(session, digest, "bob").name == "bob"


def test_what_has_expired_or_was_revoked_is_good_for_nothing(
    session: Session,
) -> None:
    """Revoking a second time is refused, with what became of it."""
    boss = make_visitor(session, "boss", Role.administrator)
    old, new = (
        invitations.create_invitation(session, boss, Role.reader, days=1)
        for _ in range(2)
    )
    session.execute(
        update(Invitation)
        .where(col(Invitation.id) == old.row.id)
        .values(expires_at=PAST)
    )
    invitations.revoke_invitation(session, boss, new.row.id)
    states = [
        row.state
        for row in invitations.list_invitations(session, NEWEST_FIRST)
    ]
    assert states == [InvitationState.revoked, InvitationState.expired]
    for made in (old, new):
        digest = compute_digest(made.secret)
        assert invitations.find_open_invitation(session, digest) is None
        with pytest.raises(NotFoundError):
            invitations.use_invitation(session, digest, "ada")
        with pytest.raises(ConflictError):
            invitations.revoke_invitation(session, boss, made.row.id)


@pytest.mark.parametrize("end", ["disabled", "demoted"])
def test_who_may_invite_no_more_has_no_invitations_out(
    session: Session, end: str
) -> None:
    """An administrator who is sent away left no door open."""
    make_visitor(session, "root", Role.administrator)
    boss = make_visitor(session, "boss", Role.administrator)
    made = invitations.create_invitation(
        session, boss, Role.administrator, days=9
    )
    if end == "disabled":
        accounts.disable_account(session, "boss")
    else:
        accounts.change_role(session, "boss", Role.reviewer)
    digest = compute_digest(made.secret)
    assert invitations.find_open_invitation(session, digest) is None


def test_neither_secret_nor_note_is_told_by_the_log(session: Session) -> None:
    """The log is read by everybody."""
    made = invitations.create_invitation(
        session, None, Role.reader, note="ada@example.org", days=1
    )
    digest = compute_digest(made.secret)
    invitations.use_invitation(session, digest, "ada")
    told = str(
        session.execute(select(col(Entry.subject), col(Entry.data))).all()
    )
    assert "invitation:" in told
    for secret in (made.secret, digest, "example.org"):
        assert secret not in told


def test_an_invitation_used_twice_at_once_makes_one_account(
    database: Database,
) -> None:
    """Whatever the engine, one comes first and the other is refused."""
    with database.write() as session:
        made = invitations.create_invitation(
            session, None, Role.reviewer, days=1
        )
    digest = compute_digest(made.secret)
    ends = write_at_once(
        database,
        lambda s: invitations.use_invitation(s, digest, "ada"),
        lambda s: invitations.use_invitation(s, digest, "bob"),
    )
    assert ends == ["NotFoundError", "done"]
    with database.read() as session:
        assert accounts.count_accounts(session) == 1


def test_so_many_wait_and_no_more(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a stolen administrator's session can leave behind is bounded."""
    monkeypatch.setattr(invitations, "MOST_OPEN", 2)
    for _ in range(2):
        invitations.create_invitation(session, None, Role.reader, days=1)
    with pytest.raises(ConflictError, match="2 at most"):
        invitations.create_invitation(session, None, Role.reader, days=1)
