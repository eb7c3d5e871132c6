"""Lines of unified diffs are told apart, in mails and in quotations."""

from collections.abc import Sequence

import pytest

from app.services.patches import has_signs, mark_lines
from app.services.quotation import read_line

SIGNS = {
    "f": "patch-file",
    "h": "patch-hunk",
    "+": "patch-added",
    "-": "patch-removed",
    ".": "",
}
PATCH = """\
. text
f diff --git a/x.c b/x.c
f index 0123456..789abcd 100644
f --- a/x.c
f +++ b/x.c
h @@ -1,4 +1,3 @@ int f(void)
.  same
- -old
- --- sql comment
+ +new
.
. \\ No newline at end of file
. --\x20
. - a list
"""


def _mark(lines: Sequence[str]) -> list[str]:
    return mark_lines([read_line(line) for line in lines])


@pytest.mark.parametrize("before", ["", "> ", ">> "])
def test_a_patch_is_marked_at_each_depth(before: str) -> None:
    rows = [(row[0], row[2:]) for row in PATCH.splitlines()]
    lines = [before + text for _, text in rows]
    assert has_signs("\n".join(lines))
    assert _mark(lines) == [SIGNS[sign] for sign, _ in rows]


def test_a_quoted_hunk_goes_on_below_its_answers() -> None:
    lines = ["> @@ -1,3 +1,3 @@", ">  a", "- no", "> -b", "> +c", "> -d"]
    assert _mark(lines) == [
        *("patch-hunk", "", "", "patch-removed"),
        *("patch-added", "patch-removed"),
    ]


def test_what_a_hunk_cannot_hold_ends_it() -> None:
    assert _mark(["@@ -1,9 +1,9 @@", "[...]", "- item"])[1:] == ["", ""]
    assert _mark(["@@ -1 +1 @@", "-a", "+b", "- item"])[3] == ""


def test_quoted_lines_with_a_plus_need_no_hunk() -> None:
    assert _mark(["> +a", "> +", "> +  b"]) == ["patch-added"] * 3
    assert _mark(["> +a", "> b"]) == ["", ""]
    assert _mark(["+a", "+b"]) == ["", ""]


def test_two_names_of_a_file_are_its_head() -> None:
    assert _mark(["--- a/x", "+++ b/x"]) == ["patch-file"] * 2
    assert _mark(["--- a/x", "text"]) == ["", ""]
    assert _mark(["Index: x", "=" * 67, "text"])[:2] == ["patch-file"] * 2


def test_a_rule_or_a_list_is_no_patch() -> None:
    assert not has_signs("a - b\n-- \n1 + 2\n")
    assert _mark(["---", "- a", "- b", "@@ not a hunk"]) == [""] * 4
