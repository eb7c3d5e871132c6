"""The audit view: what the log tells of accounts, the newest first."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import or_, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.models import Entry
from app.services.windows import Window


class AuditKind(StrEnum):
    """What an entry about accounts tells of."""

    sign_ins = "sign-ins"
    accounts = "accounts"
    tokens = "tokens"
    invitations = "invitations"
    members = "members"


TYPES: Mapping[AuditKind, Sequence[str]] = {
    AuditKind.sign_ins: (
        "link.created",
        "reviewer.signed_in",
        "reviewer.signed_out",
        "session.ended",
    ),
    AuditKind.accounts: (
        "reviewer.added",
        "reviewer.disabled",
        "reviewer.enabled",
        "reviewer.linked",
        "reviewer.password_set",
        "reviewer.renamed",
        "reviewer.role_changed",
        "reviewer.unlinked",
    ),
    AuditKind.tokens: ("token.created", "token.revoked"),
    AuditKind.invitations: (
        "invitation.created",
        "invitation.revoked",
        "invitation.used",
    ),
    AuditKind.members: (
        "member.added",
        "member.removed",
        "proposal.closed",
        "proposal.opened",
    ),
}


WORDS: Mapping[str, str] = {"True": "yes", "False": "no"}
PHRASES: Mapping[str, str] = {
    "days": "for {} days",
    "display_name": "as {}",
    "from": "from {}",
    "hours": "for {} hours",
    "issuer": "at {}",
    "means": "by {}",
    "password": "with a password: {}",
    "proposal": "of {}",
    "reviewer": "by {}",
    "role": "as {}",
    "scope": "to {}",
    "sessions": "{} of them",
    "to": "to {}",
    "token": "number {}",
    "tokens": "tokens revoked: {}",
}
"""What the log tells of an act, in words."""


class AuditLine(NamedTuple):
    """One act on accounts."""

    seq: int
    at: datetime
    actor: str
    type: str
    subject: str
    data: Mapping[str, Any]

    @property
    def told(self) -> str:
        """Return what else is known of it, in a line."""
        return ", ".join(
            _say(key, value)
            for key, value in self.data.items()
            if value not in {None, ""}
        )


def _say(key: str, value: object) -> str:
    word = WORDS.get(str(value), str(value))
    phrase = PHRASES.get(key)
    if phrase is None:
        return f"{key} {word}"
    return (phrase.removesuffix("s") if word == "1" else phrase).format(word)


def list_acts(
    session: Session,
    *,
    account: str = "",
    kind: AuditKind | None = None,
    window: Window,
) -> Sequence[AuditLine]:
    """Return acts on accounts.

    Parameters
    ----------
    window
        Of lines of the log, and the order in which they are wanted.
    account
        Only what this account did, or what was done to it.
    kind
        Only acts of this kind.
    """
    wanted = TYPES[kind] if kind else [t for ts in TYPES.values() for t in ts]
    statement = select(
        col(Entry.seq),
        col(Entry.at),
        col(Entry.actor),
        col(Entry.type),
        col(Entry.subject),
        col(Entry.data),
    ).where(col(Entry.type).in_(wanted))
    if account:
        name = f"reviewer:{account}"
        statement = statement.where(
            or_(col(Entry.actor) == name, col(Entry.subject) == name)
        )
    rows = session.execute(window.cut(statement, col(Entry.seq))).all()
    return [AuditLine(*row) for row in window.arrange(rows)]
