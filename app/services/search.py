"""Search: a query to what it finds, newest first or best first.

Counts stop at a thousand, as pages do: whoever needs more narrows the
search. Addresses are hidden before anything is cut from a text, so no marks
and no snippet can show them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.errors import Fault, InvalidError
from app.models import SearchKind
from app.services.mail_terms import split_quoted
from app.services.masking import mask_addresses
from app.services.search_facts import IS, NAMED
from app.services.search_hits import Hit, Key, read_hits
from app.services.search_match import (
    POSTGRESQL,
    SQLITE,
    Dialect,
    compile_query,
)
from app.services.search_query import (
    FACTS,
    And,
    Asker,
    Node,
    Words,
    find_kind,
    list_words,
    parse_query,
)
from app.services.search_store import is_sqlite
from app.services.search_terms import make_whole_fact
from app.services.snippets import (
    Part,
    Pattern,
    make_pattern,
    make_snippet,
    mark,
)
from app.services.trailers import get_name

PAGE_LENGTH = 25
MOST_FOUND = 1000
MOST_PAGES = MOST_FOUND // PAGE_LENGTH
IN_BODY = ("own", "quoted")
QUOTING = frozenset({SearchKind.mail, SearchKind.annotation})


class Order(StrEnum):
    """In which order what is found is shown."""

    newest = "newest"
    best = "best"


# of these, the latest matter; of the others, those that say most
DATED = frozenset(
    {SearchKind.mail, SearchKind.annotation, SearchKind.decision}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is looked for, and which part of it is shown."""

    text: str
    kind: SearchKind | None = None
    order: Order | None = None
    page: int = 1
    limit: int = PAGE_LENGTH

    @property
    def offset(self) -> int:
        """Return how many come before this page."""
        return (self.page - 1) * self.limit


