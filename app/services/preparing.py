"""A mail made ready to be stored, with nothing that needs the database.

This is the slow part of an import: it runs in a process of its own, before
any lock is taken, and so it loads no more than reading a mail needs.
"""

import hashlib
import re
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from app.errors import InvalidError
from app.services.base_subject import BaseSubject, compute_base_subject
from app.services.mail import ParsedMail, get_synthetic_id, parse_mail
from app.services.mail_terms import SearchedMail, read_terms
from app.services.quotation import render_mail
from app.services.search_terms import Terms
from app.services.trailers import find_trailers

FOOTER_LINES = 14

_FOOTER = re.compile(
    r"(?:^(?:-{1,2} ?|_{10,}|-{10,})\n)?"
    r"^(?:To unsubscribe from this list\b|.{1,60} mailing list\n)",
    re.MULTILINE,
)


class Prepared(NamedTuple):
    """A mail as the tables take it: texts rendered, long ones deflated."""

    mail: ParsedMail
    subject: BaseSubject
    sha256: str
    size: int
    raw: bytes
    body: bytes
    html: bytes
    terms: Terms

    @property
    def content_id(self) -> str:
        """Return an id for where the mail's own is missing or taken.

        Copies of one mail from several lists have the same.
        """
        # few need one, and it takes as long as some parsing
        return _compute_content_id(self.mail, self.raw)


def prepare_mail(raw: bytes) -> Prepared:
    """Read one mail, or refuse it."""
    mail = parse_mail(raw)
    mail = mail._replace(trailers=[*find_trailers(mail.body)])
    subject = compute_base_subject(mail.subject)
    return Prepared(
        mail=mail,
        subject=subject,
        sha256=hashlib.sha256(raw).hexdigest(),
        size=len(raw),
        raw=zlib.compress(raw),
        body=zlib.compress(mail.body.encode()),
        html=zlib.compress(render_mail(mail.body).encode()),
        terms=read_terms(
            SearchedMail(
                mail.subject,
                mail.sender,
                mail.in_reply_to,
                subject.is_reply,
                mail.headers,
                mail.body,
            ),
            has_files=bool(mail.attachments),
        ),
    )


def prepare_mails(raws: Sequence[bytes]) -> list[Prepared | str]:
    """Read mails; of each that is refused, return the reason."""
    made: list[Prepared | str] = []
    for raw in raws:
        try:
            made.append(prepare_mail(raw))
        except InvalidError as error:
            made.append(str(error))
    return made


def _compute_content_id(mail: ParsedMail, packed: bytes) -> str:
    if mail.is_archived:
        return get_synthetic_id(zlib.decompress(packed))
    said = (
        *(mail.message_id or "", mail.sender, mail.subject),
        *(str(mail.sent_at), fold_text(mail.body)),
    )
    return get_synthetic_id("\n".join(said).encode())


def fold_text(body: str) -> str:
    """Return a text as it is alike in all copies that lists send of it."""
    lines = body.rstrip().split("\n")
    last = "\n".join(lines[-FOOTER_LINES:])
    footer = _FOOTER.search(f"{last}\n")
    if footer is not None:
        last = last[: footer.start()]
    whole = "\n".join([*lines[:-FOOTER_LINES], last])
    return " ".join(whole.split())
