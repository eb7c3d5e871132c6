"""Revisions: the list, one text as it was, what changed between two."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated, ClassVar

from fastapi import APIRouter, Path, Query, Request, Response

from app.dependencies import SessionDep
from app.forms import LARGEST
from app.models import Role
from app.pages import Page, Shell, ShellDep, render
from app.routes.document import link_calls, make_reachable
from app.services import changes, document, revisions
from app.services.comparison import Change, Piece, SectionChange
from app.services.document import SectionRow
from app.services.revisions import RevisionRow

MARKDOWN = "text/markdown; charset=utf-8"

router = APIRouter(include_in_schema=False)

Number = Annotated[int, Path(ge=1, le=LARGEST)]
MaybeNumber = Annotated[int | None, Query(alias="from", ge=1, le=LARGEST)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionListPage(Page):
    """The texts of the document, newest first."""

    template: ClassVar[str] = "revisions/list.html"
    title: str = "Revisions"
    revisions: Sequence[RevisionRow]
    newest: RevisionRow
    may_edit: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A section of an older text, with links to the calls it names."""

    section: SectionRow
    html: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionPage(Page):
    """One text as it was; its addresses stay."""

    template: ClassVar[str] = "revisions/show.html"
    revision: RevisionRow
    newest: RevisionRow
    previous: RevisionRow | None
    leaves: Sequence[Leaf]


@dataclass(frozen=True, slots=True)
class Passage:
    """Pieces of a section that changed, or a run of those that did not."""

    is_same: bool
    pieces: Sequence[Piece]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A section that changed, or a run of those that did not.

    `place` is where the first of them stands in the comparison.
    """

    place: int
    sections: Sequence[SectionChange]

    @property
    def is_changed(self) -> bool:
        """Tell whether this is a section that changed."""
        return self.sections[0].is_changed

    @property
    def passages(self) -> Sequence[Passage]:
        """Return the pieces of the section, unchanged ones together."""
        runs = groupby(
            self.sections[0].pieces, key=lambda p: p.change is Change.same
        )
        return [Passage(is_same, list(pieces)) for is_same, pieces in runs]


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that changed, in the order of the new text."""

    sections: Sequence[SectionChange]

    @property
    def stretches(self) -> Iterator[Stretch]:
        """Yield what changed section by section, the rest in runs."""
        run: list[SectionChange] = []
        for place, section in enumerate(self.sections):
            if not section.is_changed:
                run.append(section)
                continue
            if run:
                yield Stretch(place - len(run), run)
                run = []
            yield Stretch(place, [section])
        if run:
            yield Stretch(len(self.sections) - len(run), run)

    @property
    def changed(self) -> Sequence[tuple[int, SectionChange]]:
        """Return the places of the sections that changed."""
        return [
            (n, section)
            for n, section in enumerate(self.sections)
            if section.is_changed
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesPage(Page):
    """What changed from one revision to another."""

    template: ClassVar[str] = "revisions/changes.html"
    old: RevisionRow
    new: RevisionRow
    comparison: Comparison
    others: Sequence[RevisionRow]


def may_edit(shell: Shell) -> bool:
    """Tell whether this visitor may make revisions."""
    return shell.reviewer is not None and shell.reviewer.may(Role.editor)


@router.get("/document/revisions/")
def list_revisions(
    request: Request, shell: ShellDep, session: SessionDep
) -> Response:
    """Show the texts there are."""
    page = RevisionListPage(
        revisions=revisions.list_revisions(session),
        newest=revisions.get_newest(session),
        may_edit=may_edit(shell),
    )
    return render(request, shell, page)


@router.get("/document/revisions/{number}/")
def show_revision(
    request: Request, shell: ShellDep, session: SessionDep, number: Number
) -> Response:
    """Show one text as it was."""
    revision = revisions.get_revision(session, number)
    found = document.read_revision(session, revision)
    calls = {
        name: request.app.url_path_for("show_call", name=name)
        for name in found.call_names
    }
    page = RevisionPage(
        title=f"Revision {number}",
        revision=revision,
        newest=revisions.get_newest(session),
        previous=revisions.find_previous(session, number),
        leaves=[
            Leaf(
                section=section,
                html=make_reachable(section, link_calls(section.html, calls)),
            )
            for section in found.sections
        ],
    )
    return render(request, shell, page)


@router.get("/document/revisions/{number}/document.md")
def show_markdown(session: SessionDep, number: Number) -> Response:
    """Answer with one text as it was written."""
    revision = revisions.get_revision(session, number)
    text = revisions.read_markdown(session, revision.id)
    return Response(text, media_type=MARKDOWN)


@router.get("/document/revisions/{number}/changes")
def show_changes(
    request: Request,
    shell: ShellDep,
    session: SessionDep,
    number: Number,
    since: MaybeNumber = None,
) -> Response:
    """Show what changed since the revision before, or since another."""
    new = revisions.get_revision(session, number)
    old = (
        revisions.find_previous(session, number)
        if since is None
        else revisions.get_revision(session, since)
    )
    if old is None:
        old = new
    page = ChangesPage(
        title=f"What changed from revision {old.number} to {new.number}",
        old=old,
        new=new,
        comparison=Comparison(changes.compare_stored(session, old, new)),
        others=[
            r
            for r in revisions.list_revisions(session)
            if r.number != new.number
        ],
    )
    return render(request, shell, page)
