"""Saving: a question of one's own becomes one of the list.

Its name begins with `asked-`, which no corpus uses. Whoever saved it may
replace it; evidence that rested on the text before is stale from then on.
"""

import hashlib
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session
from sqlmodel import col

from app.db import Database
from app.errors import (
    ConflictError,
    Fault,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    ReviewError,
    WaitError,
)
from app.models import (
    Call,
    Evidence,
    Reviewer,
    Run,
    SavedScenario,
    Scenario,
    ScenarioCall,
    SearchKind,
    Thread,
)
from app.services import entries, evidence, runs, search_index
from app.services.asking import Question, build_refusal
from app.services.corpus_scenarios import SAVED
from app.services.explorer import Client, Explorer
from app.services.moderation import require_reason, require_say
from app.services.proposals import find_proposal
from app.services.reviewers import Visitor
from app.sim import Scenario as ParsedScenario
from app.sim import ScenarioError, parse_scenario

LONGEST_NAME = 60
PATIENCE = 5.0
"""Seconds that who saves a question waits for its first answer."""

MOST_SAVED = 200
"""How many questions one reviewer may save."""

_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


def build_slug(name: str) -> str:
    """Return the name that a saved question has, or refuse it."""
    rest = name.strip().removeprefix(SAVED)
    if not _NAME.fullmatch(rest) or len(rest) > LONGEST_NAME:
        raise InvalidError(
            "the question cannot have this name",
            Fault(
                "/name",
                "expected lower-case letters, digits and single hyphens, "
                f"{LONGEST_NAME} at most",
            ),
        )
    return f"{SAVED}{rest}"


def save_question(  # noqa: PLR0913 - each is a part of the change
    database: Database,
    explorer: Explorer,
    visitor: Visitor,
    name: str,
    text: str,
    *,
    require: Callable[[Session], None] | None = None,
) -> str:
    """Save a checked text, and let it be answered; returns its name.

    Parameters
    ----------
    require
        Looks at what is there before it is changed, and may refuse.
    """
    with database.write() as session:
        entries.take_turn(session)
        if require is not None:
            require(session)
        slug = save_scenario(session, visitor, name, text)
    try:
        begun = runs.begin_run(
            database,
            explorer,
            Question(slug, text),
            # counted by itself, whatever else its holder asks
            Client(visitor.actor, visitor.name),
        )
    except WaitError:
        # it is on the list, and can be run there
        return slug
    if begun.job is None:
        with database.write() as session:
            runs.adopt_run(session, begun.id, text)
    else:
        # most answers are there at once; who waits sees them on the page
        with suppress(ReviewError):
            explorer.wait(begun.job, PATIENCE)
    return slug


def save_scenario(
    session: Session, visitor: Visitor, name: str, text: str
) -> str:
    """Save a question, or replace one of one's own; returns its name.

    The text has been checked by a worker before.

    Raises
    ------
    InvalidError
        If the name or the text is none, or it speaks of what there is not.
    ConflictError
        If somebody else has saved a question of this name.
    """
    slug = build_slug(name)
    try:
        scenario = parse_scenario(text, slug=slug)
    except ScenarioError as error:
        raise build_refusal(error) from None
    entries.take_turn(session)
    thread_id = _find_thread(session, scenario)
    calls = _find_calls(session, scenario)
    row = session.scalar(select(Scenario).where(col(Scenario.slug) == slug))
    is_new = row is None
    if row is None:
        row = _add_row(session, visitor, slug)
    else:
        _require_own(session, visitor, row)
    if row.text != text:
        row.run_id = None
    row.text, row.question = text, scenario.question
    row.thread_id = thread_id
    session.flush()
    _link_calls(session, row, calls)
    entries.append_entry(
        session,
        visitor.actor,
        "scenario.saved" if is_new else "scenario.replaced",
        f"scenario:{slug}",
        {
            "question": scenario.question,
            "text": hashlib.sha256(text.encode()).hexdigest(),
        },
    )
    evidence.mark_stale(session)
    return slug


def _find_thread(session: Session, scenario: ParsedScenario) -> int | None:
    if scenario.objection is None:
        return None
    found = session.scalar(
        select(col(Thread.id)).where(col(Thread.slug) == scenario.objection)
    )
    if found is None:
        raise InvalidError(
            "the question comes from a thread that there is not",
            Fault(
                "/scenario_text",
                f"objection: no thread is called {scenario.objection!r}",
            ),
        )
    return found


def _find_calls(session: Session, scenario: ParsedScenario) -> list[int]:
    rows = session.execute(
        select(col(Call.name), col(Call.id)).where(
            col(Call.name).in_(scenario.about)
        )
    )
    found: dict[str, int] = {name: id_ for name, id_ in rows if id_}
    for name in scenario.about:
        if name not in found:
            raise InvalidError(
                "the question is about a call that there is not",
                Fault("/scenario_text", f"about: no call is named {name!r}"),
            )
    return [found[name] for name in dict.fromkeys(scenario.about)]


