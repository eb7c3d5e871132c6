"""Members of a private review, and what the audit view shows of accounts."""

from dataclasses import replace

import pytest
from sqlalchemy.orm import Session

from app.errors import NotFoundError
from app.models import Role
from app.services import access, accounts, audit, members, reviewers, tokens
from app.services.audit import AuditKind
from app.services.windows import NEWEST_FIRST
from tests.factories import make_visitor


def test_members_come_and_go(session: Session) -> None:
    """Adding twice is no change; removing who is none is refused."""
    make_visitor(session, "ada")
    assert members.add_member(session, "ada")
    assert not members.add_member(session, "ada")
    (row,) = members.list_members(session)
    assert (row.name, row.role, row.is_disabled) == (
        "ada",
        Role.reviewer,
        False,
    )
    members.remove_member(session, "ada")
    assert members.list_members(session) == []
    with pytest.raises(NotFoundError):
        members.remove_member(session, "ada")
    with pytest.raises(NotFoundError):
        members.add_member(session, "nobody")


def test_the_switch_closes_the_review_to_others(session: Session) -> None:
    """At once, for a token that was good before."""
    make_visitor(session, "ada")
    token = tokens.create_token(session, "ada").secret
    assert members.set_private(session, True)
    assert not members.set_private(session, True)
    assert not access.find_access(session, token=token).may_read
    members.add_member(session, "ada")
    assert access.find_access(session, token=token).may_read
    members.remove_member(session, "ada")
    assert not access.find_access(session, token=token).may_read
    assert members.set_private(session, False)
    assert access.find_access(session, token=token).may_read


def test_the_audit_view_tells_who_did_what_to_whom(session: Session) -> None:
    """By account it holds what they did and what was done to them."""
    boss = make_visitor(session, "boss", Role.administrator)
    make_visitor(session, "ada")
    make_visitor(session, "bob")
    accounts.change_role(session, "ada", Role.editor, actor=boss.actor)
    tokens.create_token(session, "ada", actor="reviewer:ada")
    members.add_member(session, "bob", actor=boss.actor)
    told = [
        (act.actor, act.type)
        for act in audit.list_acts(session, account="ada", window=NEWEST_FIRST)
    ]
    assert told == [
        ("reviewer:ada", "token.created"),
        ("reviewer:boss", "reviewer.role_changed"),
        ("program", "reviewer.added"),
    ]
    (act,) = audit.list_acts(
        session, kind=AuditKind.members, window=NEWEST_FIRST
    )
    assert act.subject == "reviewer:bob"
    by_boss = audit.list_acts(session, account="boss", window=NEWEST_FIRST)
    assert [act.type for act in by_boss] == [
        "member.added",
        "reviewer.role_changed",
        "reviewer.added",
    ]


def test_the_audit_view_goes_on_where_a_page_ended(session: Session) -> None:
    """Nothing is shown twice and nothing is left out."""
    for name in ("a", "b", "c"):
        make_visitor(session, name)
    seen: list[str] = []
    before = None
    while rows := audit.list_acts(
        session, window=replace(NEWEST_FIRST, below=before, limit=2)
    ):
        seen += [row.subject for row in rows]
        before = rows[-1].seq
    assert seen == ["reviewer:c", "reviewer:b", "reviewer:a"]


def test_every_entry_about_accounts_is_of_a_kind(session: Session) -> None:
    """What a service logs of an account is in the audit view."""
    ada = make_visitor(session, "ada")
    reviewers.set_password(session, "ada", "$argon2id$x")
    accounts.change_display_name(session, ada, "Ada")
    reviewers.create_link(session, "ada", hours=1)
    accounts.disable_account(session, "ada")
    accounts.enable_account(session, "ada")
    shown = {act.type for act in audit.list_acts(session, window=NEWEST_FIRST)}
    assert shown == {
        "reviewer.added",
        "reviewer.password_set",
        "reviewer.renamed",
        "link.created",
        "reviewer.disabled",
        "reviewer.enabled",
    }
