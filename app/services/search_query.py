"""The query language, as list archives have it: text to a tree.

Words are all looked for; `"a phrase"`, `-not`, `OR`, `(…)`, `begin*` and
fields such as `s:` narrow. What is not understood is said with its column.
Nothing of a query but terms ever reaches an engine.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from app.errors import Fault, InvalidError
from app.models import SearchKind, StanceValue
from app.services.search_dates import EXPECTED, Period, read_period
from app.services.search_facts import (
    CALL,
    CLAUSE,
    IS,
    LIST,
    MASKED,
    MINE,
    REVIEWER,
    RUN,
    STANCE,
)
from app.services.search_terms import (
    fold,
    make_fact,
    make_whole_fact,
    split_terms,
)

LONGEST_QUERY = 500
MOST_TERMS = 40
DEEPEST = 10
SHORTEST_PREFIX = 2
LONGEST_SHOWN = 40
POINTER = "/q"

TEXT_FIELDS: Mapping[str, tuple[str, ...]] = {
    "s": ("title",),
    "f": ("sender",),
    "t": ("recipients",),
    "c": ("copied",),
    "tc": ("recipients", "copied"),
    "a": ("sender", "recipients", "copied"),
    "b": ("own", "quoted"),
    "bs": ("title", "own", "quoted"),
    "q": ("quoted",),
    "nq": ("own",),
    "m": ("names",),
    "n": ("names",),
}
FACTS = ("facts",)
DATE = "d"
FIELDS = (
    *(*TEXT_FIELDS, LIST, DATE),
    *(CALL, CLAUSE, REVIEWER, STANCE, RUN, IS),
)
SPELT_OUT: Mapping[str, str] = {
    "subject": "s",
    "title": "s",
    "from": "f",
    "author": "f",
    "to": "t",
    "cc": "c",
    "body": "b",
    "quoted": "q",
    "date": "d",
    "mid": "m",
    "file": "n",
    "list": "l",
    "section": CLAUSE,
    "by": REVIEWER,
    "state": IS,
    "type": IS,
}
"""Fields as other programs call them."""
STATES = (
    *("mail", "reply", "patch", "attached"),
    *("thread", "objection", "question", "suggestion", "praise"),
    *("blocking", "concern", "nit"),
    *("open", "unanswered", "deferred", "disputed", "answered"),
    *("conceded", "decided"),
    *("annotation", "post", "remark", "editing", "document", "section"),
    *("call", "scenario", "run", "decision", "in-force", "superseded"),
    *("accepted", "partly", "rejected", "out-of-scope", "invalid"),
    *("retracted", "duplicate", MINE),
)
WORDS: Mapping[str, tuple[str, ...]] = {
    IS: STATES,
    STANCE: tuple(StanceValue),
}
"""Fields that take one of a few words."""

SCHEMES = ("http://", "https://", "ftp://")

# a post and a remark are annotations
_KINDS: Mapping[tuple[str, ...], SearchKind] = {
    (make_whole_fact(IS, word),): kind
    for word, kind in (
        *((kind.value, kind) for kind in SearchKind),
        ("post", SearchKind.annotation),
        ("remark", SearchKind.annotation),
    )
}
_FIELD = re.compile(r"([A-Za-z]{1,12}):")
# of an address, or of a domain: whatever may be hidden of it
_ADDRESS = re.compile(r"[^\s@]{0,64}@?(?:[\w-]+\.)+[\w-]+\*?|[^\s@]+@\S+")
_WORD = re.compile(r'[^\s"()]+(?:\(\))?')


@dataclass(frozen=True, slots=True)
class Words:
    """Terms that stand side by side; in any column if none is named."""

    terms: tuple[str, ...]
    columns: tuple[str, ...] = ()
    is_prefix: bool = False


@dataclass(frozen=True, slots=True)
class Not:
    """What must not be."""

    node: "Node"


@dataclass(frozen=True, slots=True)
class And:
    """What must all be."""

    nodes: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Of which one must be."""

    nodes: tuple["Node", ...]


Node = Words | Period | Not | And | Or


class Asker(NamedTuple):
    """Who asks, and when: what `is:mine` and `2.weeks.ago` depend on.

    Who does not see addresses cannot test them either.
    """

    now: datetime
    account: str | None = None
    sees_addresses: bool = False


