"""TOML with places: what stands in a file, and at which line and column.

The standard library's parser tells no places. `read_toml` lets it do the
parsing, and walks through the same text once more to note where each key and
value begins. The walk refuses deep nesting first, on which the parser would
spend its stack or its time.
"""

import re
import tomllib
from typing import Final, NamedTuple, TypeAlias

from app.sim.errors import RefusedText

MAXIMUM_BYTES: Final = 64 * 1024
MAXIMUM_DEPTH: Final = 8

Path: TypeAlias = tuple[str | int, ...]


class ScenarioError(RefusedText):
    """Raised when a text is no scenario; the place is in the file."""


class Document(NamedTuple):
    """A parsed file, and where its keys and values begin in the text."""

    text: str
    root: dict[str, object]
    keys: dict[Path, int]
    values: dict[Path, int]

    def locate_key(self, path: Path) -> tuple[int, int]:
        """Find line and column of a key, or of the table that lacks it."""
        while path and path not in self.keys:
            path = path[:-1]
        return _get_place(self.text, self.keys.get(path, 0))

    def locate_value(self, path: Path) -> tuple[int, int]:
        """Find line and column of a value."""
        if path in self.values:
            return _get_place(self.text, self.values[path])
        return self.locate_key(path)

    def locate_inside(
        self, path: Path, line: int, column: int
    ) -> tuple[int, int]:
        """Find where a line and column of a text value stand in the file."""
        offsets = _read_offsets(self.text, self.values[path])
        value = self._get_string(path)
        lines = value.split("\n")
        index = sum(len(each) + 1 for each in lines[: line - 1]) + column - 1
        return _get_place(self.text, offsets[min(index, len(offsets) - 1)])

    def _get_string(self, path: Path) -> str:
        value: object = self.root
        for key in path:
            value = value[key]  # type: ignore[index]  # the path was walked
        assert isinstance(value, str)  # noqa: S101  asked for texts alone
        return value


def _get_place(text: str, offset: int) -> tuple[int, int]:
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def read_toml(text: str) -> Document:
    """Parse TOML of at most 64 KiB and note where everything stands.

    Raises
    ------
    ScenarioError
        If it is too long, too deeply nested, or no TOML.
    """
    if len(text.encode(errors="surrogatepass")) > MAXIMUM_BYTES:
        raise ScenarioError(
            "the file is too long", 1, 1, f"at most {MAXIMUM_BYTES} bytes"
        )
    text = text.replace("\r\n", "\n")
    walk = _Walk(text)
    stopped = walk.run()
    try:
        root = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise _translate(str(error), text, walk.position) from None
    if stopped:
        line, column = _get_place(text, walk.position)
        raise ScenarioError("this is not understood", line, column, stopped)
    return Document(text, root, walk.keys, walk.values)


def _translate(message: str, text: str, position: int) -> ScenarioError:
    found = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", message)
    if found:
        line, column = int(found[2]), int(found[3])
        return ScenarioError(found[1], line, column, "TOML")
    at_end = re.fullmatch(r"(.*) \(at end of document\)", message)
    line, column = _get_place(text, len(text) if at_end else position)
    shown = at_end[1] if at_end else "this is no TOML value"
    return ScenarioError(shown, line, column, "TOML")


class _StopError(Exception):
    """Raised where the walk understands no more; the parser says why."""


_BLANK: Final = re.compile(r"(?:[ \t]+|#[^\n]*)*")
_BLANK_LINES: Final = re.compile(r"(?:[ \t\n]+|#[^\n]*)*")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR: Final = re.compile(r"[^\s,\]}#]+(?: [0-9][^\s,\]}#]*)?")
_STRINGS: Final = (
    re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}(?!")', re.DOTALL),
    re.compile(r"'''.*?'{3,5}(?!')", re.DOTALL),
    re.compile(r'"(?:[^"\\\n]|\\.)*"'),
    re.compile(r"'[^'\n]*'"),
)


