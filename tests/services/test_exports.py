"""The exported decision log says all, and reads well in a mail."""

import csv
import io
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from sqlalchemy.orm import Session

from app.errors import InvalidError
from app.models import (
    Answer,
    Disposition,
    EvidenceState,
    Severity,
    ThreadKind,
)
from app.services import decisions, entries, exports
from app.services.decision_rows import Cited, DecisionRow
from app.services.decisions import NewDecision
from app.services.entries import Head
from app.services.exports import Minutes
from tests import factories

THREAD = "kleen-sti-pairs-belong-in-spec"
RUN = "a" * 64

LONG = (
    "The pair of calls leaves a window of one step, in which an interrupt "
    "arrives and the halt that follows sleeps with work pending, as "
    "the run shows."
)


def make_row(
    *, reason: str = LONG, dissent: str = "", title: str = "Pairs"
) -> DecisionRow:
    """Return a decision as the service reads it."""
    cited = Cited(
        id=7,
        run_id=RUN,
        scenario="kleen-halt-sti-window",
        question="Does it sleep?",
        platform="software",
        variant=None,
        outcome="sleeps-with-work",
        expected=Answer.never,
        answer=Answer.sometimes,
        state=EvidenceState.fails,
    )
    return DecisionRow(
        number=3,
        thread=THREAD,
        title=title,
        kind=ThreadKind.objection,
        severity=Severity.blocking,
        calls=("VMI_EnableInterrupts", "VMI_Halt"),
        disposition=Disposition.partly,
        reason=reason,
        reason_html="",
        dissent=dissent,
        evidence=(cited,),
        decided_at=datetime(2026, 11, 22, 16, 20, tzinfo=UTC),
        reviewer="ada",
        display_name="Ada",
        supersedes=1,
        superseded_by=None,
        seq=12,
        hash="b" * 64,
    )


def make_minutes(*rows: DecisionRow) -> Minutes:
    """Return the minutes of these decisions."""
    return Minutes("A proposal", Head(12, "b" * 64), "http://x", rows)


@pytest.mark.parametrize("name", ["md", "json", "jsonl", "csv"])
def test_each_format_tells_each_part(name: str) -> None:
    row = make_row(reason="Short.", dissent="Eve disagrees.")
    text = exports.FORMATS[name].write(make_minutes(row))
    for part in (
        *(THREAD, "Pairs", "VMI_Halt", "Short.", "Eve disagrees.", "ada"),
        *("kleen-halt-sti-window", "software", "sleeps-with-work"),
        *("sometimes", "never", RUN, "b" * 64, "2026-11-22"),
    ):
        assert part in text.replace("\\", "")


def test_the_markdown_reads_as_minutes() -> None:
    row = make_row(dissent="Eve: the callers are few.")
    assert (
        exports.write_markdown(make_minutes(row))
        == f"""\
# Decision log

A proposal

1 decision. Head of the event log: entry 12,
{"b" * 64}


## 3. Pairs

**Resolved: accepted in part.**

> The pair of calls leaves a window of one step, in which an interrupt
> arrives and the halt that follows sleeps with work pending, as the run
> shows.

- Thread: http://x/threads/{THREAD}
- Calls: VMI_EnableInterrupts, VMI_Halt
- Decided: 2026-11-22 16:20 UTC by Ada (ada)
- Supersedes: decision 1
- Log entry: 12,
  {"b" * 64}

Evidence:

- kleen-halt-sti-window on software: sleeps-with-work sometimes,
  expected never, fails
  http://x/runs/{RUN}

Dissent:

> Eve: the callers are few.
"""
    )


def test_an_empty_log_says_so() -> None:
    text = exports.write_markdown(make_minutes())
    assert "No decisions." in text
    assert json.loads(exports.write_json(make_minutes()))["decisions"] == []
    assert exports.write_jsonl(make_minutes()) == ""


