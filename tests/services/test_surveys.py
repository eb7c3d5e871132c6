"""Surveys are made once, in the background, and kept by content."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.db import Database
from app.errors import BusyError
from app.models import Survey
from app.services import surveys
from app.services.explorer import InlineExecutor
from app.services.surveying import Inquiry, Item, Kind, Told, survey
from app.services.surveys import Surveyor

R = TypeVar("R")

QUESTION = """
question = "Does the mask show what was set?"
[code]
kernel = '''
        call VMI_DisableInterrupts
        call VMI_GetInterruptMask
stop:   jmp stop
'''
[outcomes]
masked = { is = "at stop and eax == 0" }
[platforms]
software = {}
"""
ITEM = Item("mask", QUESTION)
DIET = Inquiry(Kind.diet, "software", (ITEM,))
PRODUCT = Inquiry(Kind.product, "mask", (ITEM,))


class FixedExecutor(Executor):
    """Does no work: its future stands as it was given."""

    def __init__(self, error: Exception | None = None) -> None:
        self.future: Future[Any] = Future()
        if error is not None:
            self.future.set_exception(error)

    def submit(
        self,
        fn: Callable[..., R],  # noqa: ARG002 - the signature of executors
        /,
        *args: Any,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> Future[R]:
        """Return the future."""
        return self.future


def fail() -> FixedExecutor:
    return FixedExecutor(MemoryError("no more"))


def test_a_survey_is_made_and_kept(database: Database) -> None:
    """The first who asks begins it, the next finds it."""
    surveyor = Surveyor(database, start=InlineExecutor)
    with database.read() as session:
        first = surveyor.find(session, DIET)
    assert first.content is None
    with database.read() as session:
        second = surveyor.find(session, DIET)
    assert second.content is not None
    assert second.content["platform"] == "software"
    assert second.content["kept"] == ["VMI_GetInterruptMask"]


def test_a_newer_survey_takes_the_place_of_an_older(
    session: Session,
) -> None:
    """Of each subject one is kept."""
    changed = PRODUCT._replace(items=(Item("mask", QUESTION + "\n"),))
    for inquiry in (PRODUCT, changed, changed):
        surveys.store(session, inquiry, survey(inquiry))
    count = select(func.count(col(Survey.id)))
    assert session.scalar(count) == 1
    assert surveys.find_content(session, PRODUCT.id) is None
    assert surveys.find_content(session, changed.id) is not None


def test_the_id_is_of_all_that_matters() -> None:
    """Another question, platform or kind is another survey."""
    ids = {
        each.id
        for each in (
            DIET,
            DIET._replace(subject="hardware"),
            DIET._replace(items=(ITEM, ITEM)),
            DIET._replace(kind=Kind.readings),
        )
    }
    assert len(ids) == 4
    assert DIET.id == Inquiry(Kind.diet, "software", (ITEM,)).id


def test_nobody_waits(database: Database) -> None:
    """While it is under way one hears how far it is."""
    surveyor = Surveyor(database, start=FixedExecutor)
    with database.read() as session:
        for _ in range(2):
            found = surveyor.find(session, DIET)
            assert found == (None, Told(0, 0), None)


def test_a_failure_is_told_and_not_repeated(database: Database) -> None:
    """Who asks again does not burn the worker once more."""
    surveyor = Surveyor(database, start=fail)
    surveyor.begin(DIET)
    assert surveyor.begin(DIET).failed == "MemoryError: no more"


def test_too_many_are_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for the worker is bounded."""
    monkeypatch.setattr(surveys, "MOST_WAITING", 1)
    surveyor = Surveyor(database, start=FixedExecutor)
    surveyor.begin(DIET)
    with pytest.raises(BusyError):
        surveyor.begin(PRODUCT)


def test_after_the_end_nothing_begins(database: Database) -> None:
    """A program that ends takes no work."""
    surveyor = Surveyor(database, start=InlineExecutor)
    surveyor.close()
    assert surveyor.begin(DIET).failed == "the program ends"


def test_readings_and_products_are_surveys_too() -> None:
    """Each kind has content of its own; bad texts are left out."""
    bad = Item("bad", "question = 1")
    assert survey(Inquiry(Kind.readings, "", (ITEM, bad))) == {"mask": []}
    (product,) = survey(PRODUCT)["platforms"]
    assert product["platform"] == "software"
    assert product["complete"]


def test_all_that_pages_show_can_be_begun_at_once(
    database: Database,
) -> None:
    """The gaps, and a diet for each platform; what is there stays."""
    surveyor = Surveyor(database, start=FixedExecutor)
    with database.write() as session:
        items = surveys.list_items(session)
        plan = Inquiry(Kind.diet, "software", items)
        surveys.store(session, plan, {"platform": "software"})
    hardware = plan._replace(subject="hardware")
    surveys.begin_all(database, surveyor)
    assert hardware.id in surveyor._futures
    assert plan.id not in surveyor._futures


def test_a_worker_process_makes_a_survey(database: Database) -> None:
    """The real pool does what the function does."""
    surveyor = Surveyor(database)
    try:
        surveyor.begin(PRODUCT)
        surveyor._futures[PRODUCT.id].result(timeout=60)
    finally:
        surveyor.close()
    with database.read() as session:
        content = surveys.find_content(session, PRODUCT.id)
    assert content == survey(PRODUCT)
