"""A query as SQL: what an engine matches by itself, and conditions around.

FTS5 and tsquery are each handed an expression that is written here from
terms alone, quoted; what FTS5 has no form for (a bare negation, a date among
alternatives) becomes SQL over the numbers of items.
"""

from datetime import datetime
from typing import Any, NamedTuple

from app.services.search_dates import Period
from app.services.search_query import FACTS, And, Node, Not, Or, Words
from app.services.search_records import EPOCH
from app.services.search_store import NAMED, WEIGHTS
from app.services.search_terms import FACT

# a term weighs most in a title, then in a name; facts weigh nothing
RANKING = "10.0, 4.0, 1.0, 1.0, 2.0, 1.0, 5.0, 0.0"


class Dialect(NamedTuple):
    """How an engine says what a search needs; `{}` is a parameter's name.

    CROSS JOIN has SQLite go through what matches, and not through all items.
    """

    matched: str
    within: str
    newest: str
    best: str

    @property
    def order_by_name(self) -> str:
        """Return the order that begins with what has the name asked for.

        Of these the calls come first, then the clauses.
        """
        within = self.within.format("named")
        return (
            f"CASE WHEN NOT {within} THEN 3 WHEN i.kind = 'call' THEN 0 "
            "WHEN i.kind = 'section' THEN 1 ELSE 2 END"
        )


SQLITE = Dialect(
    matched="FROM search_text CROSS JOIN search_item i "
    "ON i.id = search_text.rowid WHERE search_text MATCH :{}",
    within="i.id IN (SELECT rowid FROM search_text "
    "WHERE search_text MATCH :{})",
    newest="search_text.rowid DESC",
    best=f"bm25(search_text, {RANKING}), search_text.rowid DESC",
)
POSTGRESQL = Dialect(
    matched="FROM search_text t JOIN search_item i ON i.id = t.id "
    "WHERE t.terms @@ CAST(:{} AS tsquery)",
    within="i.id IN (SELECT id FROM search_text "
    "WHERE terms @@ CAST(:{} AS tsquery))",
    newest="i.id DESC",
    # the length of a text tells against it, as with bm25
    best="ts_rank_cd(t.terms, CAST(:expression AS tsquery), 1) DESC, "
    "i.id DESC",
)
ALL = "FROM search_item i WHERE true"


class Matching(NamedTuple):
    """How a query is matched: FROM and WHERE, and their parameters.

    What has no `expression` cannot be ranked.
    """

    sql: str
    values: dict[str, Any]
    has_expression: bool


def compile_query(
    node: Node, dialect: Dialect, name: str = "expression"
) -> Matching:
    """Return how a query is matched; `name` begins its parameters' names."""
    parts = node.nodes if isinstance(node, And) else (node,)
    good = [part for part in parts if _is_plain(part)]
    bad = [
        part
        for part in parts
        if isinstance(part, Not) and _is_plain(part.node)
    ]
    taken = [*good, *bad] if good else []
    compiler = _Compiler(dialect, name, {})
    conditions = [
        compiler.compile(part) for part in parts if part not in taken
    ]
    matched = ALL
    if taken:
        matched = dialect.matched.format(name)
        compiler.values[name] = _write(And(tuple(taken)), dialect)
    return Matching(
        " AND ".join([matched, *conditions]), compiler.values, bool(taken)
    )


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

    dialect: Dialect
    name: str
    values: dict[str, Any]

    def compile(self, node: Node) -> str:
        if isinstance(node, Period):
            return self.compile_period(node)
        if isinstance(node, Not):
            return f"NOT {self.compile(node.node)}"
        if isinstance(node, And | Or) and not _is_plain(node):
            sign = " AND " if isinstance(node, And) else " OR "
            return f"({sign.join(map(self.compile, node.nodes))})"
        name = self.add(_write(node, self.dialect))
        return self.dialect.within.format(name)

    def compile_period(self, period: Period) -> str:
        bounds = ["true"]
        if period.first is not None:
            bounds.append(f"i.id >= :{self.add(_get_number(period.first))}")
        if period.last is not None:
            bounds.append(f"i.id < :{self.add(_get_number(period.last))}")
        return f"({' AND '.join(bounds)})"

    def add(self, value: object) -> str:
        name = f"{self.name}_{len(self.values)}"
        self.values[name] = value
        return name


def _get_number(at: datetime) -> int:
    return max(0, int((at - EPOCH).total_seconds()))


def _write(node: Node, dialect: Dialect) -> str:
    is_sqlite = dialect is SQLITE
    return _write_fts(node) if is_sqlite else _write_tsquery(node)


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
        _write_phrase(words, f"{FACT}{NAMED[name]}{FACT}", "")
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
