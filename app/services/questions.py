"""Questions in a line, for pages whose subject is something else."""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.models import Scenario, Severity, Thread, ThreadState
from app.services.surveying import Item
from app.services.verdicts import read_scenario
from app.sim import PLATFORMS
from app.sim import Scenario as ParsedScenario


class Asker(NamedTuple):
    """The thread that a question comes from."""

    slug: str
    title: str
    state: ThreadState
    severity: Severity


class QuestionLine(NamedTuple):
    """A question, its text, and the thread that asks it."""

    slug: str
    question: str
    text: str
    thread: Asker | None

    @property
    def item(self) -> Item:
        """Return it as a survey takes it."""
        return Item(self.slug, self.text)

    @property
    def scenario(self) -> ParsedScenario | None:
        """Return it parsed; None if it is of another version."""
        return read_scenario(self.text, self.slug)

    def get_phrase(self, outcome: str) -> str:
        """Return the words for an outcome."""
        scenario = self.scenario
        phrases = (
            {each.name: each.phrase for each in scenario.outcomes}
            if scenario
            else {}
        )
        return phrases.get(outcome, outcome.replace("-", " "))

    def name_place(self, platform: str, variant: str | None) -> str:
        """Return the words for a platform, or for a variant on it."""
        title = PLATFORMS[platform].title
        if variant is None:
            return title
        scenario = self.scenario
        titles = (
            {each.name: each.title for each in scenario.variants}
            if scenario
            else {}
        )
        return f"{title}: {titles.get(variant, variant)}"


def list_lines(session: Session) -> list[QuestionLine]:
    """Return all questions in their order."""
    rows = session.execute(
        select(
            col(Scenario.slug),
            col(Scenario.question),
            col(Scenario.text),
            col(Thread.slug),
            col(Thread.title),
            col(Thread.state),
            col(Thread.severity),
        )
        .outerjoin(Thread, col(Thread.id) == col(Scenario.thread_id))
        .order_by(col(Scenario.position))
    )
    return [
        QuestionLine(*row[:3], Asker(*row[3:]) if row[3] else None)
        for row in rows
    ]


def index_lines(session: Session) -> Mapping[str, QuestionLine]:
    """Return all questions by their names."""
    return {line.slug: line for line in list_lines(session)}