def parse_query(text: str, asker: Asker) -> Node | None:
    """Return what a query asks for; None if it is empty.

    Raises
    ------
    InvalidError
        When it is not understood; its fault has the column.
    """
    if len(text) > LONGEST_QUERY:
        raise refuse(
            f"a query has {LONGEST_QUERY} characters at most", LONGEST_QUERY
        )
    parser = _Parser(text, asker)
    if parser.peek() is None:
        return None
    return parser.parse()


def refuse(message: str, at: int, expected: str | None = None) -> InvalidError:
    """Return the error for a query that goes wrong at this character."""
    fault = Fault(POINTER, message, line=1, column=at + 1, expected=expected)
    return InvalidError(f"{message} (column {at + 1})", fault)


def list_words(node: Node | None) -> Iterator[Words]:
    """Give the words that are looked for, to be marked where found."""
    if isinstance(node, Words) and node.columns != FACTS:
        yield node
    elif isinstance(node, And | Or):
        for part in node.nodes:
            yield from list_words(part)


def find_kind(node: Node | None) -> SearchKind | None:
    """Return the one kind of thing that a query asks for, if it does."""
    if isinstance(node, Words) and node.columns == FACTS:
        return _KINDS.get(node.terms)
    if isinstance(node, And):
        return next(filter(None, map(find_kind, node.nodes)), None)
    if isinstance(node, Or):
        kinds = {find_kind(part) for part in node.nodes}
        return kinds.pop() if len(kinds) == 1 else None
    return None


