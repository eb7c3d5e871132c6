"""Tokens: their scope, their end, and whose they are."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from app.errors import ConflictError, ForbiddenError, NotFoundError
from app.models import Scope, Token
from app.services import access, tokens
from app.services.reviewers import Visitor
from tests.factories import make_visitor


def _find(session: Session, secret: str) -> Visitor | None:
    return access.find_access(session, token=secret).visitor


def test_a_token_speaks_for_its_holder_within_its_scope(
    session: Session,
) -> None:
    """It begins so that it is known again, and as ours."""
    make_visitor(session, "ada")
    made = tokens.create_token(
        session, "ada", "laptop", scope=Scope.annotate, days=7
    )
    found = _find(session, made.secret)
    assert found is not None
    assert (found.name, found.scope) == ("ada", Scope.annotate)
    assert made.secret.startswith(made.row.start)
    assert made.row.start.startswith(tokens.PREFIX)
    assert len(made.row.start) < len(made.secret) - 30


def test_a_token_ends_by_itself(session: Session) -> None:
    """An expired token is listed, as ended, and is nobody's."""
    ada = make_visitor(session, "ada")
    made = tokens.create_token(session, "ada", days=1)
    past = datetime.now(UTC) - timedelta(seconds=1)
    session.execute(update(Token).values(expires_at=past))
    assert _find(session, made.secret) is None
    assert [row.is_good for row in tokens.list_tokens(session, ada.id)] == [
        False
    ]


def test_a_revoked_token_is_good_no_more(session: Session) -> None:
    """Nor can it be revoked twice."""
    ada = make_visitor(session, "ada")
    made = tokens.create_token(session, "ada")
    tokens.revoke_own_token(session, ada, made.row.id)
    assert _find(session, made.secret) is None
    assert tokens.list_tokens(session, ada.id) == []
    with pytest.raises(NotFoundError):
        tokens.revoke_token(session, made.row.id)


def test_somebody_elses_token_is_none(session: Session) -> None:
    """Its number tells nothing and revokes nothing."""
    make_visitor(session, "ada")
    eve = make_visitor(session, "eve")
    made = tokens.create_token(session, "ada")
    with pytest.raises(NotFoundError):
        tokens.get_own_token(session, eve, made.row.id)
    with pytest.raises(NotFoundError):
        tokens.revoke_own_token(session, eve, made.row.id)
    assert _find(session, made.secret) is not None


def test_a_token_makes_none_that_may_do_more(session: Session) -> None:
    """A leaked token is no way to a stronger one."""
    ada = make_visitor(session, "ada")
    weak = tokens.create_token(session, "ada", scope=Scope.edit)
    holder = _find(session, weak.secret)
    assert holder is not None
    with pytest.raises(ForbiddenError):
        tokens.create_own_token(session, holder, "x", Scope.admin, 1)
    tokens.create_own_token(session, holder, "x", Scope.edit, 1)
    tokens.create_own_token(session, ada, "x", Scope.admin, 1)


def test_there_are_so_many_tokens_and_no_more(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that ended do not count."""
    monkeypatch.setattr(tokens, "MOST_TOKENS", 2)
    make_visitor(session, "ada")
    first = tokens.create_token(session, "ada")
    tokens.create_token(session, "ada")
    with pytest.raises(ConflictError, match="revoke one"):
        tokens.create_token(session, "ada")
    tokens.revoke_token(session, first.row.id)
    tokens.create_token(session, "ada")
