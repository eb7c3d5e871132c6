"""Who has a say in what another made."""

import pytest

from app.errors import ForbiddenError, InvalidError
from app.models import Role
from app.services.moderation import require_reason, require_say
from app.services.reviewers import Visitor


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("author", ["ada", "bob", None])
def test_authors_and_editors_have_a_say(
    role: Role, author: str | None
) -> None:
    visitor = Visitor(1, "ada", "Ada", role)
    is_editor = role in {Role.editor, Role.administrator}
    if author == "ada" or is_editor:
        require_say(visitor, author)
    else:
        with pytest.raises(ForbiddenError):
            require_say(visitor, author)


def test_a_reason_is_asked_for_where_it_is_another() -> None:
    visitor = Visitor(1, "ed", "Ed", Role.editor)
    require_reason(visitor, "ed", "")
    require_reason(visitor, "ada", "off topic")
    for author in ("ada", None):
        with pytest.raises(InvalidError) as refusal:
            require_reason(visitor, author, " ")
        assert refusal.value.faults[0].pointer == "/reason"
