"""One mail into the tables, as `importing` brings in many."""

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.models import Message
from app.services.mail_store import Arrived, store_mails
from app.services.preparing import prepare_mail
from app.services.reviewers import PROGRAM


def import_message(
    session: Session, raw: bytes, *, actor: str = PROGRAM, source: str = ""
) -> Message:
    """Store a mail as received; one that is stored already stays as it is.

    Raises
    ------
    InvalidError
        When it is no mail, or more than is taken; it says why.
    """
    arrived = Arrived(prepare_mail(raw), source)
    (message_id,) = store_mails(session, [arrived], actor).message_ids
    return session.execute(
        select(Message).where(col(Message.message_id) == message_id)
    ).scalar_one()
