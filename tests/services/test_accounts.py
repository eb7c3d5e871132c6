"""Roles and doors: what an administrator changes, and what follows."""

import pytest
from sqlalchemy.orm import Session

from app.db import Database
from app.errors import ConflictError, NotFoundError
from app.models import Role
from app.services import access, accounts, reviewers, sessions, tokens
from app.services.entries import get_head
from app.services.windows import Window
from tests.at_once import write_at_once
from tests.factories import make_visitor


def test_a_disabled_account_has_no_way_in(session: Session) -> None:
    """Session, token and link end, and stay ended when it is enabled."""
    ada = make_visitor(session, "ada")
    cookie = sessions.sign_in(session, ada.id, days=1, means="test")
    token = tokens.create_token(session, "ada").secret
    link = reviewers.create_link(session, "ada", hours=1)
    accounts.disable_account(session, "ada")
    for _ in range(2):
        assert access.find_access(session, cookie=cookie).visitor is None
        assert access.find_access(session, token=token).visitor is None
        assert reviewers.find_link_holder(session, link) is None
        with pytest.raises(NotFoundError):
            reviewers.use_link(session, link)
        accounts.enable_account(session, "ada")
    cookie = sessions.sign_in(session, ada.id, days=1, means="test")
    assert access.find_access(session, cookie=cookie).visitor is not None


def test_a_disabled_account_gets_no_link(session: Session) -> None:
    """It has to be enabled first."""
    make_visitor(session, "ada")
    accounts.disable_account(session, "ada")
    with pytest.raises(ConflictError):
        accounts.create_link(session, "ada", hours=1, actor="program")


def test_another_role_holds_for_sessions_that_are_open(
    session: Session,
) -> None:
    """Nothing that was granted before outlives it."""
    ada = make_visitor(session, "ada", Role.editor)
    cookie = sessions.sign_in(session, ada.id, days=1, means="test")
    accounts.change_role(session, "ada", Role.reader)
    found = access.find_access(session, cookie=cookie).visitor
    assert found is not None
    assert found.role == Role.reader


@pytest.mark.parametrize("act", ["disable", "demote"])
def test_there_is_always_an_administrator(session: Session, act: str) -> None:
    """One who is disabled does not count."""
    make_visitor(session, "boss", Role.administrator)
    make_visitor(session, "gone", Role.administrator)
    accounts.disable_account(session, "gone")

    def send_away() -> None:
        if act == "disable":
            accounts.disable_account(session, "boss")
        else:
            accounts.change_role(session, "boss", Role.editor)

    with pytest.raises(ConflictError, match="only administrator"):
        send_away()
    accounts.enable_account(session, "gone")
    send_away()


def test_two_administrators_do_not_send_each_other_away_at_once(
    database: Database,
) -> None:
    """One of them stays, whatever the engine."""
    with database.write() as session:
        for name in ("one", "two"):
            make_visitor(session, name, Role.administrator)
    ends = write_at_once(
        database,
        lambda s: accounts.disable_account(s, "one"),
        lambda s: accounts.change_role(s, "two", Role.reader),
    )
    assert ends == ["ConflictError", "done"]


def test_a_row_tells_what_an_account_has_and_no_secret(
    session: Session,
) -> None:
    """Counts are of what is good now."""
    ada = make_visitor(session, "ada")
    reviewers.set_password(session, "ada", "$argon2id$x")
    sessions.sign_in(session, ada.id, days=1, means="test")
    tokens.create_token(session, "ada", days=1)
    row = accounts.get_account(session, "ada")
    assert row.has_password
    assert not row.is_linked
    assert (row.session_count, row.token_count) == (1, 1)
    assert row.seen_at is not None
    assert "argon2id" not in str(row)
    assert accounts.list_accounts(session, Window(above=row.id)) == []


def test_what_is_so_already_is_no_change(session: Session) -> None:
    """The log gets no line of it."""
    ada = make_visitor(session, "ada")
    before = get_head(session).seq
    accounts.change_role(session, "ada", Role.reviewer)
    accounts.enable_account(session, "ada")
    accounts.change_display_name(session, ada, "ada")
    assert get_head(session).seq == before
