"""Imports: mails that an editor uploads, and what came of them."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, ClassVar

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import FormData, UploadFile

from app.dependencies import DatabaseDep
from app.errors import BusyError
from app.identity import SignedIn
from app.models import Role
from app.pages import Page, ShellDep, format_path, get_shell, render
from app.services.importing import ImportReport, import_mails
from app.services.mailbox import MboxForm, RawMail, read_stream

router = APIRouter(include_in_schema=False)

MOST_FILES = 1000
LONGEST_NAME = 200
MOST_FIELDS = 10
MOST_UNPACKED = 256 * 1024 * 1024
"""Most bytes that an upload may unpack to."""

PATIENCE = 10
"""Seconds after which to try again while somebody else imports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPage(Page):
    """The form; after an upload, what came of it and its first mails."""

    template: ClassVar[str] = "imports/new.html"
    title: str = "Import mail"
    may_import: bool
    report: ImportReport | None = None
    error: str | None = None
    form: MboxForm = MboxForm.mboxrd


async def read_upload(request: Request) -> AsyncIterator[FormData]:
    """Give the form with its files, the long ones on the disk."""
    async with request.form(
        max_files=MOST_FILES, max_fields=MOST_FIELDS
    ) as form:
        yield form


UploadDep = Annotated[FormData, Depends(read_upload)]


@contextmanager
def take_import_turn(request: Request) -> Iterator[None]:
    """Let one import run at a time, and others come back.

    Raises
    ------
    BusyError
        While another one runs.
    """
    turn = request.app.state.import_turn
    if not turn.acquire(blocking=False):
        raise BusyError("another import is running", retry_after=PATIENCE)
    try:
        yield
    finally:
        turn.release()
        request.app.state.quote_worker.begin()


@router.get("/import/")
def new_import(request: Request, shell: ShellDep) -> Response:
    """Show the form."""
    visitor = shell.reviewer
    may_import = visitor is not None and visitor.may(Role.editor)
    return render(request, shell, ImportPage(may_import=may_import))


@router.post("/import/")
def create_import(
    request: Request,
    database: DatabaseDep,
    editor: SignedIn,
    upload: UploadDep,
) -> Response:
    """Import the files; say what came of each mail that was refused."""
    files = [
        file
        for file in upload.getlist("files")
        if isinstance(file, UploadFile) and file.filename
    ]
    form = MboxForm("mboxo" if upload.get("form") == "mboxo" else "mboxrd")
    report = None
    if files:
        with take_import_turn(request):
            report = import_mails(
                database, read_files(files, form), actor=editor.actor
            )
    if report is not None and report.total == len(report.message_ids) == 1:
        shown = request.app.url_path_for(
            "show_message", message_id=format_path(report.message_ids[0])
        )
        return RedirectResponse(shown, HTTPStatus.SEE_OTHER)
    is_taken = report is not None and report.total > report.refusals
    with database.read() as session:
        shell = get_shell(session, editor)
    page = ImportPage(
        may_import=True,
        report=report,
        error=None if files else "Choose a file.",
        form=form,
    )
    status = HTTPStatus.OK if is_taken else HTTPStatus.UNPROCESSABLE_ENTITY
    return render(request, shell, page, status=status)


def read_files(
    files: Sequence[UploadFile], form: MboxForm
) -> Iterator[RawMail]:
    """Yield the mails of uploaded files."""
    for file in files:
        name = (file.filename or "").replace("\\", "/").rsplit("/", 1)[-1]
        yield from read_stream(
            file.file, name[:LONGEST_NAME], form, most=MOST_UNPACKED
        )
