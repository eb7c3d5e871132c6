"""The index on both engines: what goes in is found, what goes out is not."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session
from sqlmodel import col

from app.models import SearchItem, SearchKind
from app.services import search_store
from app.services.search_records import Findable
from app.services.search_terms import Terms, fold

AT = datetime(2006, 3, 22, 20, 5, tzinfo=UTC)


def make(ref: str, body: str = "", at: datetime = AT) -> Findable:
    """Return something that can be found."""
    return Findable(SearchKind.run, ref, at, Terms(own=fold(body)))


def find(session: Session, term: str) -> list[str]:
    """Return what has a term, the latest number first."""
    if search_store.is_sqlite(session):
        statement = (
            "SELECT i.ref FROM search_text t JOIN search_item i "
            "ON t.rowid = i.id WHERE search_text MATCH :term "
            "ORDER BY i.id DESC"
        )
    else:
        statement = (
            "SELECT i.ref FROM search_text t JOIN search_item i "
            "ON t.id = i.id WHERE t.terms @@ CAST(:term AS tsquery) "
            "ORDER BY i.id DESC"
        )
    return list(session.scalars(text(statement), {"term": term}))


def test_what_is_added_is_found(session: Session) -> None:
    search_store.add(session, [make("a", "Zyzzyva one"), make("b", "two")])
    assert find(session, "zyzzyva") == ["a"]


def test_what_is_removed_is_found_no_more(session: Session) -> None:
    search_store.add(session, [make("a", "zyzzyva"), make("b", "zyzzyva")])
    known = search_store.find_known(session, [(SearchKind.run, "a")])
    search_store.remove(session, [known[SearchKind.run, "a"].id])
    assert find(session, "zyzzyva") == ["b"]


def test_numbers_grow_with_time(session: Session) -> None:
    """The latest is found first, in whatever order they came."""
    search_store.add(
        session,
        [
            make(str(n), "zyzzyva", AT + timedelta(seconds=n * 7 % 11))
            for n in range(11)
        ],
    )
    found = [int(ref) * 7 % 11 for ref in find(session, "zyzzyva")]
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("count", [17, 900])
def test_many_of_one_second_all_have_a_number(
    session: Session, count: int
) -> None:
    search_store.clear(session)
    things = [make(str(n), "zyzzyva") for n in range(count)]
    search_store.add(session, things[: count // 2])
    search_store.add(session, things[count // 2 :])
    assert len(find(session, "zyzzyva")) == count
    last = session.scalar(select(func.max(col(SearchItem.id))))
    # none is dated more than a day after what it is
    assert last is not None
    assert last - things[0].seconds < 24 * 60 * 60


def test_a_number_is_never_given_again(session: Session) -> None:
    """What SQLite cannot take back never speaks for another item."""
    search_store.add(session, [make("a", "zyzzyva")])
    known = search_store.find_known(session, [(SearchKind.run, "a")])
    search_store.remove(session, [known[SearchKind.run, "a"].id])
    search_store.add(session, [make("b", "other")])
    assert find(session, "zyzzyva") == []


def test_the_dead_are_counted_until_all_is_cleared(session: Session) -> None:
    search_store.clear(session)
    search_store.add(session, [make("a", "zyzzyva"), make("b")])
    known = search_store.find_known(session, [(SearchKind.run, "a")])
    search_store.remove(session, [known[SearchKind.run, "a"].id])
    dead = 1 if search_store.is_sqlite(session) else 0
    assert search_store.count_dead(session) == dead
    search_store.clear(session)
    assert search_store.count_dead(session) == 0


def test_a_vector_fits_postgresql_however_long_the_text(
    session: Session,
) -> None:
    """Too many different words are cut; the first ones are found."""
    words = " ".join(f"漢{n}" for n in range(90_000))
    search_store.add(session, [make("a", words)])
    assert find(session, "漢77") == ["a"]


def test_a_vector_has_the_places_that_postgresql_keeps() -> None:
    terms = Terms(title="a b", sender="c", own="d " * 20_000)
    columns = Findable(SearchKind.run, "a", AT, terms).columns
    vector = search_store.write_vector(columns)
    places = dict(part.split(":") for part in vector.split(" "))
    assert places["'a'"] == "1A"
    assert places["'b'"] == "2A"
    assert places["'c'"] == "4"
    assert places["'\ue000f\ue000c'"] == "4"
    assert places["'d'"].split(",")[0] == "8B"
    assert len(places["'d'"].split(",")) == search_store.MOST_PLACES
