"""Pages of a container as the database gives them, on each engine."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.db import Database
from app.errors import NotFoundError
from app.services import annotation_pages
from app.services.annotation_pages import read_mark, read_page, read_summary
from app.services.annotation_rows import Place, list_annotations


def test_pages_hold_all_annotations_in_their_order(session: Session) -> None:
    everything = list_annotations(session)
    total = read_summary(session).total
    assert total == len(everything)
    met: list[Any] = []
    mark = None
    while True:
        page = read_page(session, mark, total, size=7, is_whole=True)
        assert page.start == len(met)
        met += page.members
        if page.next is None:
            break
        mark = read_mark(str(page.next))
    assert [m.id for m in met] == [row.id for row in everything]
    assert all(m.document.startswith("{") for m in met)


def test_the_last_page_begins_where_a_walk_comes_to_it(
    session: Session,
) -> None:
    total = read_summary(session).total
    for size in (1, 7, total - 1, total, total + 1):
        mark = annotation_pages.find_last(session, total, size)
        page = read_page(session, mark, total, size=size, is_whole=False)
        assert page.next is None
        assert page.start % size == 0
        assert page.start + len(page.members) == total


def test_a_page_takes_three_queries(
    database: Database, statements: list[str]
) -> None:
    with database.read() as session:
        read_summary(session)
        mark = annotation_pages.find_last(session, 120, 100)
        statements.clear()
        total = read_summary(session).total
        read_page(session, mark, total, size=100, is_whole=True)
    assert len(statements) == 3


def test_nothing_was_changed_where_nothing_is(
    empty_database: Database,
) -> None:
    with empty_database.read() as session:
        assert read_summary(session) == (0, None)
        page = read_page(session, None, 0, size=5, is_whole=True)
    assert page == ((), 0, None, None)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "second",
        "after",
        "after-1",
        "after-1-",
        "after-x-y",
        "beside-1-y",
        "after--99999999999999999-y",
        "after-1-a/b",
        f"after-1-{'y' * 121}",
        "after-1-y\n",
        "after-\u0661-y",
    ],
)
def test_a_name_that_no_page_has_is_refused(name: str) -> None:
    with pytest.raises(NotFoundError):
        read_mark(name)


def test_a_mark_is_read_as_it_was_written(session: Session) -> None:
    row = list_annotations(session, limit=1)[0]
    mark = annotation_pages.Mark(
        is_before=True, place=Place(row.created_at, row.id)
    )
    assert read_mark(str(mark)) == mark
    assert read_mark("first") is None
