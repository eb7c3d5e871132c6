"""The document: its text by section, with what was said beside it."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape, unescape
from typing import ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from app.dependencies import SessionDep
from app.errors import NotFoundError
from app.pages import Page, ShellDep, render
from app.services import changes, document
from app.services.document import Document, Remark, SectionRow
from app.services.marking import Mark, mark_passages
from app.services.remarks import RemarkRow

LONGEST_QUOTE = 300
BESIDE = 5
"""Remarks of mails on a section that stand unfolded."""

_BLOCK = re.compile(
    r'<(p|li|pre) id="([^"]+)">(.*?)(?=</\1>|<[uo]l|<p)', re.DOTALL
)
_TAG = re.compile(r"<[^>]+>")
_CODE = re.compile(r"<code>(\w+)</code>")

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedRemark:
    """A thread in the margin, counted through the page."""

    number: int
    remark: Remark
    place: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedSaying:
    """What a mail or a reviewer said, counted through the page."""

    number: int
    remark: RemarkRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A section as it is set: its text with links, the remarks beside it.

    `heading` is the level of its heading on this page.
    """

    section: SectionRow
    heading: int
    html: str
    open: Sequence[NumberedRemark]
    said: Sequence[NumberedSaying]
    settled: Sequence[NumberedRemark]


@dataclass(frozen=True, slots=True)
class Branch:
    """A section in the tree, with those below it."""

    section: SectionRow
    below: Sequence["Branch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentPage(Page):
    """The document, whole or one section of it with those below."""

    template: ClassVar[str] = "document/show.html"
    beside: ClassVar[int] = BESIDE
    document: Document
    leaves: Sequence[Leaf]
    tree: Sequence[Branch]
    most: int
    current: SectionRow | None
    previous: SectionRow | None
    next: SectionRow | None
    has_client: bool


@router.get("/document/")
def show_document(
    request: Request, shell: ShellDep, session: SessionDep
) -> Response:
    """Show the whole text."""
    found = document.read_document(session)
    page = _build_page(request, found, None)
    return render(request, shell, page)


@router.get("/document/{anchor}")
def show_section(
    request: Request, shell: ShellDep, session: SessionDep, anchor: str
) -> Response:
    """Show one section; its number, as `2.5`, leads there too."""
    found = document.read_document(session)
    section = document.find_section(found.sections, anchor)
    if section is None:
        return _go_on(request, session, anchor)
    if section.anchor != anchor:
        return RedirectResponse(
            request.url_for("show_section", anchor=section.anchor).path
        )
    page = _build_page(request, found, section)
    return render(request, shell, page)


def _go_on(request: Request, session: SessionDep, anchor: str) -> Response:
    """Lead to what became of a section of an earlier text."""
    successor = changes.find_successor(session, anchor)
    if successor is None:
        raise NotFoundError("section", anchor)
    last, name = successor
    path = request.app.url_path_for
    if name is not None:
        return RedirectResponse(path("show_section", anchor=name))
    return RedirectResponse(
        f"{path('show_revision', number=last.number)}#{anchor}"
    )


def _build_page(
    request: Request, found: Document, current: SectionRow | None
) -> DocumentPage:
    sections = found.sections
    shown = document.list_below(sections, current) if current else sections
    place = sections.index(current) if current else 0
    return DocumentPage(
        title=_get_title(current) if current else "Document",
        document=found,
        leaves=_build_leaves(request, found, shown),
        tree=_build_tree(sections, None),
        most=max((len(s.remarks) for s in sections), default=0),
        current=current,
        previous=sections[place - 1] if current and place else None,
        next=sections[place + 1]
        if current and place + 1 < len(sections)
        else None,
        has_client=request.app.state.settings.hypothesis_client is not None,
    )


def _get_title(section: SectionRow) -> str:
    return f"{section.number} {section.title}".strip()


def _build_tree(
    sections: Sequence[SectionRow], parent: int | None
) -> list[Branch]:
    return [
        Branch(section, _build_tree(sections, section.id))
        for section in sections
        if section.parent_id == parent
    ]


def _build_leaves(
    request: Request, found: Document, shown: Sequence[SectionRow]
) -> list[Leaf]:
    new_thread = request.url_for("new_thread").path
    calls = {
        name: request.url_for("show_call", name=name).path
        for name in found.call_names
    }
    numbers = itertools.count(1)
    leaves = []
    for section in shown:
        open_ = [_number_remark(section, r, numbers) for r in section.open]
        said = [
            NumberedSaying(number=next(numbers), remark=remark)
            for remark in section.said
        ]
        settled = [
            _number_remark(section, r, numbers) for r in section.settled
        ]
        html = link_calls(section.html, calls)
        html = link_paragraphs(section, html, new_thread)
        html = make_reachable(section, html)
        leaves.append(
            Leaf(
                section=section,
                heading=1 + section.level - shown[0].level,
                html=mark_passages(html, _list_marks(*open_, *said, *settled)),
                open=open_,
                said=said,
                settled=settled,
            )
        )
    return leaves


def _list_marks(*notes: NumberedRemark | NumberedSaying) -> list[Mark]:
    """Return the passages that notes speak of."""
    return [
        Mark(
            note.remark.start,
            note.remark.end or 0,
            note.number,
            is_ghost=not note.remark.is_sure,
        )
        for note in notes
        if note.remark.start is not None
    ]


def _number_remark(
    section: SectionRow, remark: Remark, numbers: Iterator[int]
) -> NumberedRemark:
    """Return a remark with the paragraph that its note names, if any."""
    item = re.search(r"\d+", remark.note or "")
    place = f"{section.anchor}.item{item.group()}" if item else None
    known = place is not None and f'id="{place}"' in section.html
    return NumberedRemark(
        number=next(numbers), remark=remark, place=place if known else None
    )


def link_calls(html: str, calls: Mapping[str, str]) -> str:
    """Make code that is a call's name a link to the call."""

    def link(match: re.Match[str]) -> str:
        path = calls.get(match.group(1))
        if path is None:
            return match.group()
        return f'<a class="call" href="{escape(path)}">{match.group(1)}</a>'

    return _CODE.sub(link, html)


def link_paragraphs(section: SectionRow, html: str, new_thread: str) -> str:
    """Put a link to the form that speaks of it before each paragraph.

    The link has no text of its own: the words of the section, which
    annotations count, stay as they are.
    """
    name = section.number or section.title

    def link(match: re.Match[str]) -> str:
        tag, anchor, content = match.groups()
        if tag == "pre":
            return match.group()
        words = " ".join(unescape(_TAG.sub("", content)).split())
        query = urlencode(
            {"section": section.anchor, "quote": words[:LONGEST_QUOTE]}
        )
        place = anchor.rpartition(".")[2]
        return (
            f'<{tag} id="{anchor}"><a class="pilcrow" data-row '
            f'href="{escape(new_thread)}?{escape(query)}" '
            f'aria-label="Comment on {escape(name)}, {place}"></a>{content}'
        )

    return _BLOCK.sub(link, html)


def make_reachable(section: SectionRow, html: str) -> str:
    """Let keys scroll what may be wider than the page: tables and code."""
    numbers = itertools.count(1)

    def open_region(_match: re.Match[str]) -> str:
        label = f"Table {next(numbers)} of {section.number or section.title}"
        return (
            '<div class="scroll" role="region" tabindex="0" '
            f'aria-label="{escape(label)}"><table>'
        )

    html = re.sub("<table>", open_region, html)
    html = html.replace("</table>", "</table></div>")
    return html.replace("<pre", '<pre tabindex="0"')
