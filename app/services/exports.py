"""The decision log as a file: Markdown, JSON, JSON Lines and CSV.

The program's command and its pages take their bytes from the same function.
Whatever the format, a decision is told with its thread, calls, reason,
evidence, dissent, date, actor and the line of the event log that holds it.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from app.errors import InvalidError
from app.services import entries, proposals
from app.services.decision_rows import Cited, DecisionRow, list_decisions
from app.services.entries import Head, format_time

MEASURE = 72
QUOTE = "> "
FORMULA = ("=", "+", "-", "@", "\t", "\r")
MARKUP = re.compile(r"([\\`*\[\]<])")
FENCE = re.compile(r"\s{0,3}(```|~~~)")
KEPT = re.compile(r"\s{4,}|\t|\s*\|")
LEAD = re.compile(r"\s{0,3}(?:(?:>\s?|[-*+]\s+|\d{1,9}[.)]\s+))*")
MARKER = re.compile(r"[-+*>#=~`|]|\d{1,9}[.)]$")

COLUMNS = (
    *("number", "date", "disposition", "thread", "title", "kind", "severity"),
    *("calls", "reason", "dissent", "evidence", "actor", "supersedes"),
    *("superseded_by", "log_seq", "log_hash"),
)


@dataclass(frozen=True, slots=True)
class Minutes:
    """What is exported: all decisions, and the head of the log then."""

    proposal: str
    head: Head
    base_url: str
    decisions: Sequence[DecisionRow]


@dataclass(frozen=True, slots=True)
class Format:
    """A form of the export."""

    name: str
    media_type: str
    write: Callable[[Minutes], str]


def export_decisions(session: Session, name: str, base_url: str = "") -> bytes:
    """Return all decisions in the format `name`.

    `base_url` stands before the paths of threads and runs.
    """
    format_ = get_format(name)
    proposal = proposals.find_proposal(session)
    minutes = Minutes(
        proposal=proposal.title if proposal else "",
        head=entries.get_head(session),
        base_url=base_url.rstrip("/"),
        decisions=list_decisions(session),
    )
    return format_.write(minutes).encode()


def get_format(name: str) -> Format:
    """Return the format of this name."""
    if name not in FORMATS:
        raise InvalidError(
            f"no export is called {name!r}; there are {', '.join(FORMATS)}"
        )
    return FORMATS[name]


def describe(decision: DecisionRow, base_url: str = "") -> dict[str, Any]:
    """Return a decision as plain JSON, the same in every export."""
    return {
        "number": decision.number,
        "date": format_time(decision.decided_at),
        "disposition": decision.disposition.value,
        "thread": {
            "slug": decision.thread,
            "title": decision.title,
            "kind": decision.kind.value,
            "severity": decision.severity.value,
            "url": f"{base_url}/threads/{decision.thread}",
        },
        "calls": list(decision.calls),
        "reason": decision.reason,
        "evidence": [describe_cited(e, base_url) for e in decision.evidence],
        "dissent": decision.dissent,
        "actor": decision.actor,
        "supersedes": decision.supersedes,
        "superseded_by": decision.superseded_by,
        "log": {"seq": decision.seq, "hash": decision.hash},
        "url": f"{base_url}/decisions/{decision.number}",
    }


def describe_cited(cited: Cited, base_url: str = "") -> dict[str, Any]:
    """Return a piece of evidence as plain JSON."""
    return {
        "id": cited.id,
        "scenario": cited.scenario,
        "question": cited.question,
        "platform": cited.platform,
        "variant": cited.variant,
        "outcome": cited.outcome,
        "answer": cited.answer.value,
        "expected": cited.expected.value,
        "state": cited.state.value,
        "run": cited.run_id,
        "url": f"{base_url}/runs/{cited.run_id}",
    }


def write_json(minutes: Minutes) -> str:
    """Return one JSON document, indented for reading."""
    content = {
        "proposal": minutes.proposal,
        "head": minutes.head._asdict(),
        "decisions": [
            describe(decision, minutes.base_url)
            for decision in minutes.decisions
        ],
    }
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def write_jsonl(minutes: Minutes) -> str:
    """Return one decision a line."""
    return "".join(
        json.dumps(
            describe(decision, minutes.base_url),
            ensure_ascii=False,
            separators=(",", ":"),
        )
        + "\n"
        for decision in minutes.decisions
    )


def write_csv(minutes: Minutes) -> str:
    """Return a table for spreadsheets (RFC 4180), safe to open in one."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for decision in minutes.decisions:
        writer.writerow([guard_cell(cell) for cell in _get_cells(decision)])
    return file.getvalue()


def guard_cell(cell: str | int | None) -> str | int:
    """Keep a spreadsheet from taking somebody's text for a formula."""
    if cell is None:
        return ""
    if isinstance(cell, str) and cell.startswith(FORMULA):
        return f"'{cell}"
    return cell


def _get_cells(decision: DecisionRow) -> tuple[str | int | None, ...]:
    return (
        decision.number,
        format_time(decision.decided_at),
        decision.disposition.value,
        decision.thread,
        decision.title,
        decision.kind.value,
        decision.severity.value,
        " ".join(decision.calls),
        decision.reason,
        decision.dissent,
        "; ".join(
            f"{describe_answer(e)} (run {e.run_id})" for e in decision.evidence
        ),
        decision.actor,
        decision.supersedes,
        decision.superseded_by,
        decision.seq,
        decision.hash,
    )


