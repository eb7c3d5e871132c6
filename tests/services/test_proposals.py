"""Proposals: the RFC under review."""

from sqlalchemy.orm import Session

from app.db import Database
from app.services import proposals


def test_the_loaded_proposal_is_found(session: Session) -> None:
    proposal = proposals.find_proposal(session)
    assert proposal is not None
    assert proposal.slug == "vmi"
    assert proposal.title == "Paravirtualization API Version 2.0"
    assert proposal.authors[0] == "Zachary Amsden"
    assert proposal.status == "under review"


def test_before_a_load_there_is_none(empty_database: Database) -> None:
    with empty_database.read() as session:
        assert proposals.find_proposal(session) is None
