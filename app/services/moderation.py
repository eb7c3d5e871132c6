"""Moderation: who may change what another made.

Authors change what is theirs. An editor may take away, or set right, what is
another's, and says why; the log keeps the reason.
"""

from app.errors import Fault, ForbiddenError, InvalidError
from app.models import Role
from app.services.reviewers import Visitor


def require_say(visitor: Visitor, author: str | None) -> None:
    """Refuse whoever has no say in what `author` made.

    Parameters
    ----------
    author
        The name of the account; None for what came by mail.

    Raises
    ------
    ForbiddenError
        When the visitor is neither the author nor an editor.
    """
    if visitor.name != author and not visitor.may(Role.editor):
        raise ForbiddenError("this is another's; an editor may change it")


def require_reason(visitor: Visitor, author: str | None, reason: str) -> None:
    """Refuse an editor who changes another's and does not say why."""
    if visitor.name != author and not reason.strip():
        raise InvalidError(
            "who changes what is another's says why",
            Fault("/reason", "expected a reason"),
        )
