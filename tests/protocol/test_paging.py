"""Walks through a container while others add and delete."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update
from sqlalchemy.orm import Session
from sqlmodel import col

from app.db import Database
from app.models import Anchor, Annotation, Motivation
from app.services import annotation_pages
from app.services.annotation_pages import Mark, PageRows
from tests.conftest import SQLiteCopies
from tests.factories import NOW
from tests.protocol.conftest import PAGE, ROOT, Annotator, make_document

SIZE = 3
BOUND = 60


def walk(
    service: TestClient, page: str, side: str = "next", iris: int = 1
) -> Iterator[Any]:
    """Read the pages from one on, one at a time."""
    address = f"{ROOT}?iris={iris}&page={page}"
    for _ in range(BOUND):
        body = service.get(address).json()
        yield body
        if side not in body:
            return
        address = body[side]
    pytest.fail("the pages do not end")


def test_pages_add_up_to_the_container(service: TestClient) -> None:
    total = service.get(ROOT).json()["total"]
    pages = list(walk(service, "first"))
    met = 0
    for page in pages:
        assert page["startIndex"] == met
        assert page["partOf"]["total"] == total
        assert 0 < len(page["items"]) <= PAGE
        met += len(page["items"])
    assert met == total
    assert len({item for page in pages for item in page["items"]}) == total
    assert len(pages) > 2


def test_the_last_page_is_where_the_walk_ends(service: TestClient) -> None:
    *_, last = walk(service, "first")
    linked = service.get(f"{ROOT}?iris=1").json()["last"]
    assert service.get(linked).json()["items"] == last["items"]
    assert last["id"] == linked


def test_backwards_is_the_same_way(service: TestClient) -> None:
    there = [item for p in walk(service, "first") for item in p["items"]]
    last = service.get(f"{ROOT}?iris=1").json()["last"].partition("page=")[2]
    pages = list(walk(service, last, "prev"))
    assert [item for p in pages[::-1] for item in p["items"]] == there
    assert pages[-1]["startIndex"] == 0


def test_both_forms_have_the_same_pages(service: TestClient) -> None:
    iris = [page["items"] for page in walk(service, "first")]
    whole = [
        [item["id"] for item in page["items"]]
        for page in walk(service, "first", iris=0)
    ]
    assert iris == whole


@pytest.mark.parametrize("iris", [0, 1])
def test_a_walk_meets_each_once_while_another_adds_and_deletes(
    service: TestClient, ada: Annotator, bob: Annotator, iris: int
) -> None:
    mine = [ada.make() for _ in range(PAGE)]
    stay = {i for p in walk(service, "first") for i in p["items"]}
    stay -= set(mine)
    met: list[str] = []
    for page in walk(service, "first", iris=iris):
        met += [i["id"] if iris == 0 else i for i in page["items"]]
        # one that was met, one that was not yet, and a new one
        gone = [mine.pop(0)] + [mine.pop()] * (len(mine) > 1) if mine else []
        for address in gone:
            assert ada.delete(address).status_code == 204
        assert bob.post(make_document()).status_code == 201
    assert len(met) == len(set(met))
    assert stay <= set(met)


def test_a_page_whose_members_are_all_gone_ends_the_walk(
    service: TestClient, ada: Annotator
) -> None:
    *_, last = walk(service, "first")
    mine = [ada.make() for _ in range(PAGE)]
    before = service.get(last["id"]).json()
    following = before["next"]
    for address in mine:
        ada.delete(address)
    rest = [i for i in service.get(following).json()["items"] if i in mine]
    assert rest == []
    assert "next" not in service.get(following).json()


@pytest.fixture(scope="module")
def bare(sqlite_copies: SQLiteCopies) -> Iterator[Database]:
    """Return a database without a review, for a whole module."""
    database = Database(sqlite_copies.make("empty"))
    yield database
    database.close()
    sqlite_copies.drop(database.url)


def add(session: Session, number: int, minute: int) -> None:
    """Add an annotation of some minute, as an import may: in between."""
    session.add(
        Annotation(
            id=f"n{number}",
            motivation=Motivation.commenting,
            created_at=NOW + timedelta(minutes=minute),
            position=0,
            text="",
            html="",
            document={"id": f"/annotations/n{number}"},
        )
    )
    session.flush()


def bury(session: Session, id_: str) -> None:
    """Delete an annotation."""
    session.execute(
        update(Annotation)
        .where(col(Annotation.id) == id_)
        .values(deleted_at=NOW + timedelta(days=1))
    )


def read(session: Session, mark: Mark | None) -> PageRows:
    """Read a page as the service does."""
    total = annotation_pages.read_summary(session).total
    return annotation_pages.read_page(
        session, mark, total, size=SIZE, is_whole=False
    )


Change = tuple[str, int]
CHANGES = st.lists(
    st.lists(
        st.tuples(st.sampled_from(["add", "delete"]), st.integers(0, 20)),
        max_size=4,
    ),
    min_size=1,
    max_size=8,
)


def apply(
    session: Session, changes: Sequence[Change], there: dict[int, str]
) -> None:
    """Add and delete as a plan says."""
    for act, place in changes:
        if act == "add":
            number = len(there) + 1
            there[number] = f"n{number}"
            add(session, number, place)
        else:
            bury(session, f"n{place}")


@given(minutes=st.lists(st.integers(0, 20), max_size=20), plan=CHANGES)
@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@pytest.mark.parametrize("is_backward", [False, True])
def test_whatever_is_changed_meanwhile_what_stays_is_met_once(
    bare: Database,
    minutes: Sequence[int],
    plan: Sequence[Sequence[Change]],
    is_backward: bool,
) -> None:
    with bare.write() as session:
        session.execute(delete(Anchor))
        session.execute(delete(Annotation))
        there: dict[int, str] = {}
        for number, minute in enumerate(minutes, start=1):
            there[number] = f"n{number}"
            add(session, number, minute)
        at_first = set(there.values())
        total = annotation_pages.read_summary(session).total
        mark = (
            annotation_pages.find_last(session, total, SIZE)
            if is_backward
            else None
        )
        met: list[str] = []
        changes = iter(plan)
        for _ in range(BOUND):
            page = read(session, mark)
            met += [member.id for member in page.members]
            apply(session, next(changes, ()), there)
            following = page.prev if is_backward else page.next
            if following is None:
                break
            mark = annotation_pages.read_mark(str(following))
        else:
            pytest.fail("the pages do not end")
        deleted = {f"n{n}" for step in plan for act, n in step if act != "add"}
    assert len(met) == len(set(met))
    assert at_first - deleted <= set(met)
