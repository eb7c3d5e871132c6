"""Trailers of mails: who acked, reviewed, tested, signed or refused.

A trailer is a line `Key: value` at a line's start, outside quotations, with
a key that ends in `-by`, or one that stands in a paragraph with such a line.
A bare `Ack.` or `NAK` is a hint: it has a key and no value, and counts for
nothing until a person says so.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

LONGEST = 500
MOST = 200
NACKED = "Nacked-by"

_BY = re.compile(r"([a-z][a-z-]{0,40}-by)[ \t]*:[ \t]*(\S.*)", re.IGNORECASE)
_PAIR = re.compile(r"([a-z][a-z-]{0,40})[ \t]*:[ \t]*(\S.*)", re.IGNORECASE)
_BARE = re.compile(
    r"(n?ack(?:ed)?|nak(?:ed)?)(?:[.,;:!]|[ \t]*$|[ \t]+-)", re.IGNORECASE
)
_NACKS = re.compile(r"n(?:ac?k|ac?ked)-by", re.IGNORECASE)
_AROUND = " \t\n\"'<>()"


class Trailer(NamedTuple):
    """A key as the list of trailers writes it; a hint has no value."""

    key: str
    value: str


class StanceKind(StrEnum):
    """What somebody says of a patch or a proposal as a whole."""

    nack = "nack"
    ack = "ack"
    review = "review"
    test = "test"


class Said(NamedTuple):
    """The trailers of one mail, and whose mail it is."""

    message_id: str
    sender: str
    trailers: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stance:
    """What a person says last; `replaces` is what they took back by it."""

    person: str
    kind: StanceKind
    message_id: str
    is_hint: bool
    replaces: StanceKind | None = None


def find_trailers(body: str) -> list[Trailer]:
    """Return the trailers of a mail's text, in its order."""
    folded = body.lower()
    has_trailer = "-by" in folded
    if not has_trailer and "ack" not in folded and "nak" not in folded:
        return []
    found: list[Trailer] = []
    for paragraph in _split(body):
        if has_trailer and any(_BY.match(line) for line in paragraph):
            found += _read_paragraph(paragraph)
        found += [
            Trailer(hint[1].capitalize(), "")
            for hint in map(_BARE.match, paragraph)
            if hint
        ]
    return found[:MOST]


def is_trailer(line: str) -> bool:
    """Tell whether a line is a trailer wherever it stands."""
    return _BY.match(line) is not None


def _split(body: str) -> Iterator[list[str]]:
    """Yield the paragraphs before the signature, without quotations."""
    paragraph: list[str] = []
    for line in body.split("\n"):
        if line in {"-- ", "--"}:
            break
        if line.startswith(">") or not line.strip():
            if paragraph:
                yield paragraph
            paragraph = []
        else:
            paragraph.append(line)
    if paragraph:
        yield paragraph


def _read_paragraph(lines: Sequence[str]) -> Iterator[Trailer]:
    key = value = ""
    for line in lines:
        pair = _PAIR.match(line)
        if pair is None and key and line[:1] in " \t":
            value = f"{value} {line.strip()}"
            continue
        if key:
            yield Trailer(key, value[:LONGEST])
        key, value = (
            (_write_key(pair[1]), pair[2].strip()) if pair else ("", "")
        )
    if key:
        yield Trailer(key, value[:LONGEST])


def _write_key(key: str) -> str:
    return NACKED if _NACKS.fullmatch(key) else key.lower().capitalize()


def get_name(sender: str) -> str:
    """Return the name in an address; where none is, what precedes its @."""
    name, _, address = sender.partition("<")
    if not name.strip(_AROUND):
        name = address
    address, comment, rest = name.partition("(")
    if comment and "@" in address:
        name = rest
    return name.partition("@")[0].strip(_AROUND)


def compute_stances(mails: Iterable[Said]) -> list[Stance]:
    """Return what each person says last; mails come in the order of time.

    A NACK takes back the same person's earlier ack, a later ack the NACK.
    Hints replace nothing, and are kept only of who says nothing more.
    """
    last: dict[str, dict[StanceKind, Stance]] = {}
    hints: dict[str, Stance] = {}
    for mail in mails:
        for key, value in mail.trailers:
            for kind in read_kinds(key):
                person = get_name(value or mail.sender)
                stance = Stance(
                    person=person,
                    kind=kind,
                    message_id=mail.message_id,
                    is_hint=not value,
                )
                name = person.casefold()
                if stance.is_hint:
                    hints[name] = stance
                else:
                    _add(last.setdefault(name, {}), stance)
    told = [one for kinds in last.values() for one in kinds.values()]
    told += [hint for name, hint in hints.items() if name not in last]
    order = list(StanceKind)
    return sorted(
        told, key=lambda s: (s.is_hint, order.index(s.kind), s.person)
    )


def read_kinds(key: str) -> list[StanceKind]:
    """Return what a key says; `Reviewed-and-tested-by` says two things."""
    words = set(key.lower().removesuffix("-by").split("-"))
    kinds = {
        StanceKind.nack: {"nack", "nacked", "nak", "naked"},
        StanceKind.ack: {"ack", "acked"},
        StanceKind.review: {"reviewed"},
        StanceKind.test: {"tested"},
    }
    return [kind for kind, names in kinds.items() if names & words]


def _add(kinds: dict[StanceKind, Stance], stance: Stance) -> None:
    refuses = stance.kind is StanceKind.nack
    against = [k for k in kinds if (k is StanceKind.nack) != refuses]
    replaced = against[0] if against else None
    for kind in against:
        del kinds[kind]
    kinds[stance.kind] = Stance(
        person=stance.person,
        kind=stance.kind,
        message_id=stance.message_id,
        is_hint=False,
        replaces=replaced,
    )