@pytest.mark.parametrize(
    "reason",
    [
        "## 4. A forged decision\n\n**Resolved: rejected.**",
        "```\nan open fence",
        "<!-- an open comment",
        "text\n===\nmore",
        "- item\n\n---\n\n# Title",
    ],
)
def test_a_reason_cannot_pass_for_the_minutes(reason: str) -> None:
    text = exports.write_markdown(
        make_minutes(make_row(reason=reason), make_row(reason="Next."))
    )
    tokens = MarkdownIt().parse(text)
    headings = [
        tokens[i + 1].content
        for i, token in enumerate(tokens)
        if token.type == "heading_open" and token.level == 0
    ]
    assert headings == ["Decision log", "3. Pairs", "3. Pairs"]


@pytest.mark.parametrize(
    "title", ["a *b* `c`", "[x](http://e)", "<script>", "a\\b"]
)
def test_a_title_is_text_and_no_markup(title: str) -> None:
    text = exports.write_markdown(make_minutes(make_row(title=title)))
    tokens = MarkdownIt().parse(text)
    heading = next(t for t in tokens if t.content.startswith("3. "))
    shown = "".join(child.content for child in heading.children or [])
    assert shown == f"3. {title}"


def test_code_and_tables_of_a_reason_keep_their_lines() -> None:
    code = f"```\n{'x ' * 60}\n```\n\n|{' a |' * 30}\n"
    lines = list(exports.quote(code))
    assert lines[1] == f"> {'x ' * 60}".rstrip()
    assert lines[4] == f"> |{' a |' * 30}"


def test_folded_lines_stay_in_their_list_or_quotation() -> None:
    assert list(exports.quote(f"- {LONG}"))[1].startswith(">   arrives")
    assert list(exports.quote(f"> {LONG}"))[1].startswith("> > ")


@given(st.text(alphabet="ab 1.-#*+>=\n", max_size=400))
def test_folding_keeps_the_words_and_starts_no_line_with_markup(
    text: str,
) -> None:
    line = " ".join(text.split())
    folded = list(exports.wrap(line, width=20))
    assert " ".join(folded).split() == line.split()
    for later in folded[1:]:
        assert not exports.MARKER.match(later.split(" ", 1)[0])


def test_lines_have_72_columns_at_most() -> None:
    text = exports.write_markdown(make_minutes(make_row()))
    assert all(
        len(line) <= 72 or "http://" in line for line in text.split("\n")
    )


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "=cmd|' /C calc'!A0"]
)
def test_no_cell_is_a_formula(cell: str) -> None:
    text = exports.write_csv(make_minutes(make_row(reason=cell, title=cell)))
    row = next(csv.DictReader(io.StringIO(text, newline="")))
    assert row["reason"] == row["title"] == f"'{cell}"


def test_a_table_has_a_row_a_decision_whatever_the_text() -> None:
    reason = 'one, "two"\nthree; four'
    text = exports.write_csv(make_minutes(make_row(reason=reason)))
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row["reason"] == reason
    assert list(row) == list(exports.COLUMNS)
    assert (row["supersedes"], row["superseded_by"]) == ("1", "")


def test_each_line_of_json_lines_is_a_decision() -> None:
    minutes = make_minutes(make_row(reason="a\nb\u2028c"), make_row())
    lines = exports.write_jsonl(minutes).removesuffix("\n").split("\n")
    assert [json.loads(line)["number"] for line in lines] == [3, 3]
    whole = json.loads(exports.write_json(minutes))
    assert [json.loads(line) for line in lines] == whole["decisions"]


def test_an_export_is_of_what_is_recorded(session: Session) -> None:
    ada = factories.make_visitor(session)
    new = NewDecision(disposition=Disposition.rejected, reason="No.")
    row = decisions.record_decision(session, ada, THREAD, new)
    content = json.loads(exports.export_decisions(session, "json"))
    assert content["decisions"] == [exports.describe(row)]
    assert content["head"]["hash"] == entries.get_head(session).hash
    assert content["proposal"]


def test_an_unknown_format_names_those_there_are(session: Session) -> None:
    with pytest.raises(InvalidError, match="md, json, jsonl, csv"):
        exports.export_decisions(session, "pdf")
