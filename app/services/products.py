"""Products: which policies the answers to a question depend on, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import NotFoundError
from app.models import Scenario
from app.services.questions import QuestionLine
from app.services.surveying import Content, Inquiry, Item, Kind, Told
from app.services.surveys import Surveyor
from app.sim import PLATFORMS, POLICIES, Policy


class RowView(NamedTuple):
    """A line of a table of answers; a cell without values takes any."""

    cells: tuple[tuple[str, ...], ...]
    answer: str


@dataclass(frozen=True, slots=True)
class OutcomeView:
    """An outcome, the policies that matter to it, the answers by these."""

    name: str
    phrase: str
    matters: tuple[Policy, ...]
    rows: tuple[RowView, ...]


@dataclass(frozen=True, slots=True)
class PlatformView:
    """What matters on one platform.

    `idle` is asked and changes nothing. `runs` settled all `combinations`,
    unless it is not `complete`.
    """

    name: str
    title: str
    outcomes: tuple[OutcomeView, ...]
    idle: tuple[Policy, ...]
    combinations: int
    runs: int
    complete: bool

    @property
    def hanging(self) -> tuple[OutcomeView, ...]:
        """Return the outcomes whose answer depends on a choice."""
        return tuple(each for each in self.outcomes if each.matters)

    @property
    def settled(self) -> tuple[OutcomeView, ...]:
        """Return the outcomes with one answer, whatever is chosen."""
        return tuple(each for each in self.outcomes if not each.matters)


@dataclass(frozen=True, slots=True)
class ProductView:
    """What a question's answers depend on; empty while it is made."""

    slug: str
    question: str
    platforms: tuple[PlatformView, ...]
    told: Told | None
    failed: str | None
    content: Content | None


def read_product(
    session: Session, surveyor: Surveyor, slug: str
) -> ProductView:
    """Return what the answers to a question depend on, or how far it is.

    Raises
    ------
    NotFoundError
        If there is no such question.
    """
    row = session.execute(
        select(col(Scenario.question), col(Scenario.text)).where(
            col(Scenario.slug) == slug
        )
    ).first()
    if row is None:
        raise NotFoundError("question", slug)
    line = QuestionLine(slug, row[0], row[1], None)
    found = surveyor.find(
        session, Inquiry(Kind.product, slug, (Item(slug, row[1]),))
    )
    parts = found.content["platforms"] if found.content else ()
    return ProductView(
        slug=slug,
        question=row[0],
        platforms=tuple(_view_platform(line, part) for part in parts),
        told=found.told,
        failed=found.failed,
        content=found.content,
    )


def _view_platform(
    line: QuestionLine, part: Mapping[str, Any]
) -> PlatformView:
    return PlatformView(
        name=part["platform"],
        title=PLATFORMS[part["platform"]].title,
        outcomes=tuple(
            _view_outcome(line, name, each)
            for name, each in part["outcomes"].items()
        ),
        idle=_get_policies(part["idle"]),
        combinations=part["combinations"],
        runs=part["runs"],
        complete=part["complete"],
    )


def _view_outcome(
    line: QuestionLine, name: str, part: Mapping[str, Any]
) -> OutcomeView:
    names = part["matters"]
    return OutcomeView(
        name=name,
        phrase=line.get_phrase(name),
        matters=_get_policies(names),
        rows=tuple(
            RowView(
                tuple(tuple(row["choices"].get(n, ())) for n in names),
                row["answer"],
            )
            for row in part["rows"]
        ),
    )


def _get_policies(names: Sequence[str]) -> tuple[Policy, ...]:
    return tuple(POLICIES[name] for name in names)
