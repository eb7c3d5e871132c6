"""Differences: sections found again, runs of words that changed."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.differences import (
    Deadline,
    MatchMethod,
    SectionMatch,
    SectionText,
    diff_tokens,
    find_longest_run,
    map_sections,
)
from app.services.revisions import make_sections
from app.services.sections import parse_sections

OLD = """\
# The title

## 1) Clocks

A clock counts the time that passed since the machine was started, or stolen.

## 2) Timers

### 2.1 Alarms

An alarm fires once or again and again, as the guest had asked for it before.

### 2.2 Wires

A wire leads from the timer to the pin of the interrupt controller of old.
"""


def read(text: str) -> list[SectionText]:
    """Return the sections of a text."""
    return make_sections(parse_sections(text))


def match(old: str, new: str) -> dict[str, tuple[SectionMatch, str]]:
    """Return by old title what became of it, and its new title."""
    before, after = read(old), read(new)
    return {
        before[m.old].title: (m, "" if m.new is None else after[m.new].title)
        for m in map_sections(before, after)
        if m.old is not None
    }


def test_an_equal_text_is_matched_in_place() -> None:
    found = map_sections(read(OLD), read(OLD))
    assert [(m.old, m.new, m.is_moved) for m in found] == [
        (n, n, False) for n in range(5)
    ]
    assert {m.method for m in found} == {MatchMethod.by_anchor}


def test_a_section_that_was_renumbered_is_found_by_its_anchor() -> None:
    new = OLD.replace("### 2.2 Wires", "### 2.7 Wires")
    found, title = match(OLD, new)["Wires"]
    assert (found.method, title) == (MatchMethod.by_anchor, "Wires")


def test_a_title_that_changed_a_little_is_known_by_its_likeness() -> None:
    new = OLD.replace("### 2.1 Alarms", "### 2.1 Alarm").replace(
        "fires", "rings"
    )
    found, title = match(OLD, new)["Alarms"]
    assert (found.method, title) == (MatchMethod.by_title, "Alarm")


def test_a_section_with_another_title_is_known_by_its_text() -> None:
    new = OLD.replace("### 2.1 Alarms", "### 5 Ringing of bells")
    found, title = match(OLD, new)["Alarms"]
    assert (found.method, title) == (
        MatchMethod.by_text,
        "Ringing of bells",
    )


def test_a_part_that_got_its_own_heading_is_said_to_be_split_off() -> None:
    new = OLD.replace("An alarm", "Of alarms.\n\n### Their firing\n\nAn alarm")
    before, after = read(OLD), read(new)
    found = [m for m in map_sections(before, after) if m.old == 3]
    assert [(m.method, m.new) for m in found] == [
        (MatchMethod.by_anchor, 3),
        (MatchMethod.split_off, 4),
    ]


def test_a_section_that_went_into_another_is_said_to_be_merged() -> None:
    new = OLD.replace("### 2.2 Wires\n\n", "")
    found, title = match(OLD, new)["Wires"]
    assert (found.method, title) == (MatchMethod.merged, "Alarms")


def test_what_came_and_what_went_is_said() -> None:
    new = OLD.replace("## 1) Clocks", "## 9) Sundials").replace(
        "A clock counts the time that passed since the machine was started,"
        " or stolen.",
        "The shadow of a stick on a plate.",
    )
    found = map_sections(read(OLD), read(new))
    by_method = {m.method: m for m in found}
    assert by_method[MatchMethod.added].new == 1
    assert by_method[MatchMethod.removed].old == 1
    assert found[-1] is by_method[MatchMethod.removed]


def test_the_fewest_sections_are_said_to_have_moved() -> None:
    cut = OLD.index("### 2.1")
    middle = OLD.index("### 2.2")
    new = OLD[:cut] + OLD[middle:] + "\n" + OLD[cut:middle]
    moved = {t for t, (m, _) in match(OLD, new).items() if m.is_moved}
    assert len(moved) == 1
    assert moved <= {"Alarms", "Wires"}


def test_a_section_under_another_parent_has_moved() -> None:
    new = OLD.replace("## 2) Timers\n\n", "").replace(
        "### 2.2 Wires", "## 2) Timers\n\n### 2.2 Wires"
    )
    assert match(OLD, new)["Alarms"][0].is_moved


@given(st.lists(st.integers(0, 30), max_size=12))
def test_the_longest_run_rises_and_none_is_longer(values: list[int]) -> None:
    run = [values[place] for place in find_longest_run(values)]
    assert run == sorted(set(run))
    best = [1] * len(values)
    for n, value in enumerate(values):
        below = [best[k] for k in range(n) if values[k] < value]
        best[n] = 1 + max(below, default=0)
    assert len(run) == max(best, default=0)


@given(st.lists(st.text("ab \ud7ff", max_size=3)), st.lists(st.text("ab")))
def test_runs_give_back_both_texts(old: list[str], new: list[str]) -> None:
    runs = diff_tokens(old, new, Deadline())
    assert [t for r in runs if r.change <= 0 for t in r.tokens] == old
    assert [t for r in runs if r.change >= 0 for t in r.tokens] == new


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["a", "b"] * 10_000, ["a", "c"] * 10_000),
        (["a"] * 20_000, ["b", *["a"] * 19_000, "c", *["a"] * 500]),
        (
            random.Random(1).choices("ab", k=20_000),  # noqa: S311 - a test
            random.Random(2).choices("ab", k=20_000),  # noqa: S311 - a test
        ),
    ],
    ids=["alternating", "repeated", "random"],
)
def test_words_are_compared_for_so_long_only(
    old: list[str], new: list[str]
) -> None:
    begun = time.process_time()
    diff_tokens(old, new, Deadline(0.2))
    assert time.process_time() - begun < 2


def test_two_thousand_sections_of_the_same_words_are_soon_matched() -> None:
    parts = "".join(
        f"## a b c d e {n}\n\n{'w ' * 200}\n\n" for n in range(1990)
    )
    old = read("# t\n" + parts)
    new = [
        section._replace(anchor=f"z{n}", title=f"q {section.title}")
        for n, section in enumerate(old)
    ]
    begun = time.process_time()
    map_sections(old, new)
    assert time.process_time() - begun < 5
