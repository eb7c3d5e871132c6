"""The simple values of an annotation: IRIs, times, words; pure.

A `Checker` gathers what is wrong, each with its JSON Pointer; it stops taking
note after `MOST_FAULTS`. It also bounds what a document may be as a whole.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from app.errors import Fault

DEEPEST = 24
MOST_NODES = 5000
MOST_ITEMS = 50
MOST_FAULTS = 20
LONGEST_IRI = 2000
LONGEST_KEY = 500
LONGEST_LINE = 500
LONGEST_STRING = 100_000
MOST_DIGITS = 300

DIRECTIONS = ("ltr", "rtl", "auto")
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`\x00-\x20\x7f]+")
_REFERENCE = re.compile(r"/(?!/)[^\s<>\"{}|\\^`\x00-\x20\x7f]*")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,12})?Z", re.ASCII)
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8}){0,10}")
_FORMAT = re.compile(r"[\w.+-]+/[\w.+-]+( *;.*)?", re.ASCII)
_LONE = re.compile("[\0\ud800-\udfff]")
"""What no text may hold: no database keeps it."""

Check = Callable[[object, str], None]


def list_values(value: object) -> list[Any]:
    """Return one or more values as a list; there are none of nothing."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def escape_pointer(key: str) -> str:
    """Return a key as a part of a JSON Pointer."""
    return key.replace("~", "~0").replace("/", "~1")