def _add_row(session: Session, visitor: Visitor, slug: str) -> Scenario:
    proposal = find_proposal(session)
    if proposal is None:
        raise NotFoundError("proposal", "under review")
    count = session.scalar(
        select(func.count())
        .select_from(SavedScenario)
        .where(col(SavedScenario.reviewer_id) == visitor.id)
    )
    if count and count >= MOST_SAVED:
        raise ConflictError(
            f"you have saved {count} questions, {MOST_SAVED} at most; "
            "replace one of them"
        )
    last = session.scalar(select(func.max(col(Scenario.position)))) or 0
    row = Scenario(
        proposal_id=proposal.id,
        position=last + 1,
        slug=slug,
        question="",
        text="",
    )
    session.add(row)
    session.flush()
    assert row.id is not None  # noqa: S101 - it was flushed
    session.add(
        SavedScenario(
            scenario_id=row.id,
            reviewer_id=visitor.id,
            saved_at=datetime.now(UTC),
        )
    )
    return row


def require_saved(session: Session, visitor: Visitor, slug: str) -> None:
    """Refuse to replace what the visitor has not saved here.

    Raises
    ------
    NotFoundError
        If there is no question of this name.
    ForbiddenError
        If somebody else has saved it.
    ConflictError
        If it is of the corpus.
    """
    _, account = _find_saved(session, slug)
    if account != visitor.name:
        raise ForbiddenError("only who saved a question replaces it")


def require_removable(session: Session, visitor: Visitor, slug: str) -> None:
    """Refuse to remove what others need, or what the visitor may not.

    Raises
    ------
    NotFoundError
        If there is no question of this name.
    ForbiddenError
        If somebody else has saved it, and the visitor is no editor.
    ConflictError
        If it is of the corpus, or if evidence rests on it.
    """
    _, account = _find_saved(session, slug)
    require_say(visitor, account)
    thread = session.scalar(
        select(col(Thread.slug))
        .join(Evidence, col(Evidence.thread_id) == col(Thread.id))
        .join(Run, col(Run.id) == col(Evidence.run_id))
        .where(col(Run.scenario_slug) == slug)
        .limit(1)
    )
    if thread is not None:
        raise ConflictError(
            f"evidence on {thread} rests on {slug}, so it stays"
        )


def remove_scenario(
    session: Session, visitor: Visitor, slug: str, *, reason: str = ""
) -> None:
    """Take a saved question off the list; its runs stay as they are.

    Parameters
    ----------
    reason
        Why; an editor who removes another's must say.
    """
    entries.take_turn(session)
    require_removable(session, visitor, slug)
    id_, account = _find_saved(session, slug)
    require_reason(visitor, account, reason)
    for table in (ScenarioCall, SavedScenario):
        session.execute(delete(table).where(col(table.scenario_id) == id_))
    session.execute(delete(Scenario).where(col(Scenario.id) == id_))
    orphans = session.scalars(
        update(Run)
        .where(col(Run.scenario_slug) == slug)
        .values(scenario_slug=None)
        .returning(col(Run.id))
    ).all()
    search_index.refresh(session, SearchKind.run, orphans)
    entries.append_entry(
        session,
        visitor.actor,
        "scenario.removed",
        f"scenario:{slug}",
        {"reviewer": account, "reason": reason},
    )


def _find_saved(session: Session, slug: str) -> tuple[int, str]:
    """Return a saved question's row, and whose it is."""
    row = session.execute(
        select(col(Scenario.id), col(Reviewer.name))
        .outerjoin(
            SavedScenario, col(SavedScenario.scenario_id) == col(Scenario.id)
        )
        .outerjoin(
            Reviewer, col(Reviewer.id) == col(SavedScenario.reviewer_id)
        )
        .where(col(Scenario.slug) == slug)
    ).first()
    if row is None or row[0] is None:
        raise NotFoundError("question", slug)
    if row[1] is None:
        raise ConflictError(f"{slug} is of the corpus, so it stays as it is")
    return row[0], row[1]


def _require_own(session: Session, visitor: Visitor, row: Scenario) -> None:
    saved = session.get(SavedScenario, row.id)
    if saved is None or saved.reviewer_id != visitor.id:
        raise ConflictError(
            f"somebody else has saved {row.slug}; choose another name"
        )
    saved.saved_at = datetime.now(UTC)


def _link_calls(session: Session, row: Scenario, calls: list[int]) -> None:
    assert row.id is not None  # noqa: S101 - it was flushed
    session.execute(
        delete(ScenarioCall).where(col(ScenarioCall.scenario_id) == row.id)
    )
    for call_id in calls:
        session.add(ScenarioCall(scenario_id=row.id, call_id=call_id))
    session.flush()
