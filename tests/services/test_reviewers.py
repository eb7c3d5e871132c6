"""Accounts, sessions, links and tokens."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from sqlmodel import SQLModel, col

from app.db import Database
from app.errors import ConflictError, InvalidError, NotFoundError
from app.models import Entry, Role, SignIn, SignInLink, Token
from app.services import access, reviewers, sessions, tokens
from tests.at_once import write_at_once


def _list_types(session: Session) -> list[str]:
    return list(
        session.execute(
            select(col(Entry.type)).order_by(col(Entry.seq))
        ).scalars()
    )


def test_each_change_is_logged_and_no_secret_with_it(
    session: Session,
) -> None:
    before = len(_list_types(session))
    reviewer = reviewers.add_reviewer(session, "ada", Role.editor)
    link = reviewers.create_link(session, "ada", hours=1)
    row, token = tokens.create_token(session, "ada", "laptop")
    reviewers.use_link(session, link)
    cookie = sessions.sign_in(session, reviewer.id or 0, days=1, means="link")
    sessions.sign_out(session, cookie)
    tokens.revoke_token(session, row.id)
    reviewers.set_password(session, "ada", "$argon2id$x")
    assert _list_types(session)[before:] == [
        "reviewer.added",
        "link.created",
        "token.created",
        "reviewer.signed_in",
        "reviewer.signed_out",
        "token.revoked",
        "reviewer.password_set",
    ]
    told = str(session.execute(select(col(Entry.data))).all())
    for secret in (link, token, cookie, "argon2id"):
        assert secret not in told


@pytest.mark.parametrize("table", [SignIn, SignInLink, Token])
def test_secrets_are_stored_as_digests_only(
    session: Session, table: type[SQLModel]
) -> None:
    reviewer = reviewers.add_reviewer(session, "ada", Role.editor)
    secrets = {
        reviewers.create_link(session, "ada", hours=1),
        tokens.create_token(session, "ada").secret,
        sessions.sign_in(session, reviewer.id or 0, days=1, means="link"),
    }
    rows = session.execute(select(table)).scalars().all()
    assert rows
    for row in rows:
        assert not secrets & set(map(str, row.model_dump().values()))


def test_a_session_ends_by_itself(session: Session) -> None:
    reviewer = reviewers.add_reviewer(session, "ada", Role.editor)
    secret = sessions.sign_in(session, reviewer.id or 0, days=1, means="x")
    found = reviewers.find_signed_in(session, secret)
    assert found is not None
    assert (found.name, found.role) == ("ada", Role.editor)
    past = datetime.now(UTC) - timedelta(seconds=1)
    session.execute(update(SignIn).values(expires_at=past))
    assert reviewers.find_signed_in(session, secret) is None
    sessions.sign_in(session, reviewer.id or 0, days=1, means="x")
    assert len(session.execute(select(col(SignIn.id))).all()) == 1


def test_a_link_is_good_once(session: Session) -> None:
    reviewers.add_reviewer(session, "ada", Role.reader)
    secret = reviewers.create_link(session, "ada", hours=1)
    assert reviewers.use_link(session, secret).name == "ada"
    with pytest.raises(NotFoundError) as refused:
        reviewers.use_link(session, secret)
    assert secret not in str(refused.value)


def test_a_new_link_replaces_the_one_nobody_used(session: Session) -> None:
    reviewers.add_reviewer(session, "ada", Role.reader)
    old = reviewers.create_link(session, "ada", hours=1)
    reviewers.create_link(session, "ada", hours=1)
    assert reviewers.find_link_holder(session, old) is None


def test_an_expired_link_is_refused(session: Session) -> None:
    reviewers.add_reviewer(session, "ada", Role.reader)
    secret = reviewers.create_link(session, "ada", hours=1)
    past = datetime.now(UTC) - timedelta(seconds=1)
    session.execute(update(SignInLink).values(expires_at=past))
    with pytest.raises(NotFoundError):
        reviewers.use_link(session, secret)


def test_a_cookie_is_no_token_and_a_token_no_cookie(session: Session) -> None:
    reviewer = reviewers.add_reviewer(session, "ada", Role.reviewer)
    token = tokens.create_token(session, "ada").secret
    cookie = sessions.sign_in(session, reviewer.id or 0, days=1, means="x")
    assert reviewers.find_signed_in(session, token) is None
    assert access.find_access(session, token=cookie).visitor is None


def test_names_are_taken_once_and_can_be_typed(session: Session) -> None:
    reviewers.add_reviewer(session, "ada", Role.reader)
    with pytest.raises(ConflictError):
        reviewers.add_reviewer(session, "ada", Role.editor)
    for bad in ("", "a b", "a/b", "<b>", "x" * 61, "a\0", "..", "-a"):
        with pytest.raises(InvalidError):
            reviewers.add_reviewer(session, bad, Role.reader)


def test_another_password_ends_all_sessions(session: Session) -> None:
    reviewer = reviewers.add_reviewer(session, "ada", Role.reader)
    secret = sessions.sign_in(session, reviewer.id or 0, days=1, means="x")
    reviewers.set_password(session, "ada", "$argon2id$other")
    assert reviewers.find_signed_in(session, secret) is None
    account = reviewers.find_account(session, "ada")
    assert account is not None
    assert account.password_hash == "$argon2id$other"  # noqa: S105 - no hash


@pytest.mark.parametrize(
    ("role", "may"),
    [
        (Role.reader, False),
        (Role.reviewer, True),
        (Role.editor, True),
        (Role.administrator, True),
    ],
)
def test_a_role_includes_the_ones_before_it(
    session: Session,
    role: Role,
    may: bool,
) -> None:
    reviewers.add_reviewer(session, "ada", role)
    visitor = access.find_access(
        session, token=tokens.create_token(session, "ada").secret
    ).visitor
    assert visitor is not None
    assert visitor.may(Role.reviewer) is may


def test_the_first_start_makes_one_administrator(
    empty_database: Database,
) -> None:
    with empty_database.write() as session:
        first = reviewers.ensure_administrator(session, hours=1)
        second = reviewers.ensure_administrator(session, hours=1)
        assert first is not None
        assert second is not None
        assert reviewers.find_link_holder(session, first) is None
        holder = reviewers.find_link_holder(session, second)
        assert holder is not None
        assert holder.role == Role.administrator
        reviewers.set_password(session, holder.name, "$argon2id$x")
        assert reviewers.ensure_administrator(session, hours=1) is None


def test_a_link_used_twice_at_once_signs_in_once(database: Database) -> None:
    with database.write() as session:
        reviewers.add_reviewer(session, "ada", Role.reviewer)
        secret = reviewers.create_link(session, "ada", hours=1)

    def work(session: Session) -> None:
        reviewers.use_link(session, secret)

    ends = write_at_once(database, work, work)
    assert ends == ["NotFoundError", "done"]
