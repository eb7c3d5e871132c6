"""Searches that are kept: named, followed, dropped by whose they are."""

import pytest
from sqlalchemy.orm import Session

from app.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
)
from app.models import SearchKind
from app.services import entries, saved_searches
from tests.factories import make_visitor


def test_a_kept_search_has_a_name_and_an_entry(session: Session) -> None:
    ada = make_visitor(session)
    slug = saved_searches.save_search(
        session, ada, "CPUID news", "cpuid", SearchKind.mail
    )
    again = saved_searches.save_search(session, ada, "CPUID news", "cpuid*")
    assert (slug, again) == ("ada-cpuid-news", "ada-cpuid-news-2")
    row = saved_searches.get_saved(session, slug)
    assert (row.name, row.query, row.kind, row.owner) == (
        "CPUID news",
        "cpuid",
        SearchKind.mail,
        "ada",
    )
    head = entries.get_head(session).seq
    (line,) = entries.list_entries(session, after=head - 1)
    assert (line.type, line.subject) == ("search.saved", f"search:{again}")
    assert [row.slug for row in saved_searches.list_saved(session)] == [
        slug,
        again,
    ]


@pytest.mark.parametrize("query", ["", "  ", "(a", "is:blue"])
def test_only_what_is_understood_is_kept(session: Session, query: str) -> None:
    ada = make_visitor(session)
    with pytest.raises(InvalidError):
        saved_searches.save_search(session, ada, "x", query)


def test_one_drops_ones_own_only(session: Session) -> None:
    ada = make_visitor(session)
    eve = make_visitor(session, "eve")
    slug = saved_searches.save_search(session, ada, "x", "is:mine")
    with pytest.raises(ForbiddenError):
        saved_searches.delete_search(session, eve, slug)
    saved_searches.delete_search(session, ada, slug)
    with pytest.raises(NotFoundError):
        saved_searches.delete_search(session, ada, slug)
    with pytest.raises(NotFoundError):
        saved_searches.get_saved(session, slug)


def test_there_is_an_end_to_keeping(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved_searches, "MOST_SAVED", 1)
    ada = make_visitor(session)
    saved_searches.save_search(session, ada, "x", "a")
    with pytest.raises(ConflictError):
        saved_searches.save_search(session, ada, "y", "a")
