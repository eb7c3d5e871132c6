"""Text to search terms: the one step that both engines' indexes share.

A term is a run of letters and digits, folded: without case, without marks
over letters, compatibility forms as plain ones. So `VMI_SetCR3` is two terms,
and is found as the phrase that they make. What an engine gets is ASCII
between spaces, or letters that neither of them parts.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

LONGEST_TERM = 128
LONGEST_TEXT = 400_000
"""How much of one text is searched; PostgreSQL holds no more."""

FACT = "\ue000"
JOINT = "\ue001"
"""Private characters: no text of anybody else's keeps one when folded.

A fact begins with one, so that no beginning of a word finds it.
"""

_NO_TERM = re.compile(r"[^\w\x00-\x7f]+")
# folded a piece at a time, for each character becomes an object meanwhile
_OTHERS = re.compile(r"[^\x00-\x7f]{1,1000}")
_TERM = re.compile(r"[0-9a-z\x80-\U0010ffff]+")
_TOO_LONG = re.compile(rf"{_TERM.pattern[:-1]}{{{LONGEST_TERM + 1},}}")


class Terms(NamedTuple):
    """What is searched of one thing: folded texts, a column each.

    `own` is what it says itself, `quoted` what it quotes; `names` are those
    that it goes by. `facts` are words of fields, as `make_fact` writes them.
    """

    title: str = ""
    sender: str = ""
    recipients: str = ""
    copied: str = ""
    own: str = ""
    quoted: str = ""
    names: str = ""
    facts: str = ""


COLUMNS: Sequence[str] = Terms._fields


def fold(text: str) -> str:
    """Return a text whose terms are what one may search for."""
    folded = text[:LONGEST_TEXT].lower()
    if not folded.isascii():
        folded = _OTHERS.sub(_fold_run, folded)[:LONGEST_TEXT]
    if (
        len(folded) > LONGEST_TERM
        and max(map(len, folded.split("\n"))) > LONGEST_TERM
    ):
        # no word, but a blob of data
        folded = _TOO_LONG.sub(" ", folded)
    return folded


def _fold_run(found: re.Match[str]) -> str:
    plain = unicodedata.normalize("NFKD", found[0])
    bare = "".join(c for c in plain if not unicodedata.combining(c))
    return _NO_TERM.sub(" ", bare.casefold())


def split_terms(folded: str) -> list[str]:
    """Return the terms of a folded text, in order."""
    return _TERM.findall(folded)


def make_fact(name: str, text: str) -> str:
    """Return the words of a field's text, each under the field's name."""
    terms = split_terms(fold(text))
    return " ".join(f"{FACT}{name}{FACT}{term}" for term in terms)


def make_whole_fact(name: str, text: str) -> str:
    """Return a field's text as one word, found only as a whole."""
    return f"{FACT}{name}{FACT}{join_terms(text)}"


def join_terms(text: str) -> str:
    """Return the terms of a text as one word, as a whole fact has them."""
    return JOINT.join(split_terms(fold(text)))


def join_facts(facts: Iterable[str]) -> str:
    """Return facts as one column, each once, in whatever order they come."""
    return " ".join(sorted(set(facts)))