def describe_answer(cited: Cited) -> str:
    """Return what a piece of evidence says, in one line."""
    platform = f"{cited.platform}, {cited.variant}"
    return (
        f"{cited.scenario or cited.question} "
        f"on {platform if cited.variant else cited.platform}: "
        f"{cited.outcome} {cited.answer}, expected {cited.expected}, "
        f"{cited.state}"
    )


def write_markdown(minutes: Minutes) -> str:
    """Return minutes that read well as plain text in a mail."""
    return "\n".join(_write_lines(minutes))


def _write_lines(minutes: Minutes) -> Iterator[str]:
    count = len(minutes.decisions)
    noun = "decision" if count == 1 else "decisions"
    yield "# Decision log"
    yield ""
    if minutes.proposal:
        yield from wrap(escape(minutes.proposal))
        yield ""
    yield from wrap(
        f"{count or 'No'} {noun}. Head of the event log: "
        f"entry {minutes.head.seq},"
    )
    yield minutes.head.hash
    yield ""
    for decision in minutes.decisions:
        yield from write_decision(decision, minutes.base_url)


def write_decision(decision: DecisionRow, base_url: str) -> Iterator[str]:
    """Yield the lines that tell of one decision, a heading first."""
    yield ""
    # a heading is one line, however long
    yield f"## {decision.number}. {escape(decision.title)}"
    yield ""
    resolved = f"Resolved: {decision.word}"
    if decision.superseded_by is not None:
        resolved += f"; superseded by decision {decision.superseded_by}"
    yield f"**{resolved}.**"
    yield ""
    yield from quote(decision.reason)
    yield ""
    yield from _write_facts(decision, base_url)
    yield from _write_evidence(decision.evidence, base_url)
    if decision.dissent:
        yield "Dissent:"
        yield ""
        yield from quote(decision.dissent)
        yield ""


def _name(decision: DecisionRow) -> str:
    if decision.display_name == decision.reviewer:
        return decision.reviewer
    return f"{escape(decision.display_name)} ({decision.reviewer})"


def _write_facts(decision: DecisionRow, base_url: str) -> Iterator[str]:
    facts: Mapping[str, str | None] = {
        "Thread": f"{base_url}/threads/{decision.thread}",
        "Calls": ", ".join(decision.calls) or None,
        "Decided": f"{decision.decided_at:%Y-%m-%d %H:%M} UTC "
        f"by {_name(decision)}",
        "Supersedes": f"decision {decision.supersedes}"
        if decision.supersedes is not None
        else None,
        "Log entry": f"{decision.seq}, {decision.hash}",
    }
    for name, fact in facts.items():
        if fact:
            yield from wrap(f"- {name}: {fact}", "  ")
    yield ""


def _write_evidence(evidence: Sequence[Cited], base_url: str) -> Iterator[str]:
    if not evidence:
        return
    yield "Evidence:"
    yield ""
    for cited in evidence:
        yield from wrap(f"- {escape(describe_answer(cited))}", "  ")
        yield f"  {base_url}/runs/{cited.run_id}"
    yield ""


def escape(text: str) -> str:
    """Keep one line of plain text from being taken for Markdown."""
    return MARKUP.sub(r"\\\1", text)


def quote(text: str) -> Iterator[str]:
    """Quote somebody's Markdown, so that it cannot pass for the minutes."""
    for line in fold_markdown(text, MEASURE - len(QUOTE)):
        yield f"{QUOTE}{line}".rstrip()


def fold_markdown(text: str, width: int = MEASURE) -> Iterator[str]:
    """Fold prose that is too wide; code and tables stay as they are."""
    fence = ""
    for line in text.strip("\n").split("\n"):
        found = FENCE.match(line)
        if found and fence in {"", found[1]}:
            fence = "" if fence else found[1]
        if fence or found or KEPT.match(line):
            yield line
            continue
        lead = LEAD.match(line)
        indent = _get_indent(lead[0] if lead else "")
        yield from wrap(line, indent, width)


def _get_indent(lead: str) -> str:
    # what follows a list's marker stands under its text; a quotation goes on
    return re.sub(r"[^>\s]", " ", lead)


def wrap(text: str, indent: str = "", width: int = MEASURE) -> Iterator[str]:
    """Fold a line at spaces; no line begins with what Markdown would read.

    `indent` stands before all lines but the first. A word that is too long,
    an address for instance, keeps a line of its own.
    """
    if len(text) <= width:
        yield text
        return
    start = len(text) - len(text.lstrip())
    line, words = text[:start], text.split()
    line += words[0]
    for word in words[1:]:
        if len(line) + 1 + len(word) <= width or MARKER.match(word):
            line += f" {word}"
            continue
        yield line
        line = indent + word
    yield line


def _by_name(formats: Iterable[Format]) -> Mapping[str, Format]:
    return {format_.name: format_ for format_ in formats}


FORMATS = _by_name(
    [
        Format("md", "text/markdown; charset=utf-8", write_markdown),
        Format("json", "application/json", write_json),
        Format("jsonl", "application/x-ndjson", write_jsonl),
        Format("csv", "text/csv; charset=utf-8; header=present", write_csv),
    ]
)
