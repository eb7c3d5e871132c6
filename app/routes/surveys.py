"""What pages and lists that rest on surveys share: the surveyor, headers."""

from typing import Annotated

from fastapi import Depends, Request, Response
from pydantic import BaseModel, Field

from app.services.surveying import Told
from app.services.surveys import Surveyor

RETRY_SECONDS = "2"


def get_surveyor(request: Request) -> Surveyor:
    """Return the application's surveyor."""
    surveyor: Surveyor = request.app.state.surveyor
    return surveyor


SurveyorDep = Annotated[Surveyor, Depends(get_surveyor)]


class ProgressOut(BaseModel):
    """How far a survey is; `total` is 0 as long as nobody knows."""

    done: int = Field(examples=[12])
    total: int = Field(examples=[57])


def make_progress(told: Told | None) -> ProgressOut | None:
    """Return how far a survey is, for programs."""
    return None if told is None else ProgressOut(**told._asdict())


def mark_unfinished(response: Response) -> None:
    """Say that this is no answer to keep, and when to ask again."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["Retry-After"] = RETRY_SECONDS
