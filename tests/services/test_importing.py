"""Imports: streams of mails into the tables, whatever is among them."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlmodel import col

from app.db import Database
from app.models import Conversation, Delivery, Message
from app.services import entries, importing
from app.services.importing import (
    AHEAD,
    FEW,
    MOST_NAMED,
    MOST_OF_BATCH,
    MOST_OF_CHUNK,
    ImportReport,
    Refusal,
    import_mails,
)
from app.services.mailbox import Mailboxes, RawMail
from bench.mail_generator import generate
from tests.slow_mail import read_slowly

MANY = 3 * MOST_OF_CHUNK


def make(number: int) -> RawMail:
    """Return a small mail and its place."""
    raw = b"From: a@b.example\nMessage-ID: <%d@x>\n\n%d\n" % (number, number)
    return RawMail(raw, "m.mbox", number + 1, number * 100, number * 5 + 1)


def do_import(database: Database, items: Iterator[RawMail]) -> ImportReport:
    """Import as the program does."""
    return import_mails(database, items, actor="program")


@pytest.mark.parametrize("count", [0, 1, FEW, MANY, MOST_OF_BATCH + 1])
def test_any_number_of_mails_goes_in_and_only_once(
    database: Database, count: int
) -> None:
    """In as many transactions as there are batches; again, in none."""
    report = do_import(database, map(make, range(count)))
    assert (report.imported, report.total) == (count, count)
    assert report.message_ids == [
        f"{n}@x" for n in range(min(count, MOST_NAMED))
    ]
    with database.read() as session:
        head = entries.get_head(session)
        names = session.scalars(
            select(col(Message.message_id)).order_by(col(Message.id))
        )
        assert names.all() == [f"{n}@x" for n in range(count)]
        assert entries.verify(session) is None
    report = do_import(database, map(make, range(count)))
    assert (report.known, report.total) == (count, count)
    with database.read() as session:
        assert entries.get_head(session) == head


@pytest.mark.parametrize("count", [3, MANY])
def test_what_is_refused_has_its_place_and_the_rest_goes_in(
    database: Database, count: int
) -> None:
    mails = [make(n) for n in range(count)]
    mails[1] = mails[1]._replace(raw=b"Subject: no sender\n\nx")
    mails[2] = mails[2]._replace(raw=b"", fault="it is too long")
    report = do_import(database, iter(mails))
    assert (report.imported, report.refusals) == (count - 2, 2)
    assert [str(refusal) for refusal in report.refused] == [
        f"m.mbox: {mails[1].place}: this mail is not taken: no From header",
        f"m.mbox: {mails[2].place}: it is too long",
    ]


@pytest.mark.parametrize("count", [6, MANY])
def test_refusals_are_listed_as_they_stand(
    database: Database, count: int
) -> None:
    """Whether it is seen in cutting or in reading, and how late."""
    faults = range(0, count, 2)
    mails = [make(n) for n in range(count)]
    for n in faults:
        mails[n] = mails[n]._replace(
            raw=b"Subject: no sender\n\nx%d" % n,
            fault="it is too long" if n % 4 else None,
        )
    report = do_import(database, iter(mails))
    places = [refusal.place for refusal in report.refused]
    assert places == [mails[n].place for n in faults]
    assert report.imported == count - len(faults)


def test_a_refusal_of_a_single_file_names_no_place() -> None:
    report = ImportReport()
    report.refuse(RawMail(b"", "a.eml"), "why")
    report.refuse(RawMail(b""), "why")
    assert [str(each) for each in report.refused] == ["a.eml: why", "why"]


def test_a_report_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "MOST_REFUSED", 2)
    report = ImportReport()
    for number in range(5):
        report.refuse(make(number), "why")
        report.name(f"{number}.{n}@x" for n in range(MOST_NAMED))
    assert report.refusals == 5
    assert report.refused == [
        Refusal("m.mbox", make(n).place, "why") for n in range(2)
    ]
    assert len(report.message_ids) == MOST_NAMED


def test_the_same_bytes_twice_are_one_mail(database: Database) -> None:
    report = do_import(database, iter([make(1), make(1), make(2)]))
    assert (report.imported, report.known) == (2, 1)


def test_progress_is_told_after_each_batch(database: Database) -> None:
    seen: list[int] = []
    import_mails(
        database,
        map(make, range(MOST_OF_BATCH + 50)),
        actor="program",
        on_progress=lambda report: seen.append(report.total),
    )
    assert seen[-1] == MOST_OF_BATCH + 50
    assert len(seen) == 2


def test_a_mail_that_takes_too_long_is_refused_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The process that reads it is ended; its neighbours are read."""
    monkeypatch.setattr(importing, "prepare_mails", read_slowly)
    monkeypatch.setattr(importing, "CHUNK_SECONDS", 3.0)
    monkeypatch.setattr(importing, "MAIL_SECONDS", 3.0)
    # begun before anybody waits for it, so that no one takes it over
    with importing._Reader() as reader:
        chunk = reader._submit([make(n) for n in range(5, FEW + 6)])
        while not chunk._future.running():
            time.sleep(0.01)
        read = chunk.get()
    assert [n for n, each in enumerate(read, 5) if isinstance(each, str)] == [
        7
    ]
    assert "too long" in str(read[2])


def test_mails_ahead_are_bounded(database: Database) -> None:
    """However long the source is, little of it is taken ahead."""
    taken = 0
    lead = 0

    def give() -> Iterator[RawMail]:
        nonlocal taken
        for number in range(2 * MOST_OF_BATCH):
            taken += 1
            yield make(number)

    def watch(report: ImportReport) -> None:
        nonlocal lead
        lead = max(lead, taken - report.total)

    import_mails(database, give(), actor="program", on_progress=watch)
    assert lead <= (AHEAD + 2) * MOST_OF_CHUNK


def test_the_mails_of_the_review_and_a_list_go_in(
    database: Database, shared: Path, tmp_path: Path
) -> None:
    """A page of an archive finds its mail, all get their conversations."""
    with (tmp_path / "list.mbox").open("wb") as file:
        for copy in generate(200):
            file.write(b"From x Mon Mar 13 12:00:00 2006\n")
            file.write(copy.raw.replace(b"\nFrom ", b"\n>From ") + b"\n")
    boxes = Mailboxes([shared / "mail", tmp_path])
    report = do_import(database, iter(boxes))
    assert report.total == 215
    assert not report.refused
    with database.read() as session:
        stored = session.scalar(select(func.count()).select_from(Message))
        copies = session.scalar(select(func.count()).select_from(Delivery))
        loose = session.scalars(
            select(Message).where(col(Message.conversation_id).is_(None))
        )
        counted = session.scalar(
            select(func.sum(col(Conversation.message_count)))
        )
        assert not loose.all()
    assert stored == report.imported == counted
    assert copies == report.imported + report.deliveries
