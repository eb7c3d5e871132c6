"""Containers of annotations and their pages, as JSON-LD.

Without a preference a container links to its first and last page; a client
may have the first one inside, of addresses or of whole annotations. The
address in the body tells these apart, and is sent as Content-Location.
"""

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Request, Response
from sqlalchemy.orm import Session

from app.errors import NotFoundError
from app.routes.annotation_forms import (
    PROFILE,
    Form,
    FormDep,
    answer_form,
    complete,
    get_base,
    write_json,
)
from app.routes.preferences import APPLIED, Preference, read_preference
from app.services import proposals
from app.services.annotation_pages import (
    FIRST,
    Mark,
    PageRows,
    Summary,
    find_last,
    read_mark,
    read_page,
    read_summary,
)
from app.services.annotation_rows import PLACE, make_address
from app.services.entries import format_time

CONTEXTS = (PROFILE, "http://www.w3.org/ns/ldp.jsonld")
ALL = "All annotations"
NOUN = "container of annotations"

Content = dict[str, Any]
Iris = Annotated[
    Literal["0", "1"],
    Query(description="1: pages of addresses; 0: of whole annotations."),
]
PageName = Annotated[
    str | None,
    Query(
        max_length=200,
        description="A page, as its container or another page links to it.",
        examples=[FIRST],
    ),
]


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a container is asked for, and in which form."""

    form: Form
    preference: Preference
    iris: bool
    page: str | None


async def read_asked(
    request: Request, form: FormDep, iris: Iris = "0", page: PageName = None
) -> Asked:
    """Return what is asked for; the preference goes before the address."""
    preference = Preference() if page else read_preference(request)
    wished = preference.iris
    return Asked(
        form, preference, iris == "1" if wished is None else wished, page
    )


AskedDep = Annotated[Asked, Depends(read_asked)]


@dataclass(frozen=True, slots=True)
class Container:
    """A container in the state that is read, and the form of its pages."""

    base: str
    slug: str
    label: str
    iris: bool
    size: int
    summary: Summary

    @property
    def id(self) -> str:
        """Return the address, which tells the form of the pages."""
        path = make_address(self.slug, "") if self.slug else PLACE
        return f"{self.base}{path}?iris={int(self.iris)}"

    def get_page_id(self, mark: Mark | None) -> str:
        """Return the address of the page at a mark."""
        return f"{self.id}&page={mark or FIRST}"

    def describe(self) -> Content:
        """Return what is said of it wherever it is named."""
        told: Content = {
            "id": self.id,
            "type": ["BasicContainer", "AnnotationCollection"],
            "label": self.label,
            "total": self.summary.total,
        }
        if self.summary.modified is not None:
            told["modified"] = format_time(self.summary.modified)
        return told


def answer_collection(
    request: Request, session: Session, slug: str, asked: Asked
) -> Response:
    """Answer with a container, or with a page of it."""
    container = Container(
        base=get_base(request),
        slug=slug,
        label=get_label(session, slug),
        iris=asked.iris,
        size=request.app.state.settings.annotation_page,
        summary=read_summary(session),
    )
    if asked.page is not None:
        page = _write_page(session, container, read_mark(asked.page))
        return answer_form(asked.form, page, {"Vary": "Accept"})
    headers = {"Vary": "Accept, Prefer", "Content-Location": container.id}
    if asked.preference.is_obeyed:
        headers["Preference-Applied"] = APPLIED
    content = _write_container(
        session, container, embeds=asked.preference.is_embedding
    )
    return answer_form(asked.form, content, headers)


def get_label(session: Session, slug: str) -> str:
    """Return what a container is called.

    Raises
    ------
    NotFoundError
        When there is none of this name.
    """
    if not slug:
        return ALL
    proposal = proposals.find_proposal(session)
    if proposal is None or proposal.slug != slug:
        raise NotFoundError(NOUN, slug)
    return f"Annotations on {proposal.title}"


def require_container(session: Session, slug: str) -> None:
    """Refuse the name of a container that there is none of."""
    if slug and proposals.find_slug(session) != slug:
        raise NotFoundError(NOUN, slug)


def _write_container(
    session: Session, container: Container, *, embeds: bool
) -> str:
    told: Content = {"@context": CONTEXTS, **container.describe()}
    total = container.summary.total
    if not total:
        return write_json(told)
    last = container.get_page_id(find_last(session, total, container.size))
    if not embeds:
        first = container.get_page_id(None)
        return write_json({**told, "first": first, "last": last})
    told["last"] = last
    rows = _read_rows(session, container, None)
    page = _build_page(container, None, rows)
    page["partOf"] = container.id
    first = _add_items(page, container, rows)
    return f'{write_json(told)[:-1]},"first":{first}}}'


def _write_page(
    session: Session, container: Container, mark: Mark | None
) -> str:
    rows = _read_rows(session, container, mark)
    page = {"@context": PROFILE, **_build_page(container, mark, rows)}
    page["partOf"] = {**container.describe(), "type": "AnnotationCollection"}
    return _add_items(page, container, rows)


def _read_rows(
    session: Session, container: Container, mark: Mark | None
) -> PageRows:
    return read_page(
        session,
        mark,
        container.summary.total,
        size=container.size,
        is_whole=not container.iris,
    )


def _build_page(
    container: Container, mark: Mark | None, rows: PageRows
) -> Content:
    page: Content = {
        "id": container.get_page_id(mark),
        "type": "AnnotationPage",
        "startIndex": rows.start,
    }
    if rows.next is not None:
        page["next"] = container.get_page_id(rows.next)
    if rows.prev is not None:
        page["prev"] = container.get_page_id(rows.prev)
    return page


def _add_items(page: Content, container: Container, rows: PageRows) -> str:
    # the items are texts already: the page is put together around them
    base = container.base
    items = (
        json.dumps(f"{base}{make_address(member.container, member.id)}")
        if container.iris
        else complete(member.document, base)
        for member in rows.members
    )
    return f'{write_json(page)[:-1]},"items":[{",".join(items)}]}}'