class Checker:
    """Gathers the faults of a document."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self._nodes = 0

    def add(self, pointer: str, message: str) -> None:
        """Take note of a fault."""
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(pointer, message))

    def check_bounds(self, document: Mapping[str, Any]) -> None:
        """Check that a document can be kept: depth, counts, characters."""
        waiting: list[tuple[object, str, int]] = [(document, "", 0)]
        while waiting and not self.faults:
            value, pointer, depth = waiting.pop()
            self._nodes += 1
            if self._nodes > MOST_NODES:
                self.add(pointer, f"expected {MOST_NODES} values at most")
            elif depth > DEEPEST:
                self.add(pointer, f"expected {DEEPEST} levels at most")
            elif isinstance(value, Mapping):
                for key, one in value.items():
                    there = f"{pointer}/{escape_pointer(key[:LONGEST_KEY])}"
                    self._check_characters(key, there, LONGEST_KEY)
                    waiting.append((one, there, depth + 1))
            elif isinstance(value, list):
                waiting += [
                    (one, f"{pointer}/{place}", depth + 1)
                    for place, one in enumerate(value[: MOST_NODES + 1])
                ]
            else:
                self._check_scalar(value, pointer)

    def _check_scalar(self, value: object, pointer: str) -> None:
        if isinstance(value, str):
            self._check_characters(value, pointer, LONGEST_STRING)
        elif isinstance(value, float) and not math.isfinite(value):
            self.add(pointer, "expected a number that JSON knows")
        elif isinstance(value, int) and abs(value) >= 10**MOST_DIGITS:
            self.add(pointer, f"expected {MOST_DIGITS} digits at most")

    def _check_characters(self, text: str, pointer: str, most: int) -> None:
        if len(text) > most:
            self.add(pointer, f"expected {most} characters at most")
        elif _LONE.search(text):
            place = pointer.encode(errors="replace").decode()
            self.add(
                place.replace("\0", "?"),
                "expected no U+0000 and no half of a character",
            )

    def list_items(
        self, value: object, key: str, most: int = MOST_ITEMS
    ) -> Iterator[tuple[Any, str]]:
        """Return one or more values, each with its pointer."""
        if not isinstance(value, list):
            yield value, f"/{key}"
            return
        if not value:
            self.add(f"/{key}", "expected one at least")
        if len(value) > most:
            self.add(f"/{key}", f"expected {most} at most")
        for place, one in enumerate(value[:most]):
            yield one, f"/{key}/{place}"

    def check_each(
        self, of: Mapping[str, Any], key: str, pointer: str, check: Check
    ) -> None:
        """Check one or more values of a key, if it is there."""
        if key in of:
            for one, there in self.list_items(
                of[key], f"{pointer}/{key}".removeprefix("/")
            ):
                check(one, there)

    def check_one(self, value: object, pointer: str, check: Check) -> None:
        """Check a value that is single; a list of one is a single value."""
        if isinstance(value, list):
            if len(value) != 1:
                self.add(pointer, "expected a single value")
                return
            value = value[0]
        check(value, pointer)

    def check_string(self, value: object, pointer: str, most: int) -> None:
        """Check a text, and how long it is."""
        if not isinstance(value, str):
            self.add(pointer, "expected a text")
        elif len(value) > most:
            self.add(pointer, f"expected {most} characters at most")

    def check_text(self, value: object, pointer: str) -> None:
        """Check a text of any length that a document may have."""
        self.check_string(value, pointer, LONGEST_STRING)

    def check_word(self, value: object, pointer: str) -> None:
        """Check the name of a term."""
        self.check_line(value, pointer, LONGEST_LINE)

    def check_line(self, value: object, pointer: str, most: int) -> None:
        """Check a text of one line that says something."""
        if isinstance(value, str) and not value.strip():
            self.add(pointer, "expected a text that is not empty")
        elif isinstance(value, str) and len(value.splitlines()) > 1:
            self.add(pointer, "expected one line")
        else:
            self.check_string(value, pointer, most)

    def check_iri(self, value: object, pointer: str) -> None:
        """Check an IRI, or a reference within this site."""
        if (
            not isinstance(value, str)
            or len(value) > LONGEST_IRI
            or not (_IRI.fullmatch(value) or _REFERENCE.fullmatch(value))
        ):
            self.add(pointer, "expected an IRI")

    def check_time(self, value: object, pointer: str) -> None:
        """Check a time in UTC as XML Schema and RFC 3339 write it."""
        if isinstance(value, str) and _TIME.fullmatch(value):
            try:
                datetime.fromisoformat(value[:19])
            except ValueError:
                pass
            else:
                return
        self.add(pointer, "expected a time in UTC, as 2026-11-23T10:00:00Z")

    def check_agent(self, value: object, pointer: str) -> None:
        """Check who did something: an IRI, or an object with one at most."""
        if not isinstance(value, dict):
            self.check_iri(value, pointer)
        elif "id" in value:
            self.check_one(value["id"], f"{pointer}/id", self.check_iri)

    def check_named(self, value: object, pointer: str) -> None:
        """Check something that is named by an IRI."""
        named = value.get("id") if isinstance(value, dict) else value
        self.check_one(named, pointer, self.check_iri)

    def check_number(self, value: object, pointer: str) -> None:
        """Check a count."""
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            self.add(pointer, "expected a whole number, 0 at least")

    def check_forms(self, of: Mapping[str, Any], pointer: str) -> None:
        """Check in which form and language a resource is."""
        self.check_each(of, "format", pointer, self._check_format)
        self.check_each(of, "language", pointer, self._check_language)
        for key, check in (
            ("processingLanguage", self._check_language),
            ("textDirection", self._check_direction),
        ):
            if key in of:
                self.check_one(of[key], f"{pointer}/{key}", check)

    def _check_format(self, value: object, pointer: str) -> None:
        if (
            not isinstance(value, str)
            or len(value) > LONGEST_LINE
            or not _FORMAT.fullmatch(value)
        ):
            self.add(pointer, "expected a media type, as text/plain")

    def _check_language(self, value: object, pointer: str) -> None:
        if not isinstance(value, str) or not _LANGUAGE.fullmatch(value):
            self.add(pointer, "expected a language tag, as en or pt-BR")

    def _check_direction(self, value: object, pointer: str) -> None:
        if value not in DIRECTIONS:
            self.add(pointer, f"expected one of {', '.join(DIRECTIONS)}")
