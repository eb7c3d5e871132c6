"""Drafts of a revision: what forms send, shown, previewed and taken."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, ClassVar

from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field
from sqlalchemy.orm import Session
from starlette.datastructures import UploadFile

from app.db import Database
from app.dependencies import DatabaseDep
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
    make_none,
    require_some,
    split_names,
)
from app.identity import SignedIn
from app.models import RevisionSource
from app.pages import (
    Page,
    Shell,
    is_fragment,
    render,
    render_template,
)
from app.routes.revisions import Comparison
from app.services import (
    changes,
    drafted_text,
    revising,
    revisions,
)
from app.services.carrier import Foreseen
from app.services.lines import clean_text
from app.services.markdown import render_markdown
from app.services.revising import LONGEST_DOCUMENT, NewRevision
from app.services.revisions import RevisionRow
from app.services.rfc_text import RfcText

PREVIEW = "preview"
REFERENCE = "reference"
READ = "read"
LONGEST_NAMES = 20_000


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
    # kept, for whoever opens the session after this reads it as well
    await request.body()
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


def foresee_draft(
    editor: SignedIn,  # noqa: ARG001 - before the text is compared
    database: DatabaseDep,
    typed: FormDep,
) -> Foreseen | None:
    """Find where anchors go in what was typed, before anything is locked."""
    return _foresee(database, typed)


def foresee_file(
    editor: SignedIn,  # noqa: ARG001 - before the text is compared
    database: DatabaseDep,
    typed: Annotated[dict[str, str], Depends(read_file_form)],
) -> Foreseen | None:
    """Find where anchors go in what was sent, before anything is locked."""
    return _foresee(database, typed)


def _foresee(database: Database, typed: Typed) -> Foreseen | None:
    form, _ = check_form(RevisionForm, typed)
    is_kept = form is not None and form.kept_as != REFERENCE
    if form is None or not is_kept or typed.get("act") in (PREVIEW, READ):
        return None
    with database.read() as session:
        try:
            newest = revisions.get_newest(session)
            text = drafted_text.join_part(
                session, newest, form.text, form.section
            )
        except (InvalidError, NotFoundError):
            return None  # whoever takes the draft says why
        return revising.foresee(session, text)


# they stand before whatever opens the session that writes
ForeseenDep = Annotated[Foreseen | None, Depends(foresee_draft)]
ForeseenFileDep = Annotated[Foreseen | None, Depends(foresee_file)]
FileFormDep = Annotated[dict[str, str], Depends(read_file_form)]


def take_draft(  # noqa: PLR0913, PLR0917 - each is a part of the request
    request: Request,
    shell: Shell,
    session: Session,
    editor: SignedIn,
    page: DraftPage,
    source: RevisionSource,
    foreseen: Foreseen | None,
) -> Response:
    """Store what was typed, or show it with a preview or what is wrong."""
    form, wrong = check_form(RevisionForm, page.typed)
    previewed = page.typed.get("act") == PREVIEW
    if previewed:
        wrong.pop("change", None)
    if form is None and not (previewed and not wrong):
        return render_draft(request, shell, replace(page, errors=wrong))
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
                is_reference=form.kept_as == REFERENCE,
                basis=form.basis,
            ),
            foreseen,
        )
    except InvalidError as error:
        wrong = {f.pointer.strip("/"): str(error) for f in error.faults}
        return render_draft(request, shell, replace(page, errors=wrong))
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


def render_draft(request: Request, shell: Shell, page: DraftPage) -> Response:
    """Show a draft with what is wrong."""
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


def get_today() -> str:
    """Return the day that a new text has."""
    return datetime.now(UTC).strftime("%Y-%m-%d")
