"""Our trees of mails beside Dovecot's `THREAD REFERENCES`.

Mails go through our parser on the one side and through Dovecot's on the
other. `--first-seed` asks it of other sets.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlmodel import col

from app.db import Database
from app.models import Message
from app.services.base_subject import compute_base_subject
from app.services.conversation_tree import Mail, build_trees, compute_date
from app.services.importing import import_mails
from app.services.mail import parse_mail
from app.services.mailbox import RawMail
from tests.oracles.dovecot import (
    Arrival,
    Node,
    is_here,
    thread_mailboxes,
)
from tests.oracles.mail_sets import (
    ARRIVAL,
    SETS,
    make_chain,
    make_crowd,
    make_dated,
    make_mailbox,
    make_source,
)

pytestmark = pytest.mark.skipif(
    not is_here(), reason="dovecot (the package dovecot-imapd) is missing"
)

MAILBOXES = 50
DEEP = 2_000

Threads = list[list[Node]]


def thread_mails(mails: Sequence[Arrival]) -> Threads:
    """Return what we make of a mailbox, in the oracle's form."""
    read = [read_mail(n, mail) for n, mail in enumerate(mails, start=1)]
    return [
        [Node(place.depth, place.key) for place in tree.places]
        for tree in build_trees(read)
    ]


def read_mail(number: int, mail: Arrival) -> Mail:
    """Return a mail as the trees are built of it."""
    parsed = parse_mail(mail.raw)
    above = [parsed.in_reply_to] if parsed.in_reply_to else []
    return Mail(
        number,
        parsed.message_id,
        parsed.references or above,
        *compute_base_subject(parsed.subject),
        compute_date(parsed.sent_at, mail.at),
    )


def hold_equal(mailboxes: Sequence[Sequence[Arrival]]) -> int:
    """Compare; return how many mails were."""
    for mails, said in zip(
        mailboxes, thread_mailboxes(mailboxes), strict=True
    ):
        ours = thread_mails(mails)
        shown = [
            mails[number - 1].raw.decode()
            for tree in said
            if tree not in ours
            for _, number in tree
        ]
        assert ours == said, "\n".join(shown)
    return sum(len(mails) for mails in mailboxes)


def test_small_sets_of_hostile_mails(
    request: pytest.FixtureRequest,
) -> None:
    """Loops, ids twice, parents that never came, subjects alone, no dates."""
    first = request.config.getoption("--first-seed")
    seeds = range(first, first + MAILBOXES)
    assert hold_equal([make_mailbox(seed) for seed in seeds]) > SETS


def test_large_sets_of_few_ids_and_of_many(
    request: pytest.FixtureRequest,
) -> None:
    first = request.config.getoption("--first-seed")
    crowds = [make_crowd(first + n, 400, 20 * 4**n) for n in range(5)]
    assert hold_equal(crowds)


def test_a_chain_of_answers_in_any_order() -> None:
    assert hold_equal([make_chain(1, DEEP)]) == DEEP


def test_dates_of_any_form() -> None:
    """Comments, zones by name or letter, seconds left out."""
    assert hold_equal([make_dated(seed) for seed in range(4)])


def test_the_mails_of_the_review(shared: Path) -> None:
    """In the order of their names, the other way round, and shuffled."""
    files = sorted((shared / "mail").glob("*.eml"))
    mails = [Arrival(file.read_bytes(), ARRIVAL) for file in files]
    orders = [mails, mails[::-1]]
    orders += [make_source(n).sample(mails, len(mails)) for n in range(8)]
    assert hold_equal(orders) == len(mails) * len(orders)


def test_what_is_stored_of_imported_mails(
    empty_database: Database, shared: Path
) -> None:
    """The whole way: mailboxes through the import, into the tables."""
    files = sorted((shared / "mail").glob("*.eml"))
    mails = make_mailbox(7) + make_crowd(8, 100, 30)
    raws = [mail.raw for mail in mails] + [file.read_bytes() for file in files]
    items = [
        RawMail(raw, "test", number)
        for number, raw in enumerate(raws, start=1)
    ]
    report = import_mails(empty_database, items, actor="program")
    assert report.imported == len(raws)
    with empty_database.read() as session:
        rows = session.execute(
            select(
                *(col(Message.conversation_id), col(Message.depth)),
                col(Message.id),
            ).order_by(col(Message.conversation_id), col(Message.position))
        ).all()
    stored: dict[int | None, list[Node]] = {}
    first = min(row[2] or 0 for row in rows)
    for row in rows:
        node = Node(row[1], (row[2] or 0) - first + 1)
        stored.setdefault(row[0], []).append(node)
    now = datetime.now(UTC)
    (said,) = thread_mailboxes([[Arrival(raw, now) for raw in raws]])
    assert sorted(stored.values()) == sorted(said)
