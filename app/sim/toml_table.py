"""A table of a scenario file, read key by key with checks.

Each reader answers a value of the asked type or raises `ScenarioError` with
the place of the value. Unknown keys are refused when a table is opened. Where
errors are kept (see `refusals`), a reader answers its default instead.
"""

from collections.abc import Collection
from difflib import get_close_matches
from typing import NoReturn, Self

from app.sim.refusals import STRICT, Refusals
from app.sim.toml_places import Document, Path, ScenarioError

LARGEST = (1 << 64) - 1


class Table:
    """One table of a file with the keys that it may have."""

    def __init__(
        self,
        document: Document,
        path: Path,
        value: object,
        known: Collection[str] | None,
        refusals: Refusals = STRICT,
    ) -> None:
        self.document = document
        self.path = path
        self.refusals = refusals
        self.values: dict[str, object] = {}
        with refusals:
            if not isinstance(value, dict):
                self.refuse_value("this is no table", (), "a table")
            self.values = {
                key: each
                for key, each in value.items()
                if self._is_known(key, known)
            }

    def _is_known(self, key: str, known: Collection[str] | None) -> bool:
        with self.refusals:
            if known is not None and key not in known:
                self.refuse_key(key, known)
            return True
        return False

    def refuse_key(self, key: str, known: Collection[str]) -> NoReturn:
        """Refuse a key; name the nearest known one, or all."""
        near = get_close_matches(key[:60], sorted(known), n=1)
        expected = repr(near[0]) if near else "one of " + ", ".join(known)
        line, column = self.document.locate_key((*self.path, key))
        raise ScenarioError(
            f"{key[:60]!r} is unknown here", line, column, expected
        )

    def refuse_value(
        self, message: str, inner: Path, expected: str
    ) -> NoReturn:
        """Refuse a value of this table, or the table as a whole."""
        place = self.document.locate_value((*self.path, *inner))
        raise ScenarioError(message, *place, expected)

    def open_table(
        self, key: str, known: Collection[str] | None = None
    ) -> Self:
        """Open a table within, an empty one if it is absent."""
        value = self.values.get(key, {})
        path = (*self.path, key)
        return type(self)(self.document, path, value, known, self.refusals)

    def add_defaults(self, other: Self) -> None:
        """Take from another table, read before, what this one lacks."""
        self.values = {**other.values, **self.values}

    def require(self, key: str) -> None:
        """Refuse the table if it lacks a key."""
        if key not in self.values:
            line, column = self.document.locate_key(self.path)
            raise ScenarioError(
                f"{key!r} is missing", line, column, f"the key {key!r}"
            )

    def read_text(self, key: str, longest: int, default: str = "") -> str:
        """Read a text that is not blank."""
        with self.refusals:
            if key not in self.values:
                return default
            value = self.values[key]
            if not isinstance(value, str) or not value.strip():
                self.refuse_value(
                    "this is no text", (key,), "a text in quotes"
                )
            if len(value) > longest:
                self.refuse_value(
                    "the text is too long",
                    (key,),
                    f"at most {longest} characters",
                )
            return value
        return default

    def read_number(
        self, key: str, low: int, high: int, default: int = 0
    ) -> int:
        """Read a whole number within bounds."""
        with self.refusals:
            value = self.values.get(key, default)
            if (
                not isinstance(value, int)
                or isinstance(value, bool)
                or not low <= value <= high
            ):
                self.refuse_value(
                    "this does not fit",
                    (key,),
                    f"a whole number from {low} to {high}",
                )
            return value
        return default

    def read_word(self, key: str, default: int = 0) -> int:
        """Read 32 bits; a negative number is taken modulo 2**32."""
        low, high = -(1 << 31), (1 << 32) - 1
        return self.read_number(key, low, high, default) % (1 << 32)

    def read_long(self, key: str, default: int = 0) -> int:
        """Read 64 bits without a sign."""
        return self.read_number(key, 0, LARGEST, default)

    def read_switch(self, key: str, *, default: bool = False) -> bool:
        """Read true or false."""
        with self.refusals:
            value = self.values.get(key, default)
            if not isinstance(value, bool):
                self.refuse_value("this is no switch", (key,), "true or false")
            return value
        return default

    def read_choice(
        self, key: str, choices: Collection[str], default: str = ""
    ) -> str:
        """Read one of some words; without a default it must be there."""
        value = self.values.get(key, default)
        if isinstance(value, str) and value in choices:
            return value
        if not default:
            self.refuse_choice(value, (key,), choices)
        with self.refusals:
            self.refuse_choice(value, (key,), choices)
        return default

    def refuse_choice(
        self, value: object, inner: Path, choices: Collection[str]
    ) -> NoReturn:
        """Refuse a word that is none of these."""
        shown = str(value)[:60]
        near = get_close_matches(shown, sorted(choices), n=1)
        expected = repr(near[0]) if near else "one of " + ", ".join(choices)
        self.refuse_value(f"{shown!r} is unknown here", inner, expected)

    def read_list(self, key: str) -> list[object]:
        """Read a list, an empty one if it is absent."""
        with self.refusals:
            value = self.values.get(key, [])
            if not isinstance(value, list):
                self.refuse_value(
                    "this is no list", (key,), "a list in brackets"
                )
            return value
        return []

    def read_choices(
        self, key: str, choices: Collection[str]
    ) -> tuple[str, ...]:
        """Read a list of different words out of some."""
        words: list[str] = []
        for number, value in enumerate(self.read_list(key)):
            with self.refusals:
                if not isinstance(value, str) or value not in choices:
                    self.refuse_choice(value, (key, number), choices)
                if value in words:
                    message = f"{value!r} is there twice"
                    self.refuse_value(message, (key, number), "each once")
                words.append(value)
        return tuple(words)

    def limit(self, what: str, most: int) -> None:
        """Refuse a table with too many entries."""
        with self.refusals:
            if len(self.values) > most:
                key = list(self.values)[most]
                line, column = self.document.locate_key((*self.path, key))
                raise ScenarioError(
                    f"too many {what}", line, column, f"at most {most}"
                )
