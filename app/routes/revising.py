"""Making revisions: edited here, uploaded, or made of mail."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from app.dependencies import SessionDep
from app.errors import InvalidError
from app.forms import (
    FormDep,
    MaybeSlug,
    Typed,
    split_names,
)
from app.identity import SignedIn
from app.models import RevisionSource
from app.pages import (
    Shell,
    ShellDep,
    render,
)
from app.routes.revision_drafts import (
    READ,
    DraftPage,
    FileFormDep,
    ForeseenDep,
    ForeseenFileDep,
    MailPage,
    UploadPage,
    get_today,
    render_draft,
    take_draft,
)
from app.services import (
    drafted_text,
    mail_documents,
    revisions,
)
from app.services.mail_documents import MOST_MESSAGES
from app.services.revisions import RevisionRow

router = APIRouter(include_in_schema=False)


@router.get("/document/edit")
def edit_document(
    request: Request,
    editor: SignedIn,  # noqa: ARG001 - only editors see the form
    shell: ShellDep,
    session: SessionDep,
    section: Annotated[MaybeSlug, Query()] = None,
) -> Response:
    """Show the text, or one section of it, in a form."""
    newest = revisions.get_newest(session)
    typed = {
        "text": drafted_text.read_part(session, newest, section),
        "section": section or "",
        "basis": str(newest.number),
        "dated_on": get_today(),
    }
    return render(request, shell, _make_edit_page(request, newest, typed))


@router.post("/document/edit")
def create_edit(  # noqa: PLR0913 - what a draft needs each
    request: Request,
    *,
    editor: SignedIn,
    foreseen: ForeseenDep,
    shell: ShellDep,
    session: SessionDep,
    typed: FormDep,
) -> Response:
    """Make the next revision of an edited text, or show the form again."""
    page = _make_edit_page(request, revisions.get_newest(session), typed)
    return take_draft(
        request,
        shell,
        session,
        editor,
        page,
        RevisionSource.edit,
        foreseen,
    )


def _make_edit_page(
    request: Request, newest: RevisionRow, typed: Typed
) -> DraftPage:
    return DraftPage(
        title="Edit a section" if typed.get("section") else "Edit the text",
        action=request.app.url_path_for("create_edit"),
        typed=typed,
        newest=newest,
    )


@router.get("/document/upload")
def new_upload(
    request: Request,
    editor: SignedIn,  # noqa: ARG001 - only editors see the form
    shell: ShellDep,
    session: SessionDep,
) -> Response:
    """Show the form that takes a file."""
    newest = revisions.get_newest(session)
    typed = {"dated_on": get_today(), "basis": str(newest.number)}
    page = UploadPage(
        action=request.app.url_path_for("create_upload"),
        typed=typed,
        newest=newest,
    )
    return render(request, shell, page)


@router.post("/document/upload")
def create_upload(  # noqa: PLR0913 - what a draft needs each
    request: Request,
    *,
    editor: SignedIn,
    foreseen: ForeseenFileDep,
    shell: ShellDep,
    session: SessionDep,
    typed: FileFormDep,
) -> Response:
    """Make the next revision of a file, or show the form again."""
    page = UploadPage(
        action=request.app.url_path_for("create_upload"),
        typed=typed,
        newest=revisions.get_newest(session),
    )
    if typed.get("file_error"):
        wrong = {"file": typed["file_error"]}
        return render_draft(request, shell, replace(page, errors=wrong))
    return take_draft(
        request,
        shell,
        session,
        editor,
        page,
        RevisionSource.upload,
        foreseen,
    )


@router.get("/document/from-mail")
def new_mail_document(
    request: Request,
    editor: SignedIn,  # noqa: ARG001 - only editors see the form
    shell: ShellDep,
    session: SessionDep,
    id_: Annotated[
        list[Annotated[str, Query(max_length=1000)]] | None,
        Query(alias="id", max_length=MOST_MESSAGES),
    ] = None,
) -> Response:
    """Show what mails hold as a document, or ask which mails."""
    typed = {"message_ids": "\n".join(id_ or ())}
    return _read_mails(request, shell, session, typed)


@router.post("/document/from-mail")
def create_mail_document(  # noqa: PLR0913 - what a draft needs each
    request: Request,
    *,
    editor: SignedIn,
    foreseen: ForeseenDep,
    shell: ShellDep,
    session: SessionDep,
    typed: FormDep,
) -> Response:
    """Make a revision or a reference of mails, or show the form again."""
    if typed.get("act") == READ:
        return _read_mails(request, shell, session, typed)
    page = MailPage(
        action=request.app.url_path_for("create_mail_document"),
        typed=typed,
        newest=revisions.get_newest(session),
    )
    return take_draft(
        request,
        shell,
        session,
        editor,
        page,
        RevisionSource.mail,
        foreseen,
    )


def _read_mails(
    request: Request, shell: Shell, session: Session, typed: Typed
) -> Response:
    """Show the form with the document that the mails hold."""
    newest = revisions.get_newest(session)
    page = MailPage(
        action=request.app.url_path_for("create_mail_document"),
        typed=typed,
        newest=newest,
    )
    names = split_names(typed.get("message_ids", ""))
    if not names:
        return render(request, shell, page)
    try:
        read = mail_documents.read_mail_document(
            session, [name.strip("<>") for name in names]
        )
    except InvalidError as error:
        wrong = {"message_ids": str(error)}
        return render_draft(request, shell, replace(page, errors=wrong))
    filled = {
        **typed,
        "text": read.found.text,
        "dated_on": read.dated_on or get_today(),
        "change": f"As posted: {read.title}"[:200],
        "basis": str(newest.number),
        "kept_as": typed.get("kept_as") or "reference",
    }
    return render(
        request,
        shell,
        replace(page, typed=filled, found=read.found, subjects=read.subjects),
    )
