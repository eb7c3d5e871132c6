"""Events: what a stream tells of each line of the log, and of what it is.

An event says that something changed and where; what it is now is read from
its own address. What the log tells of accounts is for administrators.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import NotFoundError
from app.models import (
    Anchor,
    Annotation,
    Call,
    Proposal,
    Role,
    Scenario,
    ScenarioCall,
    Thread,
    ThreadCall,
)
from app.services import entries
from app.services.entries import Line
from app.services.proposals import find_proposal
from app.services.reviewers import Visitor

ACCOUNTS = frozenset(
    ("reviewer", "session", "token", "link", "invitation", "member")
)
"""Nouns of entries about who may do what."""

GIVING = frozenset(
    (
        *("reviewer.added", "reviewer.signed_in", "reviewer.enabled"),
        *("reviewer.linked", "link.created", "token.created"),
        *("invitation.created", "invitation.used", "invitation.revoked"),
        "member.added",
    )
)
"""Entries of these nouns after which everybody may read what they could."""

TAKING = frozenset(("proposal.closed",))
"""Further entries after which somebody may read less."""

Names = Mapping[str, set[str]]


def is_of_accounts(type_: str) -> bool:
    """Tell whether entries of this type are about who may do what."""
    return type_.partition(".")[0] in ACCOUNTS


def is_told(type_: str, visitor: Visitor | None) -> bool:
    """Tell whether this visitor is told of entries of this type."""
    return not is_of_accounts(type_) or (
        visitor is not None and visitor.may(Role.administrator)
    )


class Event(NamedTuple):
    """A line of the log as streams tell it; `text` is one line of JSON.

    `takes` says that after it somebody may read less than before.
    """

    seq: int
    type: str
    text: str
    threads: frozenset[str]
    calls: frozenset[str]
    takes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a stream is asked for; all that is named must hold."""

    thread: str | None = None
    call: str | None = None

    def has(self, event: Event, visitor: Visitor | None) -> bool:
        """Tell whether this visitor is told of an event."""
        if not is_told(event.type, visitor):
            return False
        return (self.thread is None or self.thread in event.threads) and (
            self.call is None or self.call in event.calls
        )


def find_wanted(
    session: Session,
    *,
    proposal: str | None,
    call: str | None,
    thread: str | None,
) -> Wanted:
    """Return what is asked for, or refuse the name of nothing."""
    # the log of one database is that of one proposal
    for noun, column, name in (
        ("proposal", col(Proposal.slug), proposal),
        ("call", col(Call.name), call),
        ("thread", col(Thread.slug), thread),
    ):
        if name is None:
            continue
        found = select(column).where(column == name).limit(1)
        if session.execute(found).first() is None:
            raise NotFoundError(noun, name)
    return Wanted(thread=thread, call=call)


def read_events(session: Session, *, after: int, limit: int) -> list[Event]:
    """Return the events that follow number `after`, in order."""
    lines = entries.list_entries(session, after=after, limit=limit)
    if not lines:
        return []
    found = find_proposal(session)
    proposal = found.slug if found else None
    threads = _find_threads(session, lines)
    calls = _find_calls(session, lines, threads)
    return [
        _make_event(line, proposal, threads[line.subject], calls[line.subject])
        for line in lines
    ]


def _make_event(
    line: Line, proposal: str | None, threads: set[str], calls: set[str]
) -> Event:
    told = {
        "seq": line.seq,
        "at": line.at,
        "type": line.type,
        "actor": line.actor,
        "subject": line.subject,
        "proposal": proposal,
        "threads": sorted(threads),
        "calls": sorted(calls),
    }
    return Event(
        line.seq,
        line.type,
        json.dumps(told, ensure_ascii=False, separators=(",", ":")),
        frozenset(threads),
        frozenset(calls),
        takes=line.type in TAKING
        or (is_of_accounts(line.type) and line.type not in GIVING),
    )


def _find_threads(session: Session, lines: Sequence[Line]) -> Names:
    """Return the threads that each subject belongs to."""
    found: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        noun, _, name = line.subject.partition(":")
        named = name if noun == "thread" else line.data.get("thread")
        if isinstance(named, str):
            found[line.subject].add(named)
    posts = _list_names(lines, "annotation")
    _add(
        found,
        "annotation",
        session.execute(
            select(col(Annotation.id), col(Thread.slug))
            .join(Thread, col(Thread.id) == col(Annotation.thread_id))
            .where(col(Annotation.id).in_(posts))
        )
        if posts
        else (),
    )
    scenarios = _list_names(lines, "scenario")
    _add(
        found,
        "scenario",
        session.execute(
            select(col(Scenario.slug), col(Thread.slug))
            .join(Thread, col(Thread.id) == col(Scenario.thread_id))
            .where(col(Scenario.slug).in_(scenarios))
        )
        if scenarios
        else (),
    )
    return found


def _find_calls(
    session: Session, lines: Sequence[Line], threads: Names
) -> Names:
    """Return the calls that each subject speaks of, or its thread does."""
    found: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        noun, _, name = line.subject.partition(":")
        told = [name if noun == "call" else line.data.get("call")]
        listed = line.data.get("calls")
        told += listed if isinstance(listed, list) else []
        found[line.subject] |= {n for n in told if isinstance(n, str)}
    posts = _list_names(lines, "annotation")
    _add(
        found,
        "annotation",
        session.execute(
            select(col(Anchor.annotation_id), col(Call.name))
            .join(Call, col(Call.id) == col(Anchor.call_id))
            .where(col(Anchor.annotation_id).in_(posts))
        )
        if posts
        else (),
    )
    scenarios = _list_names(lines, "scenario")
    _add(
        found,
        "scenario",
        session.execute(
            select(col(Scenario.slug), col(Call.name))
            .join(
                ScenarioCall,
                col(ScenarioCall.scenario_id) == col(Scenario.id),
            )
            .join(Call, col(Call.id) == col(ScenarioCall.call_id))
            .where(col(Scenario.slug).in_(scenarios))
        )
        if scenarios
        else (),
    )
    slugs = {slug for named in threads.values() for slug in named}
    spoken = _read_calls(session, slugs) if slugs else {}
    for subject, named in threads.items():
        for slug in named:
            found[subject] |= spoken.get(slug, set())
    return found


def _read_calls(session: Session, slugs: Iterable[str]) -> Names:
    """Return the calls that each of these threads speaks of."""
    calls: dict[str, set[str]] = defaultdict(set)
    rows = session.execute(
        select(col(Thread.slug), col(Call.name))
        .join(ThreadCall, col(ThreadCall.thread_id) == col(Thread.id))
        .join(Call, col(Call.id) == col(ThreadCall.call_id))
        .where(col(Thread.slug).in_(slugs))
    )
    for slug, name in rows:
        calls[slug].add(name)
    return calls


def _list_names(lines: Sequence[Line], noun: str) -> list[str]:
    start = f"{noun}:"
    return [
        line.subject.removeprefix(start)
        for line in lines
        if line.subject.startswith(start)
    ]


def _add(found: dict[str, set[str]], noun: str, rows: Iterable[Any]) -> None:
    for name, named in rows:
        found[f"{noun}:{name}"].add(named)