class _Parser:
    """Goes through a query from left to right, once."""

    def __init__(self, text: str, asker: Asker) -> None:
        self.text = text
        self.asker = asker
        self.at = 0
        self.depth = 0
        self.count = 0

    def parse(self) -> Node:
        node = self.parse_or()
        if self.peek() is not None:
            raise refuse("a ) that closes nothing", self.at)
        return node

    def peek(self) -> str | None:
        """Go to the next character that is not white space, and show it."""
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.text[self.at] if self.at < len(self.text) else None

    def take_keyword(self, *words: str) -> str | None:
        if self.peek() is None:
            return None
        found = _WORD.match(self.text, self.at)
        if found is None or found[0] not in words:
            return None
        self.at = found.end()
        return found[0]

    def parse_or(self) -> Node:
        nodes = [self.parse_and()]
        while self.take_keyword("OR"):
            self.require_more("OR")
            nodes.append(self.parse_and())
        return nodes[0] if len(nodes) == 1 else Or(tuple(nodes))

    def parse_and(self) -> Node:
        nodes = [self.parse_one()]
        while True:
            if self.take_keyword("AND"):
                self.require_more("AND")
            elif self.peek() in (None, ")") or self.is_at_or():
                break
            nodes.append(self.parse_one())
        return nodes[0] if len(nodes) == 1 else And(tuple(nodes))

    def is_at_or(self) -> bool:
        found = _WORD.match(self.text, self.at)
        return found is not None and found[0] == "OR"

    def require_more(self, word: str) -> None:
        at = self.at - len(word)
        if self.peek() in (None, ")") or self.is_at_or():
            raise refuse(f"nothing follows {word}", at)

    def parse_one(self) -> Node:
        character = self.peek()
        at = self.at
        if character == ")":
            raise refuse("a ) with nothing before it", at)
        if self.take_keyword("OR", "AND"):
            raise refuse("OR and AND stand between two parts", at)
        is_not = self.take_keyword("NOT") is not None
        if is_not:
            self.require_more("NOT")
        elif self.is_at_minus():
            self.at += 1
            is_not = True
        if not is_not and character != "(":
            return self.parse_term()
        self.depth += 1
        if self.depth > DEEPEST:
            raise refuse(f"nested more than {DEEPEST} deep", at)
        node = Not(self.parse_one()) if is_not else self.parse_group()
        self.depth -= 1
        return node

    def is_at_minus(self) -> bool:
        # two of them begin the name of an option
        following = self.text[self.at + 1 : self.at + 2]
        return (
            self.text[self.at] == "-"
            and not following.isspace()
            and following not in ("", "-")
        )

    def parse_group(self) -> Node:
        opened = self.at
        self.at += 1
        if self.peek() is None:
            raise refuse("a ( that is not closed", opened)
        node = self.parse_or()
        if self.peek() != ")":
            raise refuse("a ( that is not closed", opened)
        self.at += 1
        return node

    def parse_term(self) -> Node:
        at = self.at
        self.count += 1
        if self.count > MOST_TERMS:
            raise refuse(f"more than {MOST_TERMS} words", at)
        field = self.take_field()
        if self.text[self.at : self.at + 1] == '"':
            value = self.take_phrase()
        else:
            value = self.take_word(field)
        if field is None:
            return self.read_words(value, at, ())
        return self.read_field(field, value, at)

    def take_field(self) -> str | None:
        found = _FIELD.match(self.text, self.at)
        if found is None:
            return None
        if self.text.startswith(SCHEMES, self.at):
            return None
        name = found[1].lower()
        if name not in FIELDS:
            known = SPELT_OUT.get(name)
            raise refuse(
                f"no field is called {found[0]!r}; "
                + (
                    f"it is {known}: here"
                    if known
                    else "put the word in quotes to look for it as it is"
                ),
                self.at,
                "one of " + " ".join(f"{field}:" for field in FIELDS),
            )
        self.at = found.end()
        return name

    def take_phrase(self) -> str:
        end = self.text.find('"', self.at + 1)
        if end < 0:
            raise refuse("a quotation mark that is not closed", self.at)
        value = self.text[self.at + 1 : end]
        self.at = end + 1
        if self.text[self.at : self.at + 1] == "*":
            self.at += 1
            value += "*"
        return value

    def take_word(self, field: str | None) -> str:
        found = _WORD.match(self.text, self.at)
        if found is None:
            is_group = self.text[self.at : self.at + 1] == "("
            raise refuse(
                f"{field}: takes no group"
                if is_group
                else f"nothing follows {field}:",
                min(self.at, len(self.text)),
                _say_expected(field),
            )
        self.at = found.end()
        return found[0]

    def read_field(self, field: str, value: str, at: int) -> Node:
        if field in TEXT_FIELDS:
            return self.read_words(value, at, TEXT_FIELDS[field])
        if field == DATE:
            try:
                return read_period(value, self.asker.now)
            except ValueError as error:
                raise refuse(str(error), at, EXPECTED) from None
        if field in WORDS:
            return self.read_named(field, value, at)
        _require_terms(value, at)
        is_prefix = _ends_open(value, at)
        made = make_fact if field in (CALL, LIST) else make_whole_fact
        return Words(tuple(made(field, value).split()), FACTS, is_prefix)

    def read_words(
        self, value: str, at: int, columns: tuple[str, ...]
    ) -> Node:
        terms = _require_terms(value, at)
        words = Words(tuple(terms), columns, _ends_open(value, at))
        if not self.asker.sees_addresses or not _ADDRESS.fullmatch(value):
            return words
        facts = (
            Words((make_whole_fact(name, value),), FACTS, words.is_prefix)
            for name in columns or MASKED
            if name in MASKED
        )
        return Or((words, *facts))

    def read_named(self, field: str, value: str, at: int) -> Node:
        word = value.lower()
        if (field, word) == (IS, "message"):
            word = "mail"
        if word not in WORDS[field]:
            said = "nothing can be" if field == IS else "no stance is"
            raise refuse(
                f"{said} {_shorten(value)!r}",
                at,
                _say_expected(field),
            )
        if word != MINE:
            return Words((make_whole_fact(field, word),), FACTS)
        if self.asker.account is None:
            raise refuse("sign in to look for what is yours", at)
        return Words((make_whole_fact(MINE, self.asker.account),), FACTS)


def _say_expected(field: str | None) -> str:
    if field == DATE:
        return EXPECTED
    words = WORDS.get(field or "")
    if words is not None:
        return "one of " + " ".join(words)
    return 'a word or a "phrase"; the field is said again for each'


def _require_terms(value: str, at: int) -> Sequence[str]:
    terms = split_terms(fold(value))
    if not terms:
        raise refuse(
            f"no letter or digit to look for in {_shorten(value)!r}", at
        )
    return terms


def _ends_open(value: str, at: int) -> bool:
    """Tell whether a word stands for all that begin with it."""
    if not value.endswith("*") or not split_terms(fold(value[-2:-1])):
        return False
    if len(split_terms(fold(value))[-1]) < SHORTEST_PREFIX:
        raise refuse(
            "the beginning of a word has two letters or more",
            at,
        )
    return True


def _shorten(text: str) -> str:
    if len(text) <= LONGEST_SHOWN:
        return text
    return f"{text[:LONGEST_SHOWN]}…"
