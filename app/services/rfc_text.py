"""Mails to Markdown: the text of a document as lists post it.

Such a text is set by white space: headings stand out to the left or in
capitals, entries of calls stand alone on a line, code and tables are aligned.
What is found becomes headings, code and lists; what is doubtful is kept and
said, for an editor to correct.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from app.services.patched_text import strip_patch

MOST_WARNINGS = 100
MOST_WORDS = 8  # of a heading
LONGEST_TITLE = 60
FEW_WORDS = 3  # need no capitals to be a heading
TAB = 8

_NUMBERED = re.compile(r"(\d+(?:\.\d+)*)[.)]?\s+(\S.*)")
_APPENDIX = re.compile(r"Appendix [A-Z]\b\s*[-\u2013:]?\s*\S.*")
_CAPITALS = re.compile(r"(?=.*[A-Z]{3})[A-Z][A-Z0-9 /&,()-]{3,}")
_TITLE = re.compile(r"[A-Z0-9][\w /&'(),-]*[\w)]\.?")
_ITEM = re.compile(r"(\d{1,3}[.)]|[-*o])(\s+)(?=\S)")
_FIELD = re.compile(r"[A-Z]\w+:\s{2,}\S")
_ALIGNED = re.compile(r"[^\s.?!:] {2,}\S|: {3,}\S")
_TERM = re.compile(r"\s*[\w,]+\s+-\s")
_CODE_LINE = re.compile(
    r".*[;{}\\,]$|.*\*/$|\s*(?:#\s*\w+|/\*|\}|typedef\b).*"
)
_CODE_SIGN = re.compile(
    r"\w\s*\([^()]*(?:\)|,\s*$)\s*;?|^\s*(?:#\s*(?:define|if|endif|include)"
    r"|typedef\b|/\*)|[{}]"
)
_SPECIAL = re.compile(r"[\\`*<\[\]~]|(?<!\w)_|_(?!\w)|&(?=#?\w+;)|\|")
_LINE_START = re.compile(r"(\s*)(?:([#>+=-])|(\d{1,9})([.)])(?=\s|$))")
_SUBJECT = re.compile(
    r"^(?:\s*(?:re|fwd?)\s*:|\s*\[[^\]]*\])+\s*|,?\s*part\s+[\d.]+\s*$",
    re.IGNORECASE,
)


class Warned(NamedTuple):
    """Something to look at; `line` of the result, 0 for the whole."""

    line: int
    message: str


class CallEntry(NamedTuple):
    """A call that the text has an entry for.

    `prototype` is the name in the prototype there, which may be another by
    mistake, or empty.
    """

    name: str
    line: int
    prototype: str
    is_known: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RfcText:
    """A document made of mails, and what there is to say of it."""

    text: str
    headings: int
    entries: Sequence[CallEntry]
    missing: Sequence[str]
    warnings: Sequence[Warned]


class Source(NamedTuple):
    """The text of a mail, its paragraphs joined, and how to name it."""

    name: str
    body: str


def make_document(
    title: str, sources: Sequence[Source], calls: Collection[str]
) -> RfcText:
    """Return the document that mails hold, in their order.

    `calls` are the names under review; what begins as they all do is taken
    for the name of a call too.
    """
    writer = _Writer(calls=frozenset(calls), family=_get_family(calls))
    writer.write(f"# {_escape_line(title)}")
    for source in sources:
        _convert(writer, source)
    writer.check()
    text = "\n".join(writer.lines).rstrip("\n") + "\n"
    named = {entry.name for entry in writer.entries}
    return RfcText(
        text=text,
        headings=writer.headings,
        entries=writer.entries,
        missing=[name for name in calls if name not in named],
        warnings=sorted(writer.warnings)[:MOST_WARNINGS],
    )


def get_title(subject: str) -> str:
    """Return a subject without what says that it is one of several."""
    return " ".join(_SUBJECT.sub("", subject).split()) or "Untitled"


def _get_family(calls: Collection[str]) -> re.Pattern[str]:
    starts = {name[: name.find("_") + 1] for name in calls}
    start = starts.pop() if len(starts) == 1 else ""
    if start:
        return re.compile(rf"{re.escape(start)}\w+")
    names = "|".join(map(re.escape, sorted(calls, key=len, reverse=True)))
    return re.compile(rf"(?:{names or '(?!)'})\b")


@dataclass(slots=True)
class _Writer:
    """The document as it grows, and what was found on the way."""

    calls: frozenset[str]
    family: re.Pattern[str]
    lines: list[str] = field(default_factory=list)
    headings: int = 0
    entries: list[CallEntry] = field(default_factory=list)
    warnings: list[Warned] = field(default_factory=list)
    numbers: list[tuple[int, int]] = field(default_factory=list)
    item: int | None = None  # where the mark of the last item stood
    width: int = 0  # of that mark
    entry: int = 0  # the line of the last entry
    code: int = 0  # where the last code ended

    def write(self, *lines: str) -> None:
        """Add a block with a blank line after it."""
        self.lines += [*lines, ""]

    def warn(self, message: str, *, line: int | None = None) -> None:
        """Note what there is to look at, at the line that comes next."""
        at = len(self.lines) + 1 if line is None else line
        self.warnings.append(Warned(at, message))

    def write_heading(self, level: int, title: str) -> None:
        """Add a heading."""
        self.item = None
        self.entry = 0
        self.headings += 1
        self.write(f"{'#' * level} {_escape_line(title)}")

    def write_code(self, lines: Sequence[str], *, aligned: bool) -> None:
        """Add code, or go on with the code just before."""
        mark = "```"
        while any(mark in line for line in lines):
            mark += "`"
        if not aligned and self.code == len(self.lines) and mark == "```":
            del self.lines[-2:]
            self.lines += ["", *lines, mark, ""]
        else:
            self.item = None
            self.write(mark, *lines, mark)
        if not aligned:
            self.code = len(self.lines)
            self._find_prototypes("\n".join(lines))

    def _find_prototypes(self, code: str) -> None:
        """Note which calls the code below an entry declares."""
        called = [
            found[1]
            for found in re.finditer(r"(?<!#define )\b(\w+)\s*\(", code)
            if self.family.fullmatch(found[1])
        ]
        for n, entry in enumerate(self.entries):
            if entry.line != self.entry or not called:
                continue
            if entry.name in called:
                self.entries[n] = entry._replace(prototype=entry.name)
            elif not entry.prototype:
                self.entries[n] = entry._replace(prototype=called[0])

    def check(self) -> None:
        """Say what is doubtful about the whole."""
        seen: dict[str, int] = {}
        for entry in self.entries:
            if entry.name in seen:
                self.warn(
                    f"{entry.name} has an entry at line {seen[entry.name]} "
                    "already",
                    line=entry.line,
                )
            seen.setdefault(entry.name, entry.line)
            if not entry.is_known:
                self.warn(
                    f"{entry.name} is no call under review", line=entry.line
                )
            if not entry.prototype:
                self.warn(f"{entry.name} has no prototype", line=entry.line)
            elif entry.prototype != entry.name:
                self.warn(
                    f"{entry.name} has the prototype of {entry.prototype}",
                    line=entry.line,
                )
        expected = 1
        for line, number in self.numbers:
            if number != expected:
                self.warn(
                    f"the heading numbered {number} stands where {expected} "
                    "is due",
                    line=line,
                )
            expected = number + 1


def _convert(writer: _Writer, source: Source) -> None:
    stripped = strip_patch(source.body)
    for note in stripped.notes:
        writer.warn(f"{source.name}: {note}")
    lines = [line.expandtabs(TAB).rstrip() for line in stripped.lines]
    lines = _cut_signature(lines)
    quoted = sum(line.startswith(">") for line in lines)
    if quoted:
        writer.warn(f"{source.name}: {quoted} quoted lines are taken over")
    margin = min((_indent(x) for x in lines if x), default=0)
    chunks = list(_part_chunks([line[margin:] for line in lines]))
    before = writer.headings
    begun = len(writer.lines) + 1
    first: int | None = None
    for number, chunk in enumerate(chunks):
        following = chunks[number + 1] if number + 1 < len(chunks) else []
        _write_chunk(writer, chunk, following)
        if first is None and writer.headings > before:
            first = number
    if first is None:
        writer.warn(f"{source.name}: no heading was found", line=begun)
    elif first:
        writer.warn(
            f"{source.name}: text before its first heading", line=begun
        )


def _cut_signature(lines: list[str]) -> list[str]:
    return lines[: lines.index("--")] if "--" in lines else lines


def _part_chunks(lines: Sequence[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    for line in lines:
        if line:
            chunk.append(line)
        elif chunk:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _write_chunk(
    writer: _Writer, chunk: list[str], following: Sequence[str]
) -> None:
    """Write lines that belong together; headings stand at their top."""
    while chunk:
        names = _read_entries(writer.family, chunk)
        if names:
            _write_entries(writer, chunk[: names.lines], names.said)
            chunk = chunk[names.lines :]
            continue
        below = chunk[1] if len(chunk) > 1 else "".join(following[:1])
        level = _find_level(chunk[0], below)
        if level is None:
            break
        _write_title(writer, level, chunk[0].strip())
        chunk = chunk[1:]
    if not chunk:
        return
    is_code = _is_code(chunk)
    if is_code or _is_aligned(chunk):
        writer.write_code(_dedent(chunk), aligned=not is_code)
    else:
        _write_prose(writer, chunk)


class _Entries(NamedTuple):
    lines: int
    said: list[str]  # as `74) VMI_SetPteLong`

    def __bool__(self) -> bool:
        return bool(self.said)


def _read_entries(family: re.Pattern[str], chunk: Sequence[str]) -> _Entries:
    """Return the entries that a chunk begins with, on one line or several."""
    one = rf"(?:\d+\)\s*)?{family.pattern}"
    whole = re.compile(rf"{one}(?:\s+{one})*:?(?:\s+\([^()]*\))?")
    said: list[str] = []
    lines = 0
    for line in chunk:
        if not whole.fullmatch(line.strip()):
            break
        lines += 1
        said.append(line.strip().rstrip(":"))
    parted = re.compile(rf"\s+(?={one})(?<!\))")
    return _Entries(
        lines,
        [
            " ".join(part.split())
            for words in said
            for part in _part_entries(parted, words)
        ],
    )


def _part_entries(parted: re.Pattern[str], words: str) -> list[str]:
    parts: list[str] = []
    for part in parted.split(words):
        if parts and re.fullmatch(r"\d+\)", parts[-1]):
            parts[-1] += f" {part}"
        else:
            parts.append(part)
    return parts


def _write_entries(
    writer: _Writer, lines: Sequence[str], said: Sequence[str]
) -> None:
    at = len(writer.lines) + 1
    writer.write_heading(4, ", ".join(said))
    writer.entry = at
    for name in writer.family.findall(" ".join(lines)):
        writer.entries.append(
            CallEntry(name, at, "", is_known=name in writer.calls)
        )


def _find_level(line: str, below: str) -> int | None:
    """Return the level of a line that is a heading, else None."""
    words, indent = line.strip(), _indent(line)
    numbered = _NUMBERED.fullmatch(words)
    if not indent and _APPENDIX.fullmatch(words):
        return 2
    if numbered and indent <= 1 and _is_title(numbered[2]):
        return 2 + numbered[1].count(".")
    if _CAPITALS.fullmatch(words) and len(words) <= LONGEST_TITLE:
        return 3
    is_out = below != "" and _indent(below) > indent
    if is_out and not numbered and _is_title(words):
        return 3
    return None


def _is_title(words: str) -> bool:
    parts = words.split()
    if (
        len(words) > LONGEST_TITLE
        or len(parts) > MOST_WORDS
        or not _TITLE.fullmatch(words)
    ):
        return False
    long = [p for p in parts if len(p) > FEW_WORDS]
    capitals = sum(p[0].isupper() or p[0].isdigit() for p in long)
    return len(parts) <= FEW_WORDS or 2 * capitals >= len(long)


def _write_title(writer: _Writer, level: int, words: str) -> None:
    numbered = _NUMBERED.fullmatch(words)
    if numbered and "." not in numbered[1]:
        writer.numbers.append((len(writer.lines) + 1, int(numbered[1])))
    writer.write_heading(level, words.rstrip("."))


def _is_code(chunk: Sequence[str]) -> bool:
    like = sum(bool(_CODE_LINE.fullmatch(line)) for line in chunk)
    text = "\n".join(chunk)
    return (
        2 * like >= len(chunk)
        and any(_CODE_SIGN.search(line) for line in text.split("\n"))
        and not _ITEM.match(chunk[0].strip())
    )


def _is_aligned(chunk: Sequence[str]) -> bool:
    if _FIELD.match(chunk[0].strip()):
        return True
    aligned = sum(bool(_ALIGNED.search(x.strip())) for x in chunk)
    terms = sum(bool(_TERM.match(line)) for line in chunk)
    return 2 * aligned >= len(chunk) > 1 or (terms > 1 and aligned > 0)


def _dedent(chunk: Sequence[str]) -> list[str]:
    margin = min(_indent(line) for line in chunk)
    return [line[margin:] for line in chunk]


def _write_prose(writer: _Writer, chunk: Sequence[str]) -> None:
    held: list[str] = []
    for line in chunk:
        item = _ITEM.match(line.strip())
        if item and (not held or _is_item_below(writer, line)):
            _write_paragraph(writer, held)
            mark = item[1] if item[1][0].isdigit() else "-"
            writer.item = _indent(line)
            writer.width = len(mark) + 1
            held = [f"{mark}\0{line.strip()[item.end() :]}"]
        else:
            held.append(line)
    _write_paragraph(writer, held)


def _is_item_below(writer: _Writer, line: str) -> bool:
    return writer.item is not None and _indent(line) <= writer.item


def _write_paragraph(writer: _Writer, held: Sequence[str]) -> None:
    if not held:
        return
    mark, is_item, first = held[0].rpartition("\0")
    lines = [
        _escape(words.strip(), writer.family) for words in (first, *held[1:])
    ]
    if is_item:
        margin = " " * writer.width
        writer.write(
            f"{mark} {lines[0]}", *(f"{margin}{line}" for line in lines[1:])
        )
        return
    if writer.item is not None and _indent(held[0]) > writer.item:
        writer.write(*(f"{' ' * writer.width}{line}" for line in lines))
        return
    writer.item = None
    writer.write(*lines)


def _escape(line: str, family: re.Pattern[str]) -> str:
    """Return a line of prose as Markdown that reads the same."""
    parts: list[str] = []
    end = 0
    for found in re.finditer(rf"\b{family.pattern}", line):
        parts.append(_SPECIAL.sub(r"\\\g<0>", line[end : found.start()]))
        parts.append(f"`{found.group()}`")
        end = found.end()
    parts.append(_SPECIAL.sub(r"\\\g<0>", line[end:]))
    return _escape_start("".join(parts))


def _escape_line(title: str) -> str:
    escaped = _SPECIAL.sub(r"\\\g<0>", " ".join(title.split()))
    return re.sub(r"(#+)$", r"\\\1", escaped)


def _escape_start(line: str) -> str:
    found = _LINE_START.match(line)
    if not found:
        return line
    if found[2]:
        return f"{found[1]}\\{line[found.start(2) :]}"
    return f"{found[1]}{found[3]}\\{line[found.start(4) :]}"
