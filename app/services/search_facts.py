"""Facts that a search may ask for: what a thing is, and what it is about.

A fact is a word under the name of its field (see `search_terms`). People are
found by their whole name and by each word of it, clauses by their number and
by those of the clauses around them.
"""

from collections.abc import Iterable, Iterator

from app.services.search_terms import make_fact, make_whole_fact

IS = "is"
REVIEWER = "reviewer"
MINE = "mine"
CALL = "call"
CLAUSE = "clause"
LIST = "l"
RUN = "run"


def say_is(*words: str) -> Iterator[str]:
    """Give the facts that `is:` asks for."""
    return (make_whole_fact(IS, word) for word in words)


def say_who(*names: str | None, account: str | None = None) -> Iterator[str]:
    """Give the facts about whose it is."""
    for name in names:
        if name:
            yield make_whole_fact(REVIEWER, name)
            yield from make_fact(REVIEWER, name).split()
    if account:
        yield make_whole_fact(REVIEWER, account)
        yield make_whole_fact(MINE, account)


def say_calls(names: Iterable[str]) -> Iterator[str]:
    """Give the facts about the calls it speaks of."""
    return (make_fact(CALL, name) for name in names)


def say_clauses(clauses: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Give the facts about the clauses (number, anchor) it speaks of."""
    for number, anchor in clauses:
        parts = number.split(".")
        for length in range(1, len(parts) + 1):
            if parts[length - 1]:
                yield make_whole_fact(CLAUSE, ".".join(parts[:length]))
        yield make_whole_fact(CLAUSE, anchor)
