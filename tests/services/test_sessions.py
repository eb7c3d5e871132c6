"""Sessions: begun anew at each sign-in, listed and ended by their holder."""

import pytest
from sqlalchemy.orm import Session

from app.errors import ForbiddenError, NotFoundError
from app.services import access, accounts, sessions
from app.services.reviewers import Visitor
from app.services.sessions import Origin, describe_agent
from tests.factories import make_visitor

FIREFOX = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
)


def _sign_in(session: Session, visitor: Visitor) -> tuple[str, int]:
    secret = sessions.sign_in(session, visitor.id, days=1, means="test")
    found = access.find_access(session, cookie=secret)
    return secret, found.session_id or 0


def _is_good(session: Session, secret: str) -> bool:
    return access.find_access(session, cookie=secret).visitor is not None


def test_a_session_tells_whence_it_was_begun(session: Session) -> None:
    """What a stranger sends in a header is cut, and made printable."""
    ada = make_visitor(session, "ada")
    origin = Origin(address="192.0.2.1", agent=FIREFOX + "\x1b[2J" + "x" * 999)
    sessions.sign_in(session, ada.id, days=1, means="link", origin=origin)
    (row,) = sessions.list_sessions(session, ada.id, None)
    assert (row.address, row.means) == ("192.0.2.1", "link")
    assert row.browser == "Firefox 145 on Linux"
    assert len(row.agent) == sessions.AGENT_LENGTH
    assert "\x1b" not in row.agent
    assert not row.is_current


def test_who_was_disabled_meanwhile_is_not_signed_in(
    session: Session,
) -> None:
    ada = make_visitor(session, "ada")
    accounts.disable_account(session, "ada")
    with pytest.raises(ForbiddenError, match="disabled"):
        sessions.sign_in(session, ada.id, days=1, means="password")
    assert sessions.list_sessions(session, ada.id, None) == []


def test_one_session_is_ended_and_the_others_stay(session: Session) -> None:
    """The one that asks comes first in the list."""
    ada = make_visitor(session, "ada")
    first, number = _sign_in(session, ada)
    second, _ = _sign_in(session, ada)
    rows = sessions.list_sessions(session, ada.id, number)
    assert [row.is_current for row in rows] == [True, False]
    sessions.end_session(session, ada, number)
    assert not _is_good(session, first)
    assert _is_good(session, second)


def test_all_others_are_ended(session: Session) -> None:
    """Nobody else's are."""
    ada, eve = make_visitor(session, "ada"), make_visitor(session, "eve")
    first, _ = _sign_in(session, ada)
    second, number = _sign_in(session, ada)
    foreign, _ = _sign_in(session, eve)
    assert sessions.end_others(session, ada, number) == 1
    assert not _is_good(session, first)
    assert _is_good(session, second)
    assert _is_good(session, foreign)


def test_somebody_elses_session_is_none(session: Session) -> None:
    """Its number ends nothing."""
    ada, eve = make_visitor(session, "ada"), make_visitor(session, "eve")
    secret, number = _sign_in(session, ada)
    with pytest.raises(NotFoundError):
        sessions.end_session(session, eve, number)
    assert _is_good(session, secret)


def test_the_oldest_sessions_make_room(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An account holds a bounded number of rows."""
    monkeypatch.setattr(sessions, "MOST_SESSIONS", 2)
    ada = make_visitor(session, "ada")
    secrets = [_sign_in(session, ada)[0] for _ in range(3)]
    assert [_is_good(session, s) for s in secrets] == [False, True, True]


@pytest.mark.parametrize(
    ("agent", "told"),
    [
        (FIREFOX, "Firefox 145 on Linux"),
        (
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 "
                "(KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0"
            ),
            "Edge 142 on Windows",
        ),
        (
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) "
                "AppleWebKit/605.1 (KHTML, like Gecko) Version/18.0 "
                "Mobile/15E148 Safari/604.1"
            ),
            "Safari 18 on iOS",
        ),
        ("curl/8.9.1", "curl"),
        ("", "unknown"),
    ],
)
def test_a_browser_is_called_as_people_call_it(agent: str, told: str) -> None:
    """Browser and system; a program by its name."""
    assert describe_agent(agent) == told
