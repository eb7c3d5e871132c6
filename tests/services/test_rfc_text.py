"""Mails to Markdown: what of a posted document is found."""

import time
from pathlib import Path

import pytest

from app.services import mail
from app.services.rfc_text import (
    RfcText,
    Source,
    get_title,
    make_document,
)
from app.services.sections import parse_sections

CALLS = ("XYZ_Init", "XYZ_Halt", "XYZ_Pause")
BODY = """\
1) Motivations.

     A guest *must* not care.
     It calls XYZ_Halt.

   Time Keeping

     Clocks tick.

Appendix A - The calls

   CORE INTERFACE CALLS

    XYZ_Init

       XYZCALL void XYZ_Init(void);

       Starts it.

       Inputs:      None
       Outputs:     EAX = result

    XYZ_Halt:

       void XYZ_Pause(void);

    7) XYZ_Strange (For later)

       Nobody knows it.
"""


def convert(body: str, *others: str) -> RfcText:
    """Make a document of mails with these bodies."""
    sources = [
        Source(f"mail {n}", text)
        for n, text in enumerate((body, *others), start=1)
    ]
    return make_document("The thing", sources, CALLS)


def say(found: RfcText) -> list[str]:
    """Return the warnings' words."""
    return [warning.message for warning in found.warnings]


def test_headings_are_found_by_number_indent_and_capitals() -> None:
    sections = parse_sections(convert(BODY).text)
    assert [(s.level, s.number, s.title) for s in sections] == [
        (1, "", "The thing"),
        (2, "1", "Motivations"),
        (3, "", "Time Keeping"),
        (2, "Appendix A", "The calls"),
        (3, "", "CORE INTERFACE CALLS"),
        (4, "", "XYZ_Init"),
        (4, "", "XYZ_Halt"),
        (4, "7", "XYZ_Strange (For later)"),
    ]


def test_entries_are_listed_with_their_prototypes_and_doubts() -> None:
    found = convert(BODY)
    assert [(e.name, e.prototype, e.is_known) for e in found.entries] == [
        ("XYZ_Init", "XYZ_Init", True),
        ("XYZ_Halt", "XYZ_Pause", True),
        ("XYZ_Strange", "", False),
    ]
    assert found.missing == ["XYZ_Pause"]
    assert say(found) == [
        "XYZ_Halt has the prototype of XYZ_Pause",
        "XYZ_Strange has no prototype",
        "XYZ_Strange is no call under review",
    ]
    lines = found.text.split("\n")
    assert lines[found.entries[0].line - 1] == "#### XYZ_Init"


def test_prototypes_and_tables_are_code() -> None:
    text = convert(BODY).text
    assert "```\nXYZCALL void XYZ_Init(void);\n```" in text
    assert "```\nInputs:      None\nOutputs:     EAX = result\n```" in text


def test_prose_reads_the_same_and_names_of_calls_are_marked() -> None:
    text = convert(BODY).text
    assert "A guest \\*must\\* not care.\nIt calls `XYZ_Halt`." in text
    html = parse_sections(text)[1].html
    assert "A guest *must* not care.\nIt calls <code>XYZ_Halt</code>" in html


def test_the_signs_of_a_patch_are_stripped() -> None:
    patch = (
        "Hello list,\n\nhere it is.\n\n--- /dev/null\n"
        "+++ b/Documentation/thing.txt\n"
        f"@@ -0,0 +1,{BODY.count(chr(10))} @@\n"
        + "".join(f"+{line}\n" for line in BODY.splitlines())
        + "--- /dev/null\n+++ b/thing.c\n@@ -0,0 +1,1 @@\n+int x;\n"
    )
    found = convert(patch)
    assert found.text == convert(BODY).text
    assert "mail 1: left out, as no document: b/thing.c" in say(found)


def test_what_a_patch_removes_is_left_out_and_said() -> None:
    found = convert(
        "@@ -1,3 +1,3 @@\n 1) Top\n-   Old words.\n+   New words.\n \n"
    )
    assert "New words." in found.text
    assert "Old words." not in found.text
    assert "mail 1: 1 lines that the patch removes are left out" in say(found)


def test_mails_follow_one_another_and_a_gap_is_said() -> None:
    found = convert("1) One\n\n   Text.\n", "Hi.\n\n3) Three\n\n   More.\n")
    assert say(found) == [
        "mail 2: text before its first heading",
        "the heading numbered 3 stands where 2 is due",
    ]
    assert [s.title for s in parse_sections(found.text)] == [
        "The thing",
        "One",
        "Three",
    ]


def test_lists_stay_lists() -> None:
    found = convert(
        "1) Rules\n\n     1) The first rule that a guest has to obey is here\n"
        "        and goes on.\n\n        More of it.\n\n     2) Another.\n"
    )
    html = parse_sections(found.text)[1].html
    assert html.count("<li") == 2
    assert "More of it." in html.split("<li")[1]


def test_a_signature_is_no_part_of_it() -> None:
    assert "Me" not in convert("1) One\n\n   Text.\n\n-- \nMe\n").text


def test_a_mail_that_is_no_document_says_so() -> None:
    assert say(convert("> what?\nyes\n")) == [
        "mail 1: 1 quoted lines are taken over",
        "mail 1: no heading was found",
    ]


@pytest.mark.parametrize(
    ("subject", "title"),
    [
        (
            "Re: [RFC, PATCH 1/24] i386 Vmi documentation",
            "i386 Vmi documentation",
        ),
        ("VMI Interface Proposal, Part 2.2", "VMI Interface Proposal"),
        ("", "Untitled"),
    ],
)
def test_a_title_is_the_subject_alone(subject: str, title: str) -> None:
    assert get_title(subject) == title


@pytest.mark.parametrize(
    "body",
    [
        "XYZ_Init " * 100_000,
        "a(" * 200_000,
        "*" * 500_000,
        ("1) A\n\n" * 70_000),
        " " * 400_000 + "x",
        "\n".join(["+" + "(" * 100] * 5_000),
        "a" + "  " * 200_000,
    ],
    ids=["names", "calls", "stars", "headings", "spaces", "signs", "tail"],
)
def test_hostile_mails_are_soon_converted(body: str) -> None:
    begun = time.process_time()
    convert(body)
    assert time.process_time() - begun < 5


def test_the_posted_parts_yield_their_entries(shared: Path) -> None:
    names = [
        "2006-03-13-amsden-vmi-spec-part-4.eml",
        "2006-03-13-amsden-vmi-spec-part-5-appendices.eml",
    ]
    bodies = [
        mail.parse_mail((shared / "mail" / name).read_bytes()).body
        for name in names
    ]
    found = make_document(
        "VMI",
        [Source(name, body) for name, body in zip(names, bodies, strict=True)],
        ("VMI_Init", "VMI_Halt"),
    )
    assert len(found.entries) == 82
    sections = parse_sections(found.text)
    assert {"Appendix A", "Appendix B", "Appendix C", "3", "4"} <= {
        s.number for s in sections
    }
    assert "VMI_SetCR4 has the prototype of VMI_SetCR3" in [
        w.message for w in found.warnings
    ]
