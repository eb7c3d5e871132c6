"""A query as SQL: what an engine matches by itself, and conditions around.

FTS5 and tsquery are each handed an expression that is written here from
terms alone, quoted; what FTS5 has no form for (a bare negation, a date among
alternatives) becomes SQL over the numbers of items.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    and_,
    cast,
    func,
    literal_column,
    not_,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlmodel import col

from app.models import SearchItem
from app.services.search_dates import Period
from app.services.search_query import FACTS, And, Node, Not, Or, Words
from app.services.search_records import EPOCH
from app.services.search_store import (
    FTS,
    NAMED,
    VECTORS,
    WEIGHTS,
)
from app.services.search_terms import FACT

FTS_NAME: ColumnElement[str] = literal_column("search_text")
# of a term in each column, in their order: a title says most
RANKING = (10.0, 4.0, 1.0, 1.0, 2.0, 1.0, 5.0, 0.0)

Condition = ColumnElement[bool]


class Matching(NamedTuple):
    """How a query is matched: by an expression, by conditions, or both."""

    expression: str
    conditions: Sequence[Condition]


def compile_query(node: Node | None, *, is_sqlite: bool) -> Matching:
    """Return how a query is matched; an empty one matches all."""
    if node is None:
        return Matching("", ())
    parts = node.nodes if isinstance(node, And) else (node,)
    good = [part for part in parts if _is_plain(part)]
    bad = [
        part.node
        for part in parts
        if isinstance(part, Not) and _is_plain(part.node)
    ]
    taken = [*good, *map(Not, bad)] if good else []
    rest = [part for part in parts if part not in taken]
    write = _write_fts if is_sqlite else _write_tsquery
    expression = write(And(tuple(taken))) if taken else ""
    compiler = _Compiler(is_sqlite=is_sqlite)
    return Matching(expression, [compiler.compile(part) for part in rest])


def is_matched(expression: str, *, is_sqlite: bool) -> Condition:
    """Return the condition that an engine's own expression matches."""
    if is_sqlite:
        return FTS_NAME.op("MATCH", is_comparison=True)(expression)
    return VECTORS.c.terms.op("@@", is_comparison=True)(
        cast(expression, TSQUERY)
    )


def get_rank(expression: str, *, is_sqlite: bool) -> ColumnElement[Any]:
    """Return what orders matches by weight, the best first."""
    if is_sqlite:
        return func.bm25(FTS_NAME, *RANKING)
    return func.ts_rank(VECTORS.c.terms, cast(expression, TSQUERY)).desc()


def _is_plain(node: Node) -> bool:
    """Tell whether FTS5 has a form for it."""
    if isinstance(node, Words):
        return True
    if isinstance(node, Or):
        return all(map(_is_plain, node.nodes))
    if isinstance(node, And):
        plain = [_is_plain(part) for part in node.nodes]
        return any(plain) and all(
            is_plain or (isinstance(part, Not) and _is_plain(part.node))
            for part, is_plain in zip(node.nodes, plain, strict=True)
        )
    return False


class _Compiler(NamedTuple):
    """Writes as SQL what the engine's expressions cannot hold."""

    is_sqlite: bool

    def compile(self, node: Node) -> Condition:
        if isinstance(node, Period):
            return and_(*_list_bounds(node))
        if isinstance(node, Not):
            return not_(self.compile(node.node))
        if isinstance(node, And | Or) and not _is_plain(node):
            join = and_ if isinstance(node, And) else or_
            return join(*map(self.compile, node.nodes))
        write = _write_fts if self.is_sqlite else _write_tsquery
        matched = is_matched(write(node), is_sqlite=self.is_sqlite)
        ids = (
            select(FTS.c.rowid).select_from(FTS)
            if self.is_sqlite
            else select(VECTORS.c.id)
        )
        return col(SearchItem.id).in_(ids.where(matched))


def _list_bounds(period: Period) -> Iterable[Condition]:
    if period.first is not None:
        yield col(SearchItem.id) >= _get_number(period.first)
    if period.last is not None:
        yield col(SearchItem.id) < _get_number(period.last)


def _get_number(at: datetime) -> int:
    return max(0, int((at - EPOCH).total_seconds()))


def _write_fts(node: Node) -> str:
    if isinstance(node, Words):
        phrase = f'"{" ".join(node.terms)}"{" *" if node.is_prefix else ""}'
        if not node.columns:
            return phrase
        return f"{{{' '.join(node.columns)}}} : {phrase}"
    if isinstance(node, Or):
        return f"({' OR '.join(map(_write_fts, node.nodes))})"
    if isinstance(node, And):
        good = [n for n in node.nodes if not isinstance(n, Not)]
        bad = [n.node for n in node.nodes if isinstance(n, Not)]
        both = f"({' AND '.join(map(_write_fts, good))})"
        return f"({' NOT '.join([both, *map(_write_fts, bad)])})"
    raise TypeError(node)


def _write_tsquery(node: Node) -> str:
    if isinstance(node, Words):
        return _write_lexemes(node)
    if isinstance(node, Not):
        return f"!{_write_tsquery(node.node)}"
    if isinstance(node, And | Or):
        sign = " & " if isinstance(node, And) else " | "
        return f"({sign.join(map(_write_tsquery, node.nodes))})"
    raise TypeError(node)


def _write_lexemes(words: Words) -> str:
    if not words.columns or words.columns == FACTS:
        return _write_phrase(words, "", "")
    weights = "".join(WEIGHTS.get(name, "") for name in words.columns)
    found = [_write_phrase(words, "", weights)] if weights else []
    found += [
        _write_phrase(words, f"{NAMED[name]}{FACT}", "")
        for name in words.columns
        if name in NAMED
    ]
    return f"({' | '.join(found)})"


def _write_phrase(words: Words, prefix: str, weights: str) -> str:
    last = len(words.terms) - 1
    written = []
    for number, term in enumerate(words.terms):
        signs = ("*" if words.is_prefix and number == last else "") + weights
        written.append(f"'{prefix}{term}'{f':{signs}' if signs else ''}")
    return f"({' <-> '.join(written)})"
