"""A document from stored mails: read from their bytes, to be corrected."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy.orm import Session

from app.errors import Fault, InvalidError, NotFoundError
from app.services.document import list_call_names
from app.services.mail import parse_mail
from app.services.message_bytes import read_sent
from app.services.rfc_text import RfcText, Source, get_title, make_document

MOST_MESSAGES = 50
MOST_CHARACTERS = 1_000_000


class MailDocument(NamedTuple):
    """What mails hold as a document, with what is proposed to call it."""

    found: RfcText
    title: str
    dated_on: str
    subjects: Sequence[str]


def read_mail_document(
    session: Session, message_ids: Sequence[str], title: str = ""
) -> MailDocument:
    """Return the document of mails in the order they are named.

    Raises
    ------
    InvalidError
        When no mail is named, too many are, or one is not stored.
    """
    if not message_ids:
        raise _refuse("name a mail at least")
    if len(message_ids) > MOST_MESSAGES:
        raise _refuse(f"at most {MOST_MESSAGES} mails make a document")
    sources = []
    dates = []
    for message_id in message_ids:
        try:
            sent = read_sent(session, message_id)
        except NotFoundError as error:
            raise _refuse(str(error)) from error
        mail = parse_mail(sent.raw)
        sources.append(Source(mail.subject or message_id, mail.body))
        if mail.sent_at is not None:
            dates.append(mail.sent_at)
    if sum(len(source.body) for source in sources) > MOST_CHARACTERS:
        raise _refuse(f"at most {MOST_CHARACTERS:,} characters are read")
    chosen = title or get_title(sources[0].name)
    return MailDocument(
        found=make_document(chosen, sources, list_call_names(session)),
        title=chosen,
        dated_on=min(dates).strftime("%Y-%m-%d") if dates else "",
        subjects=[source.name for source in sources],
    )


def _refuse(reason: str) -> InvalidError:
    return InvalidError(reason, Fault("/message_ids", reason))
