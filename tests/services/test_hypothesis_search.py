"""Which annotations a Hypothesis client finds, on both engines."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session
from sqlmodel import col

from app.models import Annotation
from app.services.annotation_changes import create_annotation
from app.services.annotation_rows import AnnotationRow
from app.services.hypothesis import Draft, Site, write_document
from app.services.hypothesis_context import present_all
from app.services.hypothesis_search import Order, Query, Sort, search
from app.services.reviewers import Visitor
from tests.factories import make_visitor

SITE = Site(base="https://review.example", title="VMI")
DOCUMENT = f"{SITE.base}/document/"
QUOTE = "A one-shot alarm disarms itself when it fires."


def say(
    session: Session,
    visitor: Visitor,
    text: str = "What if?",
    *,
    uri: str = DOCUMENT,
    parent: AnnotationRow | None = None,
    **parts: Any,
) -> AnnotationRow:
    """Store an annotation as a client would."""
    selectors = parts.pop("selectors", [])
    draft = Draft(uri=uri, text=text, selectors=selectors, **parts)
    return create_annotation(
        session,
        visitor,
        write_document(draft, parent=parent, site=SITE, before=""),
    )


def find(session: Session, **asked: Any) -> list[str]:
    """Return the ids of the newest that are found, these last."""
    query = Query(limit=200, sort=Sort.created, **asked)
    return [row.id for row in search(session, query, SITE).rows][::-1]


def quote(exact: str) -> list[dict[str, str]]:
    """Return a selector of a passage."""
    return [{"type": "TextQuoteSelector", "exact": exact}]


def test_a_passage_is_found_at_each_address_that_shows_it(
    session: Session,
) -> None:
    """The whole text, its section, the one above, the revision: no other."""
    ada = make_visitor(session)
    said = say(session, ada, selectors=quote(QUOTE))
    for path in ("", "alarms", "time-interface", "2.12", "revisions/1/"):
        assert said.id in find(session, uris=[f"{DOCUMENT}{path}"]), path
    for path in ("portability", "revisions/9/", "revisions/x/", "nowhere"):
        assert said.id not in find(session, uris=[f"{DOCUMENT}{path}"]), path


def test_an_address_of_a_section_leads_to_the_whole_text(
    session: Session,
) -> None:
    ada = make_visitor(session)
    said = say(session, ada, uri=f"{DOCUMENT}alarms", selectors=quote(QUOTE))
    for uri in (DOCUMENT, f"{DOCUMENT}#x", f"{DOCUMENT}alarms"):
        assert said.id in find(session, uris=[uri]), uri
    assert find(session, uris=["https://other.example/document/"]) == []


def test_another_sites_page_is_a_page_too(session: Session) -> None:
    ada = make_visitor(session)
    said = say(session, ada, uri="https://other.example/a_b")
    assert find(session, uris=["https://other.example/a_b#part"]) == [said.id]
    assert find(session, patterns=["https://other.example/*"]) == [said.id]
    assert find(session, patterns=["https://other.example/a?b"]) == [said.id]
    assert find(session, patterns=["https://other.example/a_"]) == []
    assert find(session, patterns=["https://other.example/%"]) == []


def test_replies_are_found_where_their_root_is(session: Session) -> None:
    ada = make_visitor(session)
    root = say(session, ada, selectors=quote(QUOTE))
    first = say(session, ada, "So?", parent=root)
    second = say(session, ada, "Then?", parent=first)
    found = find(session, uris=[f"{DOCUMENT}alarms"])
    assert found[-3:] == [root.id, first.id, second.id]
    assert find(session, references=root.id) == [first.id, second.id]
    assert find(session, references=second.id) == []


def test_the_threads_of_the_mails_are_conversations(session: Session) -> None:
    """An objection of 2006 is the root, and its answers name it."""
    found = search(session, Query(limit=200, uris=[DOCUMENT]), SITE)
    told = present_all(session, found.rows, SITE)
    roots = {one["id"] for one in told if "references" not in one}
    replies = [one for one in told if "references" in one]
    assert found.total == 208
    assert len(roots) > 70
    assert len(replies) > 100
    assert all(one["uri"].startswith(DOCUMENT) for one in told)
    assert all(one["user"].startswith("acct:mail+") for one in replies)


@pytest.mark.parametrize(
    ("asked", "is_found"),
    [
        ({"user": "acct:ada@review.example"}, True),
        ({"user": "ada"}, True),
        ({"user": "acct:mail+andi-kleen@review.example"}, False),
        ({"group": "__world__"}, True),
        ({"group": "other"}, False),
        ({"tags": ["Timer"]}, True),
        ({"tags": ["timer", "other"]}, False),
        ({"text": "re-ARMS 100%"}, True),
        ({"text": "re-arms nothing"}, False),
        ({"quote": "one-shot"}, True),
        ({"quote": "two-shot"}, False),
        ({"any": "timer one-shot ada 100%"}, True),
        ({"any": "100_"}, False),
    ],
)
def test_what_is_asked_for_narrows(
    session: Session, asked: dict[str, Any], *, is_found: bool
) -> None:
    ada = make_visitor(session)
    said = say(
        session,
        ada,
        "Who re-arms it, for 100% sure?",
        tags=["timer"],
        selectors=quote(QUOTE),
    )
    assert (said.id in find(session, **asked)) == is_found


def test_who_wrote_by_mail_is_found_by_name(session: Session) -> None:
    found = search(
        session, Query(user="acct:mail+andi-kleen@review.example"), SITE
    )
    assert found.total > 5
    assert {row.author for row in found.rows} == {"Andi Kleen"}


@pytest.mark.parametrize("sort", [Sort.created, Sort.updated])
@pytest.mark.parametrize("order", list(Order))
def test_a_walk_by_time_meets_each_once(
    session: Session, sort: Sort, order: Order
) -> None:
    """Some were made at one time; no page ends between these."""
    ada = make_visitor(session)
    ids = [say(session, ada, str(n)).id for n in range(9)]
    for hour, chosen in enumerate((ids[:1], ids[1:5], ids[5:])):
        session.execute(
            update(Annotation)
            .where(col(Annotation.id).in_(chosen))
            .values(created_at=datetime(2026, 11, 1, hour, tzinfo=UTC))
        )
    met: list[str] = []
    after: datetime | None = None
    for _ in range(9):
        query = Query(limit=3, sort=sort, order=order, after=after, user="ada")
        found = search(session, query, SITE)
        assert found.total == 9
        if not found.rows:
            break
        met += [row.id for row in found.rows]
        after = found.rows[-1].created_at
    assert sorted(met) == sorted(ids)


def test_a_list_by_name_is_cut_where_it_was_asked_to_be(
    session: Session,
) -> None:
    query = Query(limit=7, sort=Sort.id, order=Order.asc)
    first = search(session, query, SITE)
    assert len(first.rows) == 7
    last = first.rows[-1].id
    rest = search(
        session,
        Query(limit=7, sort=Sort.id, order=Order.asc, after=last),
        SITE,
    )
    assert min(row.id for row in rest.rows) > last
    skipped = search(
        session,
        Query(limit=7, sort=Sort.user, order=Order.asc, offset=7),
        SITE,
    )
    assert len(skipped.rows) == 7
    assert search(session, Query(limit=0), SITE).rows == []
