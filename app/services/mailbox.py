"""Where mails are kept, read one by one: files, folders, streams.

A file is told by its first bytes: packed with gzip, an mbox, or one mail (or
a page of an archive). A folder is a Maildir, or holds files of any kind. What
cannot be read is given as a mail with a fault, with its place, and the
reading goes on. Memory does not grow with the file.

An mbox is read as mboxrd: a line that starts with `From ` and tells a time
and a year parts the mails, a blank line before it belongs to it, and a line
of one or more `>` before `From ` loses one. Of an mboxo only `>From ` does.
"""

import gzip
import io
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from app.services.mail import MOST_BYTES

LONGEST_LINE = 64 * 1024
MOST_FOLDERS = 16
UNPACKED_RATIO = 200
UNPACKED_FROM = 16 * 1024 * 1024
"""A packed file may unpack to this, and to 200 times its own size."""

GZIP_START = b"\x1f\x8b"
MBOX_START = b"From "
MAILDIR = ("cur", "new")

_SEPARATOR = re.compile(rb"From [^\n]*\d:\d\d[^\n]*")
_YEAR = re.compile(rb"\b\d{4}\b")
_QUOTED = {
    "mboxrd": re.compile(rb">+From "),
    "mboxo": re.compile(rb">From "),
}


class MboxForm(StrEnum):
    """How the mails of an mbox hide lines that would part them."""

    mboxrd = "mboxrd"
    mboxo = "mboxo"


class RawMail(NamedTuple):
    """A mail's bytes and where they stand: number and line count from 1.

    The number is 0 of what is a file of its own. With a `fault` the bytes
    are not the mail: it says why.
    """

    raw: bytes
    source: str = ""
    number: int = 0
    offset: int = 0
    line: int = 1
    fault: str | None = None

    @property
    def place(self) -> str:
        """Return where in its source it stands, in words."""
        if not self.number:
            return ""
        return f"message {self.number}, byte {self.offset}, line {self.line}"


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Return some bytes, none at the end."""
        ...


class TooMuchError(OSError):
    """Raised when a packed file unpacks to more than is taken."""


class Counter(io.RawIOBase):
    """A stream that counts what is read of it.

    Parameters
    ----------
    stream
        What is read.
    """

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self.count = 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        """Read into a buffer."""
        found = self._stream.read(len(buffer))
        buffer[: len(found)] = found
        self.count += len(found)
        return len(found)


class _Unpacked(io.RawIOBase):
    """What a gzip file holds, within bounds."""

    def __init__(
        self, packed: BinaryIO, counter: Counter, most: int | None
    ) -> None:
        self._file = gzip.GzipFile(fileobj=packed)
        self._counter = counter
        self._most = most
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        found = self._file.read1(len(buffer))
        buffer[: len(found)] = found
        self._size += len(found)
        most = UNPACKED_FROM + UNPACKED_RATIO * self._counter.count
        most = most if self._most is None else min(most, self._most)
        if self._size > most:
            raise TooMuchError(f"it unpacks to more than {most} bytes")
        return len(found)


def read_stream(
    stream: Readable,
    source: str,
    form: MboxForm = MboxForm.mboxrd,
    *,
    most: int | None = None,
) -> Iterator[RawMail]:
    """Yield the mails of a stream, whichever kind it is of.

    `most` bounds what a packed one unpacks to, beside its own size.
    """
    counter = stream if isinstance(stream, Counter) else Counter(stream)
    lines: BinaryIO = io.BufferedReader(counter, LONGEST_LINE)
    if _peek(lines, GZIP_START):
        lines = io.BufferedReader(
            _Unpacked(lines, counter, most), LONGEST_LINE
        )
    place = Place(source)
    try:
        if _peek(lines, MBOX_START):
            yield from split_mbox(lines, place, form)
        else:
            yield _read_one(lines, source)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        yield place.mark(b"", f"it cannot be read on: {reason}")


def _peek(lines: BinaryIO, start: bytes) -> bool:
    # a buffered reader looks ahead; pipes give what they have
    assert isinstance(lines, io.BufferedReader)  # noqa: S101 - made here
    return lines.peek(len(start))[: len(start)] == start


def _read_one(lines: BinaryIO, source: str) -> RawMail:
    raw = lines.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        return RawMail(b"", source, fault=f"more than {MOST_BYTES} bytes")
    return RawMail(raw, source)


@dataclass(slots=True)
class Place:
    """Where the reading of an mbox is: the mail that was begun last."""

    source: str
    number: int = 0
    offset: int = 0
    line: int = 1

    def mark(self, raw: bytes, fault: str | None = None) -> RawMail:
        """Return a mail that begins here."""
        return RawMail(
            raw,
            self.source,
            self.number,
            self.offset,
            self.line,
            fault,
        )


class _Pieces:
    """The lines of the mail that is being read, unless it is too long."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= MOST_BYTES + 2:
            self._pieces.append(piece)
        else:
            self._pieces.clear()

    def finish(self, place: Place, line_end: bytes) -> RawMail:
        """Return the mail without the blank line that ends it."""
        raw = b"".join(self._pieces)
        cut = raw.removesuffix(line_end)
        raw = cut if cut.endswith(b"\n") else raw
        size, self._size = self._size, 0
        self._pieces.clear()
        if max(len(raw), size - len(line_end)) > MOST_BYTES:
            return place.mark(b"", f"more than {MOST_BYTES} bytes")
        return place.mark(raw)


