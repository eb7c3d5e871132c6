"""The base subject of a mail, by which mails without references are gathered.

RFC 5256 section 2.1 takes off what replies, forwards and lists put around a
subject; two base subjects are equal by the collation of RFC 5051. The text
returned is the collation's key, so equal subjects are equal strings.

Dovecot is followed where it departs from the RFCs:

- the key is made first and the rules work on it, so that a full-width `Re:`
  is one too, and a character that is compatible with a space is one;
- each character is decomposed once, not again and again, and those past the
  basic plane only where one character takes their place.

Its tables are those of Unicode 10 or so: characters that are younger, which
it leaves as they are, are mapped here.
"""

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

BASIC_PLANE = 0xFFFF
FIRST_SYLLABLE, LAST_SYLLABLE = "\uac00", "\ud7a3"  # of Hangul
CHARACTERS = 4096

_SPACES = re.compile(r"[ \t\r\n]+")
_BLOB = r"\[[^\[\]]*\] ?"
_TRAILER = "(FWD)"
_BLOBS = re.compile(rf"(?:{_BLOB})*+")
_LEADER = re.compile(rf"(?:RE|FWD?) ?(?:{_BLOB})?:")
_FORWARD = "[FWD:"


class BaseSubject(NamedTuple):
    """What is left of a subject, and whether it was of a reply or forward."""

    text: str
    is_reply: bool


def compute_base_subject(subject: str) -> BaseSubject:
    """Return the base subject of a subject whose words were decoded."""
    text = _SPACES.sub(" ", fold_case(subject))
    is_reply = False
    while True:
        text, was_forwarded = _strip_trailers(text)
        text, was_answered = _strip_leaders(text)
        is_reply |= was_forwarded or was_answered
        if not (text.startswith(_FORWARD) and text.endswith("]")):
            return BaseSubject(text, is_reply)
        is_reply = True
        text = text[len(_FORWARD) : -1]


def fold_case(text: str) -> str:
    """Return a text by which others that differ in case are equal to it."""
    if text.isascii():
        return text.upper()
    return "".join(map(_fold_character, text))


@lru_cache(maxsize=CHARACTERS)
def _fold_character(character: str) -> str:
    title = character.title()
    if len(title) > 1:  # a mapping to one character is meant
        title = character
    if FIRST_SYLLABLE <= title <= LAST_SYLLABLE:  # made of letters by rule
        return unicodedata.normalize("NFD", title)
    parts = unicodedata.decomposition(title).split()
    codes = [part for part in parts if not part.startswith("<")]
    if not codes or (len(codes) > 1 and ord(title) > BASIC_PLANE):
        return title
    return "".join(chr(int(code, 16)) for code in codes)


def _strip_trailers(text: str) -> tuple[str, bool]:
    found = False
    end = len(text)
    while end:
        if text[end - 1] == " ":
            end -= 1
        elif text.endswith(_TRAILER, 0, end):
            end -= len(_TRAILER)
            found = True
        else:
            break
    return text[:end], found


def _strip_leaders(text: str) -> tuple[str, bool]:
    """Take off leaders, and blobs that something follows."""
    found = False
    start = 0
    while True:
        before = start
        if text.startswith(" ", start):
            start += 1
        blobs = _BLOBS.match(text, start)
        end = blobs.end() if blobs else start
        leader = _LEADER.match(text, end)
        if leader:
            start = leader.end()
            found = True
        elif end < len(text):
            start = end
        elif end > start:  # nothing follows the last of them
            start = text.rindex("[", start)
        if start == before:
            return text[start:], found
