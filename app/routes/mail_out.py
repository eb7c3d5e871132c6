"""Answers by mail: a thread, an annotation or a mail as `.eml` and mbox."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, ClassVar

from fastapi import APIRouter, Depends, Request, Response

from app.dependencies import SessionDep
from app.identity import CurrentReviewer
from app.pages import Page, ShellDep, format_path, render
from app.services import mail_export, mail_replies, mail_writing
from app.services.mail_replies import Exporter
from app.services.mail_writing import OutgoingMail
from app.services.sections import make_slug

router = APIRouter(include_in_schema=False)


class Form(StrEnum):
    """The forms of a file that holds mails."""

    eml = "eml"
    mbox = "mbox"


MEDIA_TYPES = {
    Form.eml: "message/rfc822",
    Form.mbox: "application/mbox",
}


def get_exporter(request: Request, visitor: CurrentReviewer) -> Exporter:
    """Return who asks for a mail, and where this review is."""
    base_url = request.app.state.settings.base_url or str(request.base_url)
    return Exporter(visitor, base_url, datetime.now(UTC))


ExporterDep = Annotated[Exporter, Depends(get_exporter)]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingPage(Page):
    """An answer before it is sent, and the ways to send it.

    `place` is what it answers, `noun` its kind; `eml` and `mbox` are the
    addresses of the files.
    """

    template: ClassVar[str] = "mail_out/show.html"
    title: str = "Reply by mail"
    mail: OutgoingMail
    place: str
    noun: str = "threads"
    eml: str
    mbox: str
    is_masked: bool

    @property
    def mailto(self) -> str:
        """Return a link that starts the answer in a mail program."""
        return mail_writing.make_mailto(self.mail)

    @property
    def command(self) -> str:
        """Return how git sends the file."""
        options = [
            *(f"--to={one.address}" for one in self.mail.to),
            *(f"--cc={one.address}" for one in self.mail.cc),
        ]
        if self.mail.parent:
            options.insert(0, f"--in-reply-to=<{self.mail.parent}>")
        words = ["git send-email", *map(shlex.quote, options), "reply.eml"]
        return " \\\n    ".join(words)


def _answer(mails: Sequence[OutgoingMail], form: Form, name: str) -> Response:
    if form is Form.eml:
        content = mail_writing.write_mail(mails[0])
    else:
        content = b"".join(
            mail_export.write_mboxrd(
                mail_export.Copy(
                    mail_writing.write_mail(mail),
                    mail.sender.address,
                    mail.sent_at,
                )
                for mail in mails
            )
        )
    filename = f"reply-{make_slug(name)[:80]}.{form}"
    return Response(
        content,
        media_type=MEDIA_TYPES[form],
        headers={
            "Content-Disposition": f'attachment; filename="{filename}"',
            "Cache-Control": "no-store",  # its date is that of the download
        },
    )


# before the threads, for a slug has no ending
@router.get("/threads/{slug}.eml")
def export_thread_reply(
    session: SessionDep, exporter: ExporterDep, slug: str
) -> Response:
    """Answer with all that was written on a thread here, as one mail."""
    mail = mail_replies.make_thread_reply(session, exporter, slug)
    return _answer([mail], Form.eml, slug)


@router.get("/threads/{slug}.mbox")
def export_thread_mails(
    session: SessionDep, exporter: ExporterDep, slug: str
) -> Response:
    """Answer with what was written on a thread here, a mail each."""
    mails = mail_replies.make_thread_mails(session, exporter, slug)
    return _answer(mails, Form.mbox, slug)


@router.get("/threads/{slug}/reply-by-mail")
def show_thread_reply(
    request: Request,
    shell: ShellDep,
    session: SessionDep,
    exporter: ExporterDep,
    slug: str,
) -> Response:
    """Show the answer that a thread makes, before it is sent."""
    url_for = request.app.url_path_for
    page = OutgoingPage(
        mail=mail_replies.make_thread_reply(session, exporter, slug),
        place=url_for("show_thread", slug=slug),
        eml=url_for("export_thread_reply", slug=slug),
        mbox=url_for("export_thread_mails", slug=slug),
        is_masked=shell.reviewer is None,
    )
    return render(request, shell, page)


@router.get("/annotations/{annotation_id}/reply.{form}")
def export_annotation_reply(
    session: SessionDep,
    exporter: ExporterDep,
    annotation_id: str,
    form: Form,
) -> Response:
    """Answer with an annotation as a mail."""
    mail = mail_replies.make_annotation_reply(session, exporter, annotation_id)
    return _answer([mail], form, annotation_id)


@router.get("/annotations/{annotation_id}/reply-by-mail")
def show_annotation_reply(
    request: Request,
    shell: ShellDep,
    session: SessionDep,
    exporter: ExporterDep,
    annotation_id: str,
) -> Response:
    """Show the mail that an annotation makes, before it is sent."""
    mail = mail_replies.make_annotation_reply(session, exporter, annotation_id)
    url_for = request.app.url_path_for
    files = {
        form: url_for(
            "export_annotation_reply", annotation_id=annotation_id, form=form
        )
        for form in Form
    }
    page = OutgoingPage(
        mail=mail,
        place=mail.permalink,
        eml=files[Form.eml],
        mbox=files[Form.mbox],
        is_masked=shell.reviewer is None,
    )
    return render(request, shell, page)


# an id may hold a slash: it is quoted in links, and comes here unquoted
@router.get("/m/{message_id:path}/reply.{form}")
def export_message_reply(
    session: SessionDep, exporter: ExporterDep, message_id: str, form: Form
) -> Response:
    """Answer with the answer to a mail."""
    mail = mail_replies.make_message_reply(session, exporter, message_id)
    return _answer([mail], form, message_id)


@router.get("/m/{message_id:path}/reply-by-mail")
def show_message_reply(
    request: Request,
    shell: ShellDep,
    session: SessionDep,
    exporter: ExporterDep,
    message_id: str,
) -> Response:
    """Show the answer to a mail, before it is sent."""
    mail = mail_replies.make_message_reply(session, exporter, message_id)
    url_for = request.app.url_path_for
    name = format_path(message_id)
    files = {
        form: url_for("export_message_reply", message_id=name, form=form)
        for form in Form
    }
    page = OutgoingPage(
        mail=mail,
        place=url_for("show_message", message_id=name),
        noun="mail",
        eml=files[Form.eml],
        mbox=files[Form.mbox],
        is_masked=shell.reviewer is None,
    )
    return render(request, shell, page)
