"""Remarks on a run: annotations whose target is its page.

Which part of the run is meant, as `step=17&reg=eip`, is told as the client
named it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.models import Annotation, Person, Reviewer
from app.services.annotation_values import list_values

MOST = 200
FORMS = ("", "/", ".json")


class RunRemark(NamedTuple):
    """What somebody said of a run; `part` is empty if it is the whole."""

    id: str
    author: str
    created_at: datetime
    html: str
    part: str


def list_run_remarks(session: Session, run_id: str) -> list[RunRemark]:
    """Return the first remarks on a run in the order they were made."""
    rows = session.execute(
        select(
            col(Annotation.id),
            func.coalesce(col(Person.name), col(Reviewer.display_name), ""),
            col(Annotation.created_at),
            col(Annotation.html),
            col(Annotation.document),
        )
        .outerjoin(Person, col(Person.id) == col(Annotation.person_id))
        .outerjoin(Reviewer, col(Reviewer.id) == col(Annotation.reviewer_id))
        .where(
            col(Annotation.source).in_([f"/runs/{run_id}{f}" for f in FORMS]),
            col(Annotation.deleted_at).is_(None),
        )
        .order_by(col(Annotation.created_at), col(Annotation.id))
        .limit(MOST)
    )
    return [
        RunRemark(id_, author, at, html, _read_part(document))
        for id_, author, at, html, document in rows
    ]


def _read_part(document: Mapping[str, Any]) -> str:
    """Return the fragment of what is spoken of first."""
    target = list_values(document["target"])[0]
    if not isinstance(target, dict):
        return ""
    selectors = list_values(target.get("selector"))
    return next(
        (
            str(one["value"])
            for one in selectors
            if isinstance(one, dict) and one.get("type") == "FragmentSelector"
        ),
        "",
    )