def split_mbox(
    lines: BinaryIO, place: Place, form: MboxForm = MboxForm.mboxrd
) -> Iterator[RawMail]:
    """Yield the mails of an mbox; the first line parts, whatever it says."""
    quoted = _QUOTED[form]
    pieces = _Pieces()
    offset, line = 0, 1
    starts_line, line_end = True, b"\n"
    while piece := lines.readline(LONGEST_LINE):
        if (
            starts_line
            and piece[:5] == MBOX_START
            and (not place.number or is_separator(piece))
        ):
            if place.number:
                yield pieces.finish(place, line_end)
            place.number += 1
            place.offset, place.line = offset, line
            line_end = b"\r\n" if piece.endswith(b"\r\n") else b"\n"
        elif starts_line and piece[:1] == b">" and quoted.match(piece):
            pieces.add(piece[1:])
        else:
            pieces.add(piece)
        offset += len(piece)
        starts_line = piece.endswith(b"\n")
        line += starts_line
    if place.number:
        yield pieces.finish(place, line_end)


def split_mboxrd(raw: bytes, source: str = "") -> Iterator[RawMail]:
    """Yield the mails of an mboxrd that is in memory."""
    yield from split_mbox(io.BytesIO(raw), Place(source))


def is_separator(line: bytes) -> bool:
    """Tell whether a line that starts with `From ` parts two mails."""
    return bool(_SEPARATOR.match(line) and _YEAR.search(line))


class Mailboxes:
    """The mails of files and folders, with how far the reading is.

    Parameters
    ----------
    paths
        Files and folders.
    form
        What an mbox is read as.
    """

    def __init__(
        self, paths: Iterable[Path], form: MboxForm = MboxForm.mboxrd
    ) -> None:
        self._form = form
        self._files = [
            (name, file) for path in paths for name, file in list_files(path)
        ]
        self._before = 0
        self._counter: Counter | None = None
        self.total = sum(_get_size(file) for _, file in self._files)

    @property
    def done(self) -> int:
        """Return how many bytes were read, of `total`."""
        return self._before + (self._counter.count if self._counter else 0)

    def __iter__(self) -> Iterator[RawMail]:
        """Yield the mails in the order of their files' names."""
        for name, file in self._files:
            try:
                with closing(file.open("rb", buffering=0)) as stream:
                    self._counter = Counter(stream)
                    yield from read_stream(self._counter, name, self._form)
            except OSError as error:
                reason = error.strerror or str(error)
                yield RawMail(b"", name, fault=reason)
            self._before += self._counter.count if self._counter else 0
            self._counter = None


def _get_size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def list_files(path: Path) -> Sequence[tuple[str, Path]]:
    """Return the files that may hold mails, each with its name from here.

    Hidden ones are left out, and what a Maildir has not delivered yet.
    """
    if not path.is_dir():
        return [(path.name, path)]
    return list(_walk(path, path.resolve().name, 0))


def _walk(folder: Path, name: str, depth: int) -> Iterator[tuple[str, Path]]:
    is_maildir = _is_maildir(folder)
    try:
        with os.scandir(folder) as found:
            inside = sorted(found, key=lambda entry: entry.name)
    except OSError:
        # whoever opens it hears why
        yield name, folder
        return
    for entry in inside:
        path, below = Path(entry), f"{name}/{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            # the folders of a Maildir have hidden names
            hides = entry.name.startswith(".") and not _is_maildir(path)
            undelivered = is_maildir and entry.name == "tmp"
            if depth < MOST_FOLDERS and not hides and not undelivered:
                yield from _walk(path, below, depth + 1)
        elif not (is_maildir or entry.name.startswith(".") or entry.is_dir()):
            # a link to a folder may lead back to where we are
            yield below, path


def _is_maildir(folder: Path) -> bool:
    return all((folder / inner).is_dir() for inner in MAILDIR)
