"""What a Hypothesis client proves its reviewer by, for as long as it is open.

The page hands it a grant, good for minutes; for that it gets a token to
annotate with, good for an hour, and another to renew it by. All are signed
statements about the browser's session and are worth nothing once that ends:
nothing is stored, and a page that is only read leaves no trace.
"""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.errors import SignInError
from app.models import Scope
from app.services import access, signing

GRANT = "hypothesis-grant"
ACCESS = "hypothesis-access"
RENEWAL = "hypothesis-renewal"
GRANT_SECONDS = 300
ACCESS_SECONDS = 3600
RENEWAL_SECONDS = 24 * 3600
SESSION = "session"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What a client annotates with, and renews that by."""

    access: str
    renewal: str
    seconds: int = ACCESS_SECONDS
    scope: Scope = Scope.annotate


def make_grant(key: bytes, session_id: int) -> str:
    """Return what the page of a signed-in reviewer hands to the client."""
    claims = {SESSION: session_id}
    return signing.sign(key, GRANT, claims, seconds=GRANT_SECONDS)


def exchange(session: Session, key: bytes, purpose: str, text: str) -> Tokens:
    """Return tokens for a grant, or for what renews them.

    Raises
    ------
    SignInError
        When it is not good, or the session it tells of has ended.
    """
    session_id = _read(key, purpose, text)
    if (
        session_id is None
        or access.find_session_holder(session, session_id).visitor is None
    ):
        raise SignInError("this is good no longer: load the page again")
    claims = {SESSION: session_id}
    return Tokens(
        access=signing.sign(key, ACCESS, claims, seconds=ACCESS_SECONDS),
        renewal=signing.sign(key, RENEWAL, claims, seconds=RENEWAL_SECONDS),
    )


def read_access(key: bytes, text: str) -> int | None:
    """Return the session that a token speaks for; None if it is none."""
    return _read(key, ACCESS, text)


def _read(key: bytes, purpose: str, text: str) -> int | None:
    claims = signing.read(key, purpose, text) or {}
    session_id = claims.get(SESSION)
    return session_id if isinstance(session_id, int) else None
