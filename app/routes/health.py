"""Whether the program is up and reaches its database."""

from fastapi import APIRouter
from pydantic import BaseModel

from app.db import SessionDep
from app.services import entries

router = APIRouter(include_in_schema=False)


class Health(BaseModel):
    """What a supervisor asks for."""

    status: str
    head: int


@router.get("/healthz")
def health(session: SessionDep) -> Health:
    """Answer with the log's head, which takes a working database."""
    return Health(status="ok", head=entries.get_head(session).seq)
