"""Anchors: what looks for its place in the newest revision, and settling it.

Quotes of mails that wait for an editor stand on the same page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, ClassVar

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, BeforeValidator, Field

from app.dependencies import SessionDep
from app.errors import InvalidError
from app.forms import (
    LARGEST,
    FormDep,
    MaybeSlug,
    Quote,
    Typed,
    check_form,
    make_none,
)
from app.identity import SignedIn
from app.models import AnchorState, Role
from app.pages import Page, Shell, ShellDep, render
from app.services import quotes, settling, threads, waiting_anchors
from app.services.quotes import WaitingQuotes
from app.services.waiting_anchors import Waiting

router = APIRouter(include_in_schema=False)

Place = Annotated[int, Query(ge=0, le=LARGEST)]
AnchorId = Annotated[int, Path(ge=1, le=LARGEST)]


class Act(StrEnum):
    """What an editor says of an anchor."""

    choose = "choose"
    reattach = "reattach"
    orphan = "orphan"
    reopen = "reopen"


class AnchorForm(BaseModel):
    """One of the proposed places, another one, or none."""

    act: Act
    rival: Annotated[
        Annotated[int, Field(ge=0, le=LARGEST)] | None,
        BeforeValidator(make_none),
    ] = None
    section: MaybeSlug = None
    quote: Quote = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorsPage(Page):
    """The anchors that wait, those that lost their place, and quotes.

    `errors` are those of the form of anchor `refused`, as `typed`.
    """

    template: ClassVar[str] = "anchors/list.html"
    title: str = "Places to confirm"
    counts: Mapping[AnchorState, int]
    proposed: Sequence[Waiting]
    orphans: Sequence[Waiting]
    more_proposed: int | None
    more_orphans: int | None
    confirmed: Sequence[Waiting]
    more_confirmed: int | None
    waiting: WaitingQuotes
    sections: Sequence[tuple[str, str]]
    may_edit: bool
    refused: int | None = None
    typed: Typed = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)


@router.get("/review/anchors/")
def list_anchors(  # noqa: PLR0913 - each is a place in one of the lists
    request: Request,
    shell: ShellDep,
    session: SessionDep,
    *,
    proposed: Place = 0,
    orphans: Place = 0,
    quotes: Place = 0,
    confirmed: Place = 0,
) -> Response:
    """Show what waits for an editor, each list from a place on."""
    page = _build_page(shell, session, (proposed, orphans, quotes, confirmed))
    return render(request, shell, page)


@router.post("/review/anchors/{anchor_id}")
def settle_anchor(  # noqa: PLR0913 - each is a part of the request
    request: Request,
    *,
    visitor: SignedIn,
    shell: ShellDep,
    session: SessionDep,
    typed: FormDep,
    anchor_id: AnchorId,
) -> Response:
    """Put an anchor where an editor says, or show what is wrong."""
    form, wrong = check_form(AnchorForm, typed)
    if form is not None:
        try:
            if form.act == Act.choose:
                settling.choose_rival(
                    session, visitor, anchor_id, form.rival or 0
                )
            elif form.act == Act.reattach:
                settling.reattach(
                    session,
                    visitor,
                    anchor_id,
                    form.section or "",
                    form.quote,
                )
            elif form.act == Act.reopen:
                settling.reopen(session, visitor, anchor_id)
            else:
                settling.set_orphan(session, visitor, anchor_id)
        except InvalidError as error:
            wrong = {f.pointer.strip("/"): f.message for f in error.faults}
        else:
            return RedirectResponse(
                request.app.url_path_for("list_anchors"),
                status_code=HTTPStatus.SEE_OTHER,
            )
    page = _build_page(
        shell, session, refused=anchor_id, typed=typed, errors=wrong
    )
    return render(request, shell, page, status=HTTPStatus.UNPROCESSABLE_ENTITY)


def _build_page(  # noqa: PLR0913 - what was refused has three parts
    shell: Shell,
    session: SessionDep,
    after: tuple[int, int, int, int] = (0, 0, 0, 0),
    *,
    refused: int | None = None,
    typed: Typed | None = None,
    errors: Mapping[str, str] | None = None,
) -> AnchorsPage:
    proposed = waiting_anchors.list_waiting(
        session, AnchorState.proposed, after=after[0]
    )
    orphans = waiting_anchors.list_waiting(
        session, AnchorState.orphan, after=after[1]
    )
    confirmed = waiting_anchors.list_confirmed(session, after=after[3])
    may_edit = shell.reviewer is not None and shell.reviewer.may(Role.editor)
    return AnchorsPage(
        counts=waiting_anchors.count_waiting(session),
        proposed=proposed,
        orphans=orphans,
        more_proposed=_find_last(proposed),
        more_orphans=_find_last(orphans),
        confirmed=confirmed,
        more_confirmed=_find_last(confirmed),
        waiting=quotes.read_waiting(session, after=after[2]),
        sections=threads.list_choices(session).sections if may_edit else (),
        may_edit=may_edit,
        refused=refused,
        typed=typed or {},
        errors=errors or {},
    )


def _find_last(waiting: Sequence[Waiting]) -> int | None:
    """Return where the next ones start, None if there are none."""
    return waiting[-1].id if len(waiting) == waiting_anchors.MOST else None
