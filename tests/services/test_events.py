"""Events: what is told of each line of the log, and to whom."""

import json

import pytest
from sqlalchemy.orm import Session

from app.errors import NotFoundError
from app.models import Role
from app.services import annotations, entries, events, sessions
from app.services.events import Event, Wanted
from tests.factories import make_visitor

THREAD = "kleen-sti-shadow"
CALL = "VMI_EnableInterrupts"


def read_newest(session: Session) -> Event:
    """Return the event of the log's last line."""
    head = entries.get_head(session).seq
    (event,) = events.read_events(session, after=head - 1, limit=10)
    return event


def test_a_reply_is_told_of_with_its_thread_and_calls(
    session: Session,
) -> None:
    """Its text is not told: it is read from its own address."""
    visitor = make_visitor(session)
    post = annotations.reply(session, visitor, THREAD, "Not\nso.")
    event = read_newest(session)
    assert event.type == "annotation.created"
    assert set(event.threads) == {THREAD}
    assert CALL in event.calls
    assert "\n" not in event.text
    told = json.loads(event.text)
    assert told["subject"] == f"annotation:{post.id}"
    assert told["actor"] == "reviewer:ada"
    assert told["proposal"]
    assert "text" not in told
    assert told["threads"] == [THREAD]


@pytest.mark.parametrize(
    ("subject", "data", "thread", "call"),
    [
        (f"thread:{THREAD}", {}, THREAD, CALL),
        ("decision:9", {"thread": THREAD}, THREAD, CALL),
        (f"scenario:{THREAD}", {}, THREAD, CALL),
        (f"call:{CALL}", {}, None, CALL),
        ("annotation:none", {"call": CALL}, None, CALL),
        ("quote:a#1", {"calls": [CALL, 3]}, None, CALL),
        ("message:a@b", {"thread": 3, "calls": "x"}, None, None),
    ],
)
def test_a_line_belongs_to_threads_and_calls(
    session: Session,
    subject: str,
    data: dict[str, object],
    thread: str | None,
    call: str | None,
) -> None:
    """By its subject, by what it names, by what these belong to."""
    entries.append_entry(session, "program", "test.done", subject, data)
    event = read_newest(session)
    assert event.threads == ({thread} if thread else set())
    assert (call in event.calls) if call else not event.calls


def test_all_that_is_named_must_hold(session: Session) -> None:
    entries.append_entry(session, "program", "a.b", f"thread:{THREAD}", {})
    event = read_newest(session)
    assert Wanted().has(event, None)
    assert Wanted(thread=THREAD, call=CALL).has(event, None)
    assert not Wanted(thread=THREAD, call="VMI_SetPte").has(event, None)
    assert not Wanted(thread="kleen-watchdog-nmi").has(event, None)


def test_only_administrators_are_told_of_accounts(session: Session) -> None:
    ada = make_visitor(session)
    chief = make_visitor(session, "chief", Role.administrator)
    sessions.sign_in(session, ada.id, days=1, means="test")
    event = read_newest(session)
    assert event.type == "reviewer.signed_in"
    assert [Wanted().has(event, who) for who in (None, ada, chief)] == [
        *(False, False, True)
    ]


@pytest.mark.parametrize(
    ("type_", "takes"),
    [
        ("reviewer.signed_in", False),
        ("reviewer.disabled", True),
        ("reviewer.unheard_of", True),
        ("session.ended", True),
        ("token.revoked", True),
        ("member.removed", True),
        ("member.added", False),
        ("proposal.closed", True),
        ("proposal.opened", False),
        ("annotation.deleted", False),
    ],
)
def test_it_says_after_what_somebody_may_read_less(
    session: Session, type_: str, takes: bool
) -> None:
    """An act on accounts that is not known takes, to be sure."""
    entries.append_entry(session, "program", type_, "reviewer:ada", {})
    assert read_newest(session).takes is takes


def test_names_of_nothing_are_refused(session: Session) -> None:
    wanted = events.find_wanted(
        session, proposal=None, call=CALL, thread=THREAD
    )
    assert wanted == Wanted(call=CALL, thread=THREAD)
    names = {"proposal": None, "call": None, "thread": None}
    for noun in names:
        with pytest.raises(NotFoundError, match=noun):
            events.find_wanted(session, **{**names, noun: "nothing"})
