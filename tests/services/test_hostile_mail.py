"""Ten thousand mutants of the review's mails harm nobody.

What is mutated, how, and what is asked of each stands in `hostile_mails`; a
failure names the seed, which makes the mutant again. The option
``--first-seed`` begins elsewhere than at 0.
"""

from pathlib import Path

import pytest

from app.services.mail import parse_mail
from app.services.mail_parts import CUT, MOST_LINES
from app.services.quotation import read_line
from tests import hostile_mails
from tests.hostile_mails import (
    MUTANTS,
    SHARE,
    check_html,
    make_mutant,
    measure,
    read_mails,
)

HEAD = b"From: a@b.example\nMIME-Version: 1.0\n"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Cut the mutants into shares, each named by its seeds."""
    if "first" in metafunc.fixturenames:
        first = metafunc.config.getoption("--first-seed")
        metafunc.parametrize(
            "first",
            range(first, first + MUTANTS, SHARE),
            ids=lambda n: f"seeds-{n}-to-{n + SHARE - 1}",
        )


def test_mutants_of_the_reviews_mails(first: int, shared: Path) -> None:
    """None fails, takes 1 s or 64 MiB, or yields HTML that is not ours."""
    hostile_mails.run(first, SHARE, str(shared / "mail"))


def test_a_mutant_is_always_the_same() -> None:
    mails = read_mails("-")[:5]
    assert make_mutant(7, mails) == make_mutant(7, mails)
    assert make_mutant(7, mails) != make_mutant(12, mails)


@pytest.mark.parametrize(
    "html",
    [
        "<pre onclick=x>a</pre>",
        "<script>a</script>",
        "<style>a</style>",
        '<pre style="color:red">a</pre>',
        '<a href="javascript:x">a</a>',
        "<pre>a</pre></div>",
        "<span>a",
        "<img src=x>",
        "<pre>a < b</pre><b>",
    ],
)
def test_the_check_sees_what_is_not_ours(html: str) -> None:
    assert check_html(html) != ""
    assert check_html("<pre>a &lt; b</pre>\n") == ""


def test_the_measure_sees_what_goes_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error that is no refusal is told by its name."""

    def fail(_raw: bytes) -> str:
        raise KeyError("lost")

    assert measure(b"")[1] == ""
    monkeypatch.setattr(hostile_mails, "examine", fail)
    assert measure(b"")[1] == "KeyError: 'lost'"


@pytest.mark.parametrize(
    ("kind", "unit"),
    [
        (b"text/plain", b"\n"),
        (b"text/plain", b">x\n>>y\n"),
        (b"text/plain; format=flowed", b"x \n"),
        (b"text/plain; format=flowed", b"> \n>> \n"),
    ],
)
def test_of_a_mail_with_many_lines_the_first_are_shown(
    kind: bytes, unit: bytes
) -> None:
    """A line costs more than its bytes, so lines are counted too."""
    raw = HEAD + b"Content-Type: %s\n\n" % kind
    raw += unit * (200_000 // len(unit))
    mail = parse_mail(raw)
    assert mail.body.count("\n") <= MOST_LINES + 2
    assert any("are shown" in defect for defect in mail.defects)


def test_a_text_that_was_cut_says_so_once() -> None:
    mail = parse_mail(HEAD + b"\n" + b"x\n" * (MOST_LINES + 5))
    assert mail.body.endswith(f"x\n{CUT}")
    assert mail.body.count(CUT) == 1
    whole = parse_mail(HEAD + b"\n" + b"x\n" * MOST_LINES)
    assert CUT not in whole.body


@pytest.mark.parametrize(
    ("line", "depth", "text"),
    [
        ("> > >", 3, ""),
        (">>> a", 3, "a"),
        (">  > a", 1, " > a"),
        ("> " * 500_000, 500_000, ""),
    ],
)
def test_the_depth_of_a_line_is_counted_in_one_pass(
    line: str, depth: int, text: str
) -> None:
    """However deep: what was matched is not kept to be tried again."""
    assert read_line(line) == (depth, text)
