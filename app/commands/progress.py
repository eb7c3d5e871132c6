"""One line that says how far a command is, where somebody looks on."""

import sys
import time
from typing import Final, Self, TextIO

FIRST: Final = 0.5
"""Seconds before the line appears: most answers are there by then."""

NEXT: Final = 0.2
"""Seconds from one writing to the next."""

_CLEAR: Final = "\r\x1b[K"


class ProgressLine:
    """A line that is written over and gone at the end.

    Parameters
    ----------
    stream
        Where to write; the error output, if None. Nothing is written to
        what is no terminal.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._is_seen = self._stream.isatty()
        self._next = time.monotonic() + FIRST
        self._is_written = False

    def __enter__(self) -> Self:
        """Begin; the line is cleared at the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Clear the line, so that only the answer is left."""
        if self._is_written:
            self._stream.write(_CLEAR)
            self._stream.flush()

    def write(self, text: str) -> None:
        """Write the line, unless it was written a moment ago."""
        if not self._is_seen or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + NEXT
        self._is_written = True
        self._stream.write(f"{_CLEAR}{text}")
        self._stream.flush()
