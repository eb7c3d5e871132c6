"""What a Hypothesis client proves its reviewer by, for as long as it is open.

The page hands it a grant, good for minutes; for that it gets a token to
annotate with, good for an hour, and another to renew it by. All are signed
statements about the browser's session and are worth nothing once that ends:
nothing is stored, and a page that is only read leaves no trace. They name the
session by the digest of its secret, for its number may be given out again.
"""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.errors import SignInError
from app.models import Scope
from app.services import access, signing
from app.services.reviewers import compute_digest

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


def make_grant(key: bytes, secret: str) -> str:
    """Return what the page of a signed-in reviewer hands to the client."""
    claims = {SESSION: compute_digest(secret)}
    return signing.sign(key, GRANT, claims, seconds=GRANT_SECONDS)


def exchange(session: Session, key: bytes, purpose: str, text: str) -> Tokens:
    """Return tokens for a grant, or for what renews them.

    Raises
    ------
    SignInError
        When it is not good, or the session it tells of has ended.
    """
    digest = _read(key, purpose, text)
    if (
        digest is None
        or access.find_session_holder(session, digest).visitor is None
    ):
        raise SignInError("this is good no longer: load the page again")
    claims = {SESSION: digest}
    return Tokens(
        access=signing.sign(key, ACCESS, claims, seconds=ACCESS_SECONDS),
        renewal=signing.sign(key, RENEWAL, claims, seconds=RENEWAL_SECONDS),
    )


def read_access(key: bytes, text: str) -> str | None:
    """Return the digest of the session that a token speaks for, if any."""
    return _read(key, ACCESS, text)


def _read(key: bytes, purpose: str, text: str) -> str | None:
    claims = signing.read(key, purpose, text) or {}
    digest = claims.get(SESSION)
    return digest if isinstance(digest, str) else None
