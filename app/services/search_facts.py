"""Facts that a search may ask for: what a thing is, and what it is about.

A fact is a word under the name of its field (see `search_terms`). People are
found by their whole name and by each word of it, clauses by their number and
by those of the clauses around them.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice

from app.services.masking import find_addresses, mask_addresses
from app.services.search_terms import (
    FACT,
    LONGEST_TEXT,
    Terms,
    fold,
    join_facts,
    join_terms,
    make_fact,
    make_whole_fact,
)

IS = "is"
REVIEWER = "reviewer"
MINE = "mine"
CALL = "call"
CLAUSE = "clause"
LIST = "l"
RUN = "run"
STANCE = "stance"
NAMED = "named"
MOST_ADDRESSES = 1000
LONGEST_DOMAIN = 255
MOST_LABELS = 5
"""As many addresses of a text are found, and so much of each domain."""
ADDRESSES_KEPT = 2048
MASKED = ("title", "sender", "recipients", "copied", "own", "quoted")
"""Columns where addresses may stand."""


def make_terms(
    facts: Iterable[str], *, names: str = "", **texts: str
) -> Terms:
    """Return what is searched of texts, by their columns.

    Where mail goes to is hidden, as it is from readers who are not signed
    in; others find an address by a fact, whole or by its domain.
    """
    said = [
        fact
        for column, text in texts.items()
        if "@" in text
        for fact in say_addresses(column, text)
    ]
    return Terms(
        names=fold(names),
        facts=join_facts([*facts, *said]),
        **{name: fold(mask_addresses(text)) for name, text in texts.items()},
    )


def say_addresses(column: str, text: str) -> Iterator[str]:
    """Give the facts about the addresses in a text, and their domains."""
    found = dict.fromkeys(find_addresses(text[:LONGEST_TEXT]))
    for address in islice(found, MOST_ADDRESSES):
        for name in _name_address(address):
            yield f"{FACT}{column}{FACT}{name}"


@lru_cache(maxsize=ADDRESSES_KEPT)
def _name_address(address: str) -> Sequence[str]:
    """Return an address and its domains, each as a word for a whole fact."""
    # a mailing list has the same ones in mail after mail
    _, _, domain = address.partition("@")
    if len(domain) > LONGEST_DOMAIN:
        return ()
    labels = domain.split(".")
    names = [".".join(labels[-n:]) for n in range(MOST_LABELS, 1, -1)]
    return [*dict.fromkeys(map(join_terms, [address, *names]))]


def say_named(*names: str | None) -> Iterator[str]:
    """Give the facts that put a thing first when one asks for its name."""
    return (make_whole_fact(NAMED, name) for name in names if name)


def say_is(*words: str) -> Iterator[str]:
    """Give the facts that `is:` asks for."""
    return (make_whole_fact(IS, word) for word in words)


def say_stances(values: Iterable[str]) -> Iterator[str]:
    """Give the facts about how reviewers stand to it, or say they do."""
    return (make_whole_fact(STANCE, value) for value in values)


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
