"""Whether the program is up and reaches its database."""

from fastapi import APIRouter, Request
from pydantic import BaseModel

from app.dependencies import SessionDep
from app.identity import get_access
from app.services import entries

router = APIRouter(include_in_schema=False)


class Health(BaseModel):
    """What a supervisor asks for; `head` is for who may read the review."""

    status: str
    head: int | None


@router.get("/healthz")
def health(request: Request, session: SessionDep) -> Health:
    """Answer with the log's head, which takes a working database.

    How long the log of a private review is, is no affair of others.
    """
    head = entries.get_head(session).seq
    may_read = get_access(request).may_read
    return Health(status="ok", head=head if may_read else None)
