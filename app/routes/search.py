"""Search: the page, searches kept under a name, and their feeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Annotated, ClassVar

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from app.dependencies import SessionDep
from app.errors import ConflictError, Fault, InvalidError
from app.forms import (
    FilledLine,
    FormDep,
    check_form,
    make_none,
)
from app.identity import CurrentReviewer, SignedIn
from app.models import Role, SearchKind
from app.pages import (
    Page,
    Shell,
    ShellDep,
    is_fragment,
    render,
    render_template,
)
from app.routes.search_results import (
    Results,
    answer_feed,
    get_path,
    get_search_url,
    make_results,
    show_marked,
)
from app.services import saved_searches, search
from app.services.lines import clean_line
from app.services.saved_searches import SavedRow
from app.services.search import Found, Order, Wanted
from app.services.search_query import LONGEST_QUERY

STORIES = 50

router = APIRouter(include_in_schema=False)

# a longer query is refused with its column, as all that is not understood
Asked = Annotated[
    str,
    Query(
        max_length=4 * LONGEST_QUERY,
        description="The query, as the search page's help explains it.",
        examples=['call:VMI_SetCR3 nq:"TLB flush"'],
    ),
    AfterValidator(clean_line),
]
MaybeKind = Annotated[
    SearchKind | None,
    BeforeValidator(make_none),
    Query(description="Only what is of this kind."),
]
MaybeOrder = Annotated[
    Order | None,
    BeforeValidator(make_none),
    Query(description="The latest first, or what fits best."),
]
PageNumber = Annotated[
    int, Query(ge=1, le=search.MOST_PAGES, description="Which page of it.")
]


@dataclass(frozen=True, slots=True)
class Misread:
    """What of a query was not understood, and the query around that."""

    fault: Fault
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class SaveDraft:
    """What the form shows that keeps a search; `errors` by field."""

    name: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPage(Page):
    """What was asked, what was found, and what is kept."""

    template: ClassVar[str] = "search/show.html"
    wanted: Wanted
    results: Results | None
    misread: Misread | None
    current: SavedRow | None
    saved: Sequence[SavedRow]
    may_save: bool
    draft: SaveDraft
    marked = staticmethod(show_marked)


class SaveForm(BaseModel):
    """A search, and the name that it is kept under."""

    name: FilledLine
    q: Annotated[
        str, Field(max_length=LONGEST_QUERY), AfterValidator(clean_line)
    ]
    kind: Annotated[SearchKind | None, BeforeValidator(make_none)] = None


@router.get("/search")
def show_search(  # noqa: PLR0913 - a part of the address each
    request: Request,
    *,
    shell: ShellDep,
    session: SessionDep,
    q: Asked = "",
    kind: MaybeKind = None,
    order: MaybeOrder = None,
    page: PageNumber = 1,
) -> Response:
    """Show what a query finds."""
    wanted = Wanted(text=q, kind=kind, order=order, page=page)
    return _render(request, shell, session, wanted)


@router.get("/search.atom")
def follow_search(
    request: Request,
    session: SessionDep,
    visitor: CurrentReviewer,
    q: Asked = "",
    kind: MaybeKind = None,
) -> Response:
    """Answer with the newest that a query finds as a feed."""
    wanted = Wanted(text=q, kind=kind, order=Order.newest, limit=STORIES)
    found = search.search(
        session,
        wanted,
        account=visitor.name if visitor else None,
        is_masked=visitor is None,
    )
    page = get_search_url(request, replace(wanted, order=None))
    return answer_feed(
        request, f"Search: {q}", page, _get_feed(request, wanted), found
    )


@router.post("/search/saved")
def save_search(
    request: Request,
    visitor: SignedIn,
    shell: ShellDep,
    session: SessionDep,
    typed: FormDep,
) -> Response:
    """Keep a search under a name, or show it again with what is wrong."""
    form, wrong = check_form(SaveForm, typed)
    if form is not None:
        try:
            slug = saved_searches.save_search(
                session, visitor, form.name, form.q, form.kind
            )
        except (InvalidError, ConflictError) as error:
            wrong = {"name": str(error)}
        else:
            return _go_to(request, "show_saved_search", slug=slug)
    wanted = Wanted(text=form.q if form else typed.get("q", ""))
    draft = SaveDraft(typed.get("name", ""), wrong)
    return _render(request, shell, session, wanted, draft=draft)


@router.get("/search/{slug}.atom")
def follow_saved_search(
    request: Request,
    session: SessionDep,
    visitor: CurrentReviewer,
    slug: str,
) -> Response:
    """Answer with the newest that a saved search finds as a feed."""
    saved = saved_searches.get_saved(session, slug)
    wanted = Wanted(
        text=saved.query,
        kind=saved.kind,
        order=Order.newest,
        limit=STORIES,
    )
    found = search.search(
        session, wanted, account=saved.owner, is_masked=visitor is None
    )
    page = get_path(request, "show_saved_search", slug=slug)
    return answer_feed(request, saved.name, page, f"{page}.atom", found)


@router.get("/search/{slug}")
def show_saved_search(  # noqa: PLR0913 - a part of the address each
    request: Request,
    *,
    shell: ShellDep,
    session: SessionDep,
    slug: str,
    order: MaybeOrder = None,
    page: PageNumber = 1,
) -> Response:
    """Show what a saved search finds."""
    saved = saved_searches.get_saved(session, slug)
    wanted = Wanted(text=saved.query, kind=saved.kind, order=order, page=page)
    return _render(request, shell, session, wanted, saved=saved)


@router.post("/search/{slug}/delete")
def delete_search(
    request: Request, visitor: SignedIn, session: SessionDep, slug: str
) -> Response:
    """Drop a search of one's own."""
    saved_searches.delete_search(session, visitor, slug)
    return _go_to(request, "show_search")