@dataclass(frozen=True, slots=True)
class ShownHit:
    """What was found, with its words marked."""

    hit: Hit
    title: Sequence[Part]
    who: str
    snippet: Sequence[Part]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A page of what was found.

    `counts` are by kind, up to MOST_FOUND each; `total` is of the kind that
    is shown, or of all.
    """

    hits: Sequence[ShownHit]
    counts: Mapping[SearchKind, int]
    total: int
    order: Order
    has_more: bool


def search(
    session: Session,
    wanted: Wanted,
    *,
    account: str | None,
    is_masked: bool,
    now: datetime | None = None,
) -> Found:
    """Return what a query finds.

    Raises
    ------
    InvalidError
        When the query is not understood; it says where.
    """
    asker = Asker(
        now or datetime.now(UTC), account, sees_addresses=not is_masked
    )
    node = parse_query(wanted.text, asker)
    if wanted.offset >= MOST_FOUND:
        raise InvalidError(
            f"a list ends after {MOST_FOUND:,}; narrow the search",
            Fault("/page", f"expected one of the first {MOST_FOUND:,}"),
        )
    asked = wanted.kind or find_kind(node)
    if node is None:
        order = wanted.order or choose_order(asked, 0)
        return Found(hits=(), counts={}, total=0, order=order, has_more=False)
    counts = count_kinds(session, node)
    total = (
        counts.get(wanted.kind, 0)
        if wanted.kind
        else min(sum(counts.values()), MOST_FOUND)
    )
    order = wanted.order or choose_order(asked, total)
    narrowed = _narrow(node, wanted.kind)
    keys = list_found(
        session,
        narrowed,
        order,
        limit=wanted.limit + 1,
        offset=wanted.offset,
    )
    return Found(
        hits=_show(
            read_hits(session, keys[: wanted.limit]),
            list(list_words(node)),
            is_masked=is_masked,
        ),
        counts=counts,
        total=total,
        order=order,
        has_more=len(keys) > wanted.limit
        and wanted.offset + wanted.limit < MOST_FOUND,
    )


def choose_order(kind: SearchKind | None, total: int) -> Order:
    """Return the order that suits what was found best.

    Mails come newest first. Of all kinds together the newest would be runs
    and questions, whatever was asked: there, what fits best comes first, as
    long as it is few enough to weigh each.
    """
    if kind is None:
        return Order.best if total < MOST_FOUND else Order.newest
    return Order.newest if kind in DATED else Order.best


def _narrow(node: Node, kind: SearchKind | None) -> Node:
    if kind is None:
        return node
    parts = node.nodes if isinstance(node, And) else (node,)
    return And((Words((make_whole_fact(IS, kind.value),), FACTS), *parts))


def list_found(
    session: Session, node: Node, order: Order, *, limit: int, offset: int = 0
) -> list[Key]:
    """Return what a query finds, in this order."""
    dialect = _get_dialect(session)
    matching = compile_query(node, dialect)
    ordered = "i.id DESC"
    values = {**matching.values, "most": limit, "start": offset}
    if matching.has_expression:
        is_best = order is Order.best
        ordered = dialect.best if is_best else dialect.newest
        name = find_name(node) if is_best else None
        if name is not None:
            # what is called so comes before what only speaks of it
            named = compile_query(name, dialect, "named")
            ordered = f"{dialect.order_by_name}, {ordered}"
            values |= named.values
    statement = (
        *("SELECT i.kind, i.ref, i.id", matching.sql),
        *("ORDER BY", ordered, "LIMIT :most OFFSET :start"),
    )
    rows = session.execute(text(" ".join(statement)), values)
    return [Key(SearchKind(row[0]), row[1], row[2]) for row in rows]


def find_name(node: Node) -> Words | None:
    """Return what asks for the things that bear the words as their name."""
    parts = node.nodes if isinstance(node, And) else (node,)
    said = [
        part
        for part in parts
        if not (isinstance(part, Words) and part.columns == FACTS)
    ]
    terms: list[str] = []
    for part in said:
        if not isinstance(part, Words) or part.columns or part.is_prefix:
            return None
        terms += part.terms
    if not terms:
        return None
    return Words((make_whole_fact(NAMED, " ".join(terms)),), FACTS)


def _get_dialect(session: Session) -> Dialect:
    return SQLITE if is_sqlite(session) else POSTGRESQL


def count_kinds(session: Session, node: Node) -> dict[SearchKind, int]:
    """Return how much a query finds of each kind, up to MOST_FOUND."""
    dialect = _get_dialect(session)
    matching = compile_query(node, dialect)
    statement = (
        *("SELECT kind, count(*) FROM (SELECT i.kind AS kind", matching.sql),
        *("LIMIT", str(MOST_FOUND + 1), ") found GROUP BY kind"),
    )
    rows = session.execute(text(" ".join(statement)), matching.values)
    counts = {SearchKind(row[0]): row[1] for row in rows}
    if sum(counts.values()) <= MOST_FOUND:
        return counts
    # the first thousand say nothing about the rest
    return _count_each(session, node, dialect)


def _count_each(
    session: Session, node: Node, dialect: Dialect
) -> dict[SearchKind, int]:
    counted: list[str] = []
    values: dict[str, object] = {}
    for kind in SearchKind:
        matching = compile_query(_narrow(node, kind), dialect, kind.value)
        part = (
            *("SELECT count(*) FROM (SELECT 1", matching.sql),
            *("LIMIT", str(MOST_FOUND), ") found"),
        )
        counted.append(f"({' '.join(part)})")
        values |= matching.values
    statement = f"SELECT {', '.join(counted)}"
    row = session.execute(text(statement), values).one()
    return {
        kind: count
        for kind, count in zip(SearchKind, row, strict=True)
        if count
    }


def _show(
    hits: Sequence[Hit], words: Sequence[Words], *, is_masked: bool
) -> list[ShownHit]:
    in_title = _make_pattern(words, ("title",))
    in_body = _make_pattern(words, IN_BODY)
    asked = {name for word in words for name in word.columns or IN_BODY}
    parts = asked & set(IN_BODY)
    only = parts.pop() if len(parts) == 1 else None
    is_parted = only is not None or in_body is None
    shown = []
    for hit in hits:
        body, title, who = hit.text, hit.title, hit.who
        if hit.kind is SearchKind.mail:
            who = get_name(who)
        if is_masked:
            body, title, who = map(mask_addresses, (body, title, who))
        if is_parted and hit.kind in QUOTING:
            own, quoted = split_quoted(body)
            body = quoted if only == "quoted" else own
        shown.append(
            ShownHit(
                hit,
                mark(title, in_title),
                who,
                make_snippet(body, in_body),
            )
        )
    return shown


def _make_pattern(
    words: Sequence[Words], columns: Sequence[str]
) -> Pattern | None:
    return make_pattern(
        word
        for word in words
        if not word.columns or not set(columns).isdisjoint(word.columns)
    )
