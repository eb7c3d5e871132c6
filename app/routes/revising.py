"""Making revisions: edited here, uploaded, or made of mail."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, ClassVar

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field
from sqlalchemy.orm import Session
from starlette.datastructures import UploadFile

from app.db import SessionDep
from app.errors import InvalidError, NotFoundError
from app.forms import (
    FIELDS,
    LARGEST,
    FilledLine,
    FormDep,
    Line,
    MaybeSlug,
    Typed,
    check_form,
    clean_text,
    make_none,
    require_some,
    split_names,
)
from app.identity import SignedIn
from app.models import RevisionSource
from app.pages import (
    Page,
    Shell,
    ShellDep,
    is_fragment,
    render,
    render_template,
)
from app.routes.revisions import Comparison
from app.services import (
    changes,
    drafted_text,
    mail_documents,
    revising,
    revisions,
)
from app.services.mail_documents import MOST_MESSAGES
from app.services.markdown import render_markdown
from app.services.revising import LONGEST_DOCUMENT, NewRevision
from app.services.revisions import RevisionRow
from app.services.rfc_text import RfcText

PREVIEW = "preview"
READ = "read"
LONGEST_NAMES = 20_000

router = APIRouter(include_in_schema=False)


def _check_day(value: str) -> str:
    try:
        datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise ValueError("expected a day, as 2006-03-22") from error
    return value


DocumentText = Annotated[
    str,
    Field(max_length=LONGEST_DOCUMENT),
    AfterValidator(clean_text),
    AfterValidator(require_some),
]
Day = Annotated[str, Field(max_length=10), AfterValidator(_check_day)]
Basis = Annotated[
    Annotated[int, Field(ge=1, le=LARGEST)] | None,
    BeforeValidator(make_none),
]


class RevisionForm(BaseModel):
    """A text that shall be a revision, and what is said of it."""

    text: DocumentText
    change: FilledLine
    dated_on: Day
    basis: Basis = None
    section: MaybeSlug = None
    kept_as: Line = ""
    message_ids: Annotated[str, Field(max_length=LONGEST_NAMES)] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """How a draft would look, and what it would change."""

    html: str
    comparison: Comparison | None
    since: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftPage(Page):
    """A form with a text that may become a revision.

    `outdated` is the revision that was made while the draft was written,
    `typed` what stands in the fields.
    """

    template: ClassVar[str] = "revisions/edit.html"
    action: str
    typed: Typed
    newest: RevisionRow
    preview: Preview | None = None
    outdated: RevisionRow | None = None
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def of_mail(self) -> bool:
        """Tell whether the text comes from mails."""
        return self.template == MailPage.template


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadPage(DraftPage):
    """The form that takes a file."""

    template: ClassVar[str] = "revisions/upload.html"
    title: str = "Upload a text"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailPage(DraftPage):
    """The form that names mails, then corrects what was read from them.

    `found` is what was read, `subjects` are those of the mails.
    """

    template: ClassVar[str] = "revisions/from_mail.html"
    title: str = "A document from mail"
    found: RfcText | None = None
    subjects: Sequence[str] = ()


async def read_file_form(
    request: Request,
    editor: SignedIn,  # noqa: ARG001 - before the file is read
) -> AsyncIterator[dict[str, str]]:
    """Give the fields of a form with one file, which becomes `text`."""
    async with request.form(max_files=1, max_fields=FIELDS) as form:
        typed = {k: v for k, v in form.items() if isinstance(v, str)}
        file = form.get("file")
        if isinstance(file, UploadFile) and file.filename:
            raw = await file.read()
            typed["file_error"] = ""
            try:
                typed["text"] = raw.decode("utf-8-sig")
            except UnicodeDecodeError as error:
                typed["file_error"] = f"byte {error.start} is not UTF-8"
        yield typed


FileFormDep = Annotated[dict[str, str], Depends(read_file_form)]


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
        "dated_on": _get_today(),
    }
    return render(request, shell, _make_edit_page(request, newest, typed))


@router.post("/document/edit")
def create_edit(
    request: Request,
    editor: SignedIn,
    shell: ShellDep,
    session: SessionDep,
    typed: FormDep,
) -> Response:
    """Make the next revision of an edited text, or show the form again."""
    page = _make_edit_page(request, revisions.get_newest(session), typed)
    return _take_draft(
        request, shell, session, editor, page, RevisionSource.edit
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
    typed = {"dated_on": _get_today(), "basis": str(newest.number)}
    page = UploadPage(
        action=request.app.url_path_for("create_upload"),
        typed=typed,
        newest=newest,
    )
    return render(request, shell, page)


@router.post("/document/upload")
def create_upload(
    request: Request,
    editor: SignedIn,
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
        return _render_draft(request, shell, replace(page, errors=wrong))
    return _take_draft(
        request, shell, session, editor, page, RevisionSource.upload
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
def create_mail_document(
    request: Request,
    editor: SignedIn,
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
    return _take_draft(
        request, shell, session, editor, page, RevisionSource.mail
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
        return _render_draft(request, shell, replace(page, errors=wrong))
    filled = {
        **typed,
        "text": read.found.text,
        "dated_on": read.dated_on or _get_today(),
        "change": f"As posted: {read.title}"[:200],
        "basis": str(newest.number),
        "kept_as": typed.get("kept_as") or "reference",
    }
    return render(
        request,
        shell,
        replace(page, typed=filled, found=read.found, subjects=read.subjects),
    )


def _take_draft(  # noqa: PLR0913, PLR0917 - each is a part of the request
    request: Request,
    shell: Shell,
    session: Session,
    editor: SignedIn,
    page: DraftPage,
    source: RevisionSource,
) -> Response:
    """Store what was typed, or show it with a preview or what is wrong."""
    form, wrong = check_form(RevisionForm, page.typed)
    previewed = page.typed.get("act") == PREVIEW
    if previewed:
        wrong.pop("change", None)
    if form is None and not (previewed and not wrong):
        return _render_draft(request, shell, replace(page, errors=wrong))
    if form and not previewed and form.basis not in (None, page.newest.number):
        return _render_outdated(request, shell, session, page)
    try:
        text = _join(session, page)
        if previewed or form is None:
            shown = replace(page, preview=_make_preview(session, page, text))
            return _render_preview(request, shell, shown)
        made = revising.create_revision(
            session,
            editor,
            NewRevision(
                text=text,
                change=form.change,
                dated_on=form.dated_on,
                source=source,
                message_ids=[
                    name.strip("<>") for name in split_names(form.message_ids)
                ],
                is_reference=form.kept_as == "reference",
                basis=form.basis,
            ),
        )
    except InvalidError as error:
        wrong = {f.pointer.strip("/"): str(error) for f in error.faults}
        return _render_draft(request, shell, replace(page, errors=wrong))
    request.app.state.quote_worker.begin()
    return RedirectResponse(
        request.app.url_path_for("show_changes", number=made.number)
        if not made.is_reference
        else request.app.url_path_for("show_revision", number=made.number),
        status_code=HTTPStatus.SEE_OTHER,
    )


def _make_preview(session: Session, page: DraftPage, text: str) -> Preview:
    compared = Comparison(changes.compare_draft(session, page.newest, text))
    return Preview(
        html=render_markdown(clean_text(page.typed.get("text", ""))),
        comparison=None if page.of_mail else compared,
        since=page.newest.number,
    )


def _render_preview(
    request: Request, shell: Shell, page: DraftPage
) -> Response:
    if is_fragment(request):
        return render_template(request, shell, "revisions/_preview.html", page)
    return render(request, shell, page)


def _render_draft(request: Request, shell: Shell, page: DraftPage) -> Response:
    if is_fragment(request):
        return render_template(request, shell, "revisions/_preview.html", page)
    return render(request, shell, page, status=HTTPStatus.UNPROCESSABLE_ENTITY)


def _render_outdated(
    request: Request, shell: Shell, session: Session, page: DraftPage
) -> Response:
    """Show the draft, kept, beside what was made meanwhile."""
    preview, wrong = None, {}
    try:
        preview = _make_preview(session, page, _join(session, page))
    except (InvalidError, NotFoundError) as error:
        wrong = {"text": str(error)}
    shown = replace(
        page,
        typed={**page.typed, "basis": str(page.newest.number)},
        outdated=page.newest,
        preview=preview,
        errors=wrong,
    )
    return render(request, shell, shown, status=HTTPStatus.CONFLICT)


def _join(session: Session, page: DraftPage) -> str:
    return drafted_text.join_part(
        session,
        page.newest,
        clean_text(page.typed.get("text", "")),
        page.typed.get("section") or None,
    )


def _get_today() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d")
