"""The diet: which calls a platform can do without, told with its reasons."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import NotFoundError
from app.models import Call, Thread
from app.services.questions import QuestionLine, index_lines
from app.services.surveying import Content, Inquiry, Kind, Told
from app.services.surveys import Surveyor
from app.sim import PLATFORMS
from app.sim.diet import STANDS, Stand

ORDER = tuple(Stand)

ASKED_BY = "kleen-too-many-calls-diet"
"""The objection that asks which calls can go."""


class Stated(NamedTuple):
    """The answer that the facts state, and the thread with it."""

    slug: str
    title: str
    expected: str


class ChangeView(NamedTuple):
    """An answer that is another one without some calls."""

    question: QuestionLine
    phrase: str
    variant: str | None
    outcome: str
    before: str
    after: str
    native: str | None

    @property
    def is_cure(self) -> bool:
        """Tell whether bare hardware gives the new answer too."""
        return self.after == self.native

    @property
    def was_silent(self) -> bool:
        """Tell whether the RFC leaves the answer open."""
        return self.before == "unspecified"


@dataclass(frozen=True, slots=True)
class CallView:
    """A call, how it stands, and the questions that decide.

    `traps` is the rule of thumb; `agrees` tells whether the runs say the
    same, None where one of the two says nothing.
    """

    name: str
    group: str
    stand: Stand
    native: tuple[str, ...]
    traps: bool | None
    deciding: tuple[QuestionLine, ...]
    changes: tuple[ChangeView, ...]

    @property
    def agrees(self) -> bool | None:
        """Tell whether the rule of thumb says what the runs say."""
        if self.traps is None or self.stand not in {Stand.needed, Stand.spare}:
            return None
        return self.traps is (self.stand is Stand.spare)

    @property
    def only_settles(self) -> bool:
        """Tell whether the RFC leaves open each answer that changes."""
        return bool(self.changes) and all(c.was_silent for c in self.changes)

    @property
    def cures(self) -> int:
        """Return how many changes give the answer of bare hardware."""
        return sum(change.is_cure for change in self.changes)


@dataclass(frozen=True, slots=True)
class DietView:
    """A platform's diet; the parts are empty while it is made."""

    platform: str
    calls: tuple[CallView, ...]
    questions: int
    runs: int
    dropped: tuple[str, ...]
    kept: tuple[str, ...]
    restored: Mapping[str, tuple[ChangeView, ...]]
    traded: tuple[str, ...]
    unmodelled: tuple[str, ...]
    stated: Stated | None
    told: Told | None
    failed: str | None

    @property
    def is_done(self) -> bool:
        """Tell whether there is a result."""
        return self.told is None and self.failed is None

    @property
    def by_stand(self) -> Mapping[Stand, tuple[CallView, ...]]:
        """Return the calls by how they stand, the needed first."""
        return {
            stand: found
            for stand in ORDER
            if (found := tuple(c for c in self.calls if c.stand is stand))
        }

    @property
    def settling(self) -> tuple[str, ...]:
        """Return what has to stay for answers alone that are open with it."""
        return tuple(
            c.name
            for c in self.calls
            if c.only_settles and c.name in self.kept
        )

    @property
    def disagreeing(self) -> tuple[CallView, ...]:
        """Return the calls on which the rule of thumb is wrong."""
        return tuple(c for c in self.calls if c.agrees is False)

    @property
    def agreeing(self) -> tuple[CallView, ...]:
        """Return the calls on which the rule of thumb is right."""
        return tuple(c for c in self.calls if c.agrees)


def read_diet(session: Session, surveyor: Surveyor, platform: str) -> DietView:
    """Return the diet of a platform, or how far it is.

    Raises
    ------
    NotFoundError
        If there is no such platform.
    """
    if platform not in PLATFORMS:
        raise NotFoundError("platform", platform)
    questions = index_lines(session)
    items = tuple(line.item for line in questions.values())
    found = surveyor.find(session, Inquiry(Kind.diet, platform, items))
    rows = session.execute(
        select(col(Call.name), col(Call.group)).order_by(col(Call.position))
    )
    groups = {row[0]: row[1] for row in rows}
    content = found.content or _EMPTY
    calls = _list_calls(content, questions, groups)
    modelled = {call.name for call in calls}
    return DietView(
        platform=platform,
        calls=tuple(calls),
        questions=content["questions"],
        runs=content["runs"],
        dropped=tuple(content["dropped"]),
        kept=tuple(content["kept"]),
        restored={
            name: tuple(_list_changes(changes, questions))
            for name, changes in content["restored"].items()
        },
        traded=tuple(content["traded"]),
        unmodelled=tuple(n for n in groups if n not in modelled),
        stated=_find_stated(session),
        told=found.told,
        failed=found.failed,
    )


def _find_stated(session: Session) -> Stated | None:
    row = session.execute(
        select(col(Thread.slug), col(Thread.title), col(Thread.what_if)).where(
            col(Thread.slug) == ASKED_BY
        )
    ).first()
    if row is None or not row[2]:
        return None
    return Stated(row[0], row[1], row[2]["expected"] or "")


_EMPTY: Content = {
    "calls": [],
    "questions": 0,
    "runs": 0,
    "dropped": [],
    "kept": [],
    "restored": {},
    "traded": [],
}


def _list_calls(
    content: Content,
    questions: Mapping[str, QuestionLine],
    groups: Mapping[str, str],
) -> list[CallView]:
    """Return the calls in the order of the facts."""
    order = {name: place for place, name in enumerate(groups)}
    calls = [
        CallView(
            name=call["name"],
            group=groups.get(call["name"], ""),
            stand=Stand(call["stand"]),
            native=tuple(call["native"]),
            traps=call["traps"],
            deciding=tuple(questions[slug] for slug in call["deciding"]),
            changes=tuple(_list_changes(call["changes"], questions)),
        )
        for call in content["calls"]
    ]
    return sorted(calls, key=lambda call: order.get(call.name, len(order)))


def _list_changes(
    changes: Iterable[Mapping[str, Any]],
    questions: Mapping[str, QuestionLine],
) -> Iterable[ChangeView]:
    for change in changes:
        question = questions[change["scenario"]]
        yield ChangeView(
            question=question,
            phrase=question.get_phrase(change["outcome"]),
            variant=_find_title(question, change["variant"]),
            outcome=change["outcome"],
            before=change["before"],
            after=change["after"],
            native=change["native"],
        )


def _find_title(question: QuestionLine, variant: str | None) -> str | None:
    scenario = question.scenario
    if variant is None or scenario is None:
        return variant
    return next(
        (each.title for each in scenario.variants if each.name == variant),
        variant,
    )


def get_meaning(stand: Stand) -> str:
    """Return what a stand means, in words."""
    return STANDS[stand]