class _Walk:
    """One pass over the text that notes where keys and values begin."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.keys: dict[Path, int] = {}
        self.values: dict[Path, int] = {}

    def run(self) -> str:
        """Walk to the end; answer what was expected where it stopped."""
        table: Path = ()
        try:
            while True:
                self.match(_BLANK_LINES)
                if self.position == len(self.text):
                    return ""
                if self.text.startswith("[[", self.position):
                    return "a table in single brackets"
                if self.skip("["):
                    table = self.walk_key(())
                    self.require("]")
                else:
                    self.walk_pair(table)
                self.match(_BLANK)
                if self.position < len(self.text):
                    self.require("\n")
        except _StopError as stop:
            return str(stop)

    def match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.position)
        if found is None:
            return ""
        self.position = found.end()
        return found.group()

    def skip(self, mark: str) -> bool:
        if not self.text.startswith(mark, self.position):
            return False
        self.position += len(mark)
        return True

    def require(self, mark: str) -> None:
        if not self.skip(mark):
            raise _StopError(repr(mark))

    def walk_pair(self, table: Path) -> None:
        path = self.walk_key(table)
        self.require("=")
        self.match(_BLANK)
        self.walk_value(path)

    def walk_key(self, table: Path) -> Path:
        path = table
        while True:
            self.match(_BLANK)
            start = self.position
            key = self.match(_BARE_KEY)
            if not key:
                quoted = self.match(_STRINGS[2]) or self.match(_STRINGS[3])
                if not quoted:
                    raise _StopError("a key")
                key = quoted[1:-1]
            path = (*path, key)
            self.keys.setdefault(path, start)
            self.check_depth(path, start)
            self.match(_BLANK)
            if not self.skip("."):
                return path

    def check_depth(self, path: Path, start: int) -> None:
        if len(path) > MAXIMUM_DEPTH:
            line, column = _get_place(self.text, start)
            raise ScenarioError(
                "nested too deeply",
                line,
                column,
                f"at most {MAXIMUM_DEPTH} levels",
            )

    def walk_value(self, path: Path) -> None:
        start = self.position
        self.values[path] = start
        self.check_depth(path, start)
        if self.skip("["):
            self.walk_array(path)
        elif self.skip("{"):
            self.walk_inline_table(path)
        elif self.text.startswith(("'", '"'), start):
            if not any(self.match(pattern) for pattern in _STRINGS):
                raise _StopError("the end of the text")
        elif not self.match(_SCALAR):
            raise _StopError("a value")

    def walk_array(self, path: Path) -> None:
        number = 0
        self.match(_BLANK_LINES)
        while not self.skip("]"):
            self.walk_value((*path, number))
            number += 1
            self.match(_BLANK_LINES)
            if not self.skip(","):
                self.require("]")
                return
            self.match(_BLANK_LINES)

    def walk_inline_table(self, path: Path) -> None:
        self.match(_BLANK)
        while not self.skip("}"):
            self.walk_pair(path)
            self.match(_BLANK)
            if not self.skip(","):
                self.require("}")
                return


_ESCAPE: Final = re.compile(
    r"\\(?:[ \t]*\n[ \t\n]*|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)"
)


def _read_offsets(text: str, start: int) -> list[int]:
    """Find where each character of a string begins, with one for its end."""
    quote = text[start]
    opening = quote * 3 if text.startswith(quote * 3, start) else quote
    position = start + len(opening)
    if len(opening) > 1 and text.startswith("\n", position):
        position += 1
    offsets = []
    pattern = _STRINGS[2 * (len(opening) == 1) + (quote == "'")]
    found = pattern.match(text, start)
    end = (found.end() if found else len(text)) - len(opening)
    while position < end:
        escape = None
        if quote == '"':
            escape = _ESCAPE.match(text, position)
        if escape is None:
            offsets.append(position)
            position += 1
            continue
        if "\n" not in escape.group():
            offsets.append(position)
        position = escape.end()
    return [*offsets, end]
