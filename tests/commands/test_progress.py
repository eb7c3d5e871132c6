"""The line that says how far a command is."""

import io

import pytest

from app.commands import progress
from app.commands.progress import ProgressLine


class Terminal(io.StringIO):
    """What looks like a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def test_the_line_is_written_over_and_gone_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "FIRST", 0)
    monkeypatch.setattr(progress, "NEXT", 0)
    stream = Terminal()
    with ProgressLine(stream) as line:
        line.write("1 state")
        line.write("2 states")
    assert stream.getvalue() == "\r\x1b[K1 state\r\x1b[K2 states\r\x1b[K"


def test_what_is_soon_over_writes_no_line() -> None:
    stream = Terminal()
    with ProgressLine(stream) as line:
        line.write("1 state")
    assert stream.getvalue() == ""


def test_a_file_gets_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "FIRST", 0)
    stream = io.StringIO()
    with ProgressLine(stream) as line:
        line.write("1 state")
    assert stream.getvalue() == ""
