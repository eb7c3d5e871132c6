"""The review at a glance: how it stands, what blocks, whose turn it is."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, aliased
from sqlmodel import col

from app.models import (
    Annotation,
    Entry,
    Person,
    Reviewer,
    Thread,
    ThreadState,
)
from app.services import calls
from app.services.calls import CallRow
from app.services.events import ACCOUNTS
from app.services.standings import (
    OPEN,
    STANDING_WIDTH,
    Standing,
    select_standings,
    sort_standings,
)

LATEST = 6


class News(NamedTuple):
    """A line of the log, as it stands on the page."""

    seq: int
    at: datetime
    actor: str
    type: str
    subject: str
    data: Mapping[str, Any]


class Turn(NamedTuple):
    """Somebody whose word is awaited, and the threads that wait for it.

    `name` is None for the authors of the proposal.
    """

    name: str | None
    threads: Sequence[Standing]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What the home page shows."""

    counts: Mapping[str, int]
    blocking: Sequence[Standing]
    turns: Sequence[Turn]
    groups: Mapping[str, Sequence[CallRow]]
    latest: Sequence[News]

    @property
    def total(self) -> int:
        """Return how many threads there are."""
        return sum(self.counts.values())


class _Spoken(NamedTuple):
    thread: Standing
    last: str | None  # who spoke last, None if nobody answered


def read_overview(session: Session, authors: Sequence[str]) -> Overview:
    """Return the review at a glance, in three queries.

    What the log tells of accounts is none of the review's news.

    Parameters
    ----------
    authors
        The names of the proposal's authors.
    """
    spoken = _list_spoken(session)
    threads = sort_standings(each.thread for each in spoken)
    return Overview(
        counts=_count(threads),
        blocking=[thread for thread in threads if thread.is_blocking],
        turns=_find_turns(spoken, authors),
        groups=calls.group_calls(calls.list_calls(session)),
        latest=_list_latest(session),
    )


def _list_latest(session: Session) -> Sequence[News]:
    of_accounts = (
        col(Entry.type).startswith(f"{noun}.") for noun in sorted(ACCOUNTS)
    )
    rows = session.execute(
        select(
            col(Entry.seq),
            col(Entry.at),
            col(Entry.actor),
            col(Entry.type),
            col(Entry.subject),
            col(Entry.data),
        )
        .where(~or_(*of_accounts))
        .order_by(col(Entry.seq).desc())
        .limit(LATEST)
    )
    return [News._make(row) for row in rows]


def _list_spoken(session: Session) -> list[_Spoken]:
    last = (
        select(
            col(Annotation.thread_id).label("thread_id"),
            func.max(col(Annotation.position)).label("position"),
        )
        .where(col(Annotation.deleted_at).is_(None))
        .group_by(col(Annotation.thread_id))
        .subquery()
    )
    person, reviewer = aliased(Person), aliased(Reviewer)
    rows = session.execute(
        select_standings(
            func.coalesce(col(person.name), col(reviewer.display_name))
        )
        .outerjoin(last, last.c.thread_id == col(Thread.id))
        .outerjoin(
            Annotation,
            (col(Annotation.thread_id) == last.c.thread_id)
            & (col(Annotation.position) == last.c.position),
        )
        .outerjoin(person, col(person.id) == col(Annotation.person_id))
        .outerjoin(reviewer, col(reviewer.id) == col(Annotation.reviewer_id))
    )
    # two posts at one place would give a thread twice
    found = {
        row[0]: _Spoken(Standing(*row[:STANDING_WIDTH]), row[STANDING_WIDTH])
        for row in rows
    }
    return list(found.values())


def _count(threads: Sequence[Standing]) -> dict[str, int]:
    """Return the line of state: settled ways first, what is open last."""
    states = Counter(thread.state for thread in threads)
    counts = {
        state.value: states[state]
        for state in (
            ThreadState.decided,
            ThreadState.conceded,
            ThreadState.answered,
            ThreadState.disputed,
        )
        if states[state]
    }
    still = sum(states[state] for state in OPEN)
    return counts | {"open": still}


def _find_turns(
    spoken: Sequence[_Spoken], authors: Sequence[str]
) -> list[Turn]:
    """Return who has to speak next on what is not settled.

    After an author it is the opener's turn, after anybody else the authors'.
    A thread that was put off waits for nobody.
    """
    turns: dict[str | None, list[Standing]] = {}
    for thread, last in spoken:
        if thread.is_settled or thread.state == ThreadState.deferred:
            continue
        name = thread.opener if last in authors else None
        turns.setdefault(name, []).append(thread)
    return [
        Turn(name, sort_standings(threads))
        for name, threads in sorted(
            turns.items(),
            key=lambda item: (item[0] is not None, -len(item[1])),
        )
    ]