def _go_to(request: Request, route: str, **parts: str) -> Response:
    return RedirectResponse(
        get_path(request, route, **parts), status_code=HTTPStatus.SEE_OTHER
    )


def _get_feed(request: Request, wanted: Wanted) -> str:
    asked = replace(wanted, order=None, page=1)
    path = get_path(request, "follow_search")
    return path + get_search_url(request, asked).removeprefix(
        get_path(request, "show_search")
    )


def _render(  # noqa: PLR0913 - what the page depends on
    request: Request,
    shell: Shell,
    session: SessionDep,
    wanted: Wanted,
    *,
    saved: SavedRow | None = None,
    draft: SaveDraft | None = None,
) -> Response:
    reviewer = shell.reviewer
    account = reviewer.name if reviewer else None
    draft = draft or SaveDraft()
    results, misread = None, None
    try:
        found = search.search(
            session,
            wanted,
            account=saved.owner if saved else account,
            is_masked=reviewer is None,
        )
    except InvalidError as error:
        misread = _show_fault(wanted.text, error)
    else:
        results = _make_results(request, wanted, found, saved)
    may_save = reviewer is not None and reviewer.may(Role.reviewer)
    shown = SearchPage(
        title=saved.name if saved else "Search",
        wanted=wanted,
        results=results if wanted.text else None,
        misread=misread,
        current=saved,
        saved=saved_searches.list_saved(session),
        may_save=may_save and saved is None and misread is None,
        draft=draft,
    )
    if is_fragment(request):
        return render_template(request, shell, "search/_results.html", shown)
    refused = misread is not None or draft.errors
    status = HTTPStatus.UNPROCESSABLE_ENTITY if refused else HTTPStatus.OK
    return render(request, shell, shown, status=status)


def _make_results(
    request: Request, wanted: Wanted, found: Found, saved: SavedRow | None
) -> Results:
    if saved is None:
        return make_results(request, wanted, found, _get_feed(request, wanted))
    path = get_path(request, "show_saved_search", slug=saved.slug)
    # what is `mine` there is its owner's: its pages are pages of it
    return make_results(request, wanted, found, f"{path}.atom", path)


def _show_fault(text: str, error: InvalidError) -> Misread:
    (fault,) = error.faults
    at = (fault.column or 1) - 1
    return Misread(fault, text[:at], text[at:])
