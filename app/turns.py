"""Turns: changes that wait for one another, and share a transaction.

What a small change waits for longest is the disk. So those that came while
another was written are carried out one after the other in one transaction,
each in a savepoint of its own: one that is refused is undone alone, and
nobody is told of anything before the commit of all. If that fails, or the
database did in between, each is tried again by itself.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from contextvars import copy_context
from typing import Any, Generic, TypeVar

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

Result = TypeVar("Result")
Write = Callable[[], AbstractContextManager[Session]]


class Turn(Generic[Result]):
    """A change that waits to be carried out, and what comes of it.

    Parameters
    ----------
    act
        The change. It may be carried out again if it came to nothing, so it
        does nothing but by its session.
    """

    def __init__(self, act: Callable[[Session], Result]) -> None:
        self.act = act
        self.is_over = False
        self._context = copy_context()
        self._results: list[Result] = []
        self._error: Exception | None = None

    def get_result(self) -> Result:
        """Return what the change returned, or raise what it raised."""
        if self._error is not None:
            raise self._error
        return self._results[-1]

    def take_alone(self, write: Write) -> None:
        """Carry it out in a transaction of its own."""
        self._error = None
        try:
            with write() as session:
                self._act(session)
        except Exception as error:  # noqa: BLE001 - raised to who waits
            self._error = error
        self.is_over = True

    def take_part(self, session: Session) -> None:
        """Carry it out in a part of a transaction, undone if it raises.

        Raises
        ------
        SQLAlchemyError
            When the database may have undone more than this part.
        """
        try:
            with session.begin_nested():
                self._act(session)
        except SQLAlchemyError:
            raise
        except Exception as error:  # noqa: BLE001 - raised to who waits
            self._error = error
        # the next one sees the tables, and nothing of this one's objects
        session.expunge_all()

    def _act(self, session: Session) -> None:
        # as its request, whose name is in what it logs
        self._results.append(self._context.run(self.act, session))


def take_turns(turns: Sequence[Turn[Any]], write: Write) -> None:
    """Carry out changes in their order, if possible with one commit."""
    if len(turns) > 1:
        # what raises here is met again by whose it is
        with suppress(Exception):
            _share(turns, write)
    for turn in turns:
        if not turn.is_over:
            turn.take_alone(write)


def _share(turns: Sequence[Turn[Any]], write: Write) -> None:
    with write() as session:
        for turn in turns:
            turn.take_part(session)
    for turn in turns:
        turn.is_over = True
