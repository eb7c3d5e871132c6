"""How threads stand, on pages whose subject is something else.

The order of weight is the same everywhere: what blocks first, what is
settled last. The list of threads itself is the matter of `thread_rows`.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Mapped
from sqlmodel import col

from app.models import (
    Person,
    Reviewer,
    Severity,
    Thread,
    ThreadKind,
    ThreadState,
)
from app.services.annotations import count_replies

OPEN = frozenset(
    {ThreadState.open, ThreadState.unanswered, ThreadState.deferred}
)
SETTLED = (ThreadState.answered, ThreadState.conceded, ThreadState.decided)
SEVERITIES = tuple(Severity)


class Standing(NamedTuple):
    """A thread in one line: who said what, and how it stands."""

    id: int
    position: int
    slug: str
    title: str
    opener: str
    kind: ThreadKind
    severity: Severity
    state: ThreadState
    opened_at: datetime
    replies: int

    @property
    def outcome(self) -> str:
        """Return how it stands, as the sign's name."""
        return self.state.value

    @property
    def weight(self) -> int:
        """Return its place by weight; what blocks comes first."""
        return get_weight(self.state, self.severity)

    @property
    def is_settled(self) -> bool:
        """Tell whether nobody need act on it."""
        return self.state in SETTLED

    @property
    def is_blocking(self) -> bool:
        """Tell whether it stands in the way of acceptance."""
        return not self.is_settled and self.severity == Severity.blocking


STANDING_WIDTH = len(Standing._fields)
"""How many columns of a row are a standing's."""


def get_sign(state: ThreadState, severity: Severity) -> str:
    """Return the one sign of a thread: its severity while it is open."""
    return severity.value if state in OPEN else state.value


def get_weight(state: ThreadState, severity: Severity) -> int:
    """Return a thread's place by weight: open, disputed, then settled."""
    if state in SETTLED:
        return 2 * len(SEVERITIES) + SETTLED.index(state)
    return 2 * SEVERITIES.index(severity) + (state == ThreadState.disputed)


def select_standings(
    *more: ColumnElement[Any] | Mapped[Any],
) -> Select[*tuple[Any, ...]]:
    """Return the query whose rows start with the fields of `Standing`."""
    return (
        select(
            col(Thread.id),
            col(Thread.position),
            col(Thread.slug),
            col(Thread.title),
            func.coalesce(col(Person.name), col(Reviewer.display_name), ""),
            col(Thread.kind),
            col(Thread.severity),
            col(Thread.state),
            col(Thread.opened_at),
            count_replies(),
            *more,
        )
        .outerjoin(Person, col(Person.id) == col(Thread.person_id))
        .outerjoin(Reviewer, col(Reviewer.id) == col(Thread.reviewer_id))
    )


def sort_standings(standings: Iterable[Standing]) -> list[Standing]:
    """Return threads by weight, then by date."""
    return sorted(standings, key=lambda s: (s.weight, s.opened_at, s.id))
