"""Comparing two revisions: sections, blocks that moved, words."""

import time

import pytest

from app.services.comparison import (
    Change,
    SectionChange,
    compare_revisions,
    part_blocks,
)
from app.services.differences import MatchMethod, map_sections
from app.services.revisions import list_bodies, make_sections
from app.services.sections import parse_sections

CLOCK = "A clock counts the time that passed since the machine was started."
ALARM = "An alarm fires once, or again and again, as the guest asked for it."
OLD = f"""\
# The title

## Clocks

{CLOCK}

The rate is constant.

## Timers

{ALARM}

- one item
- another item
"""


def compare(old: str, new: str) -> list[SectionChange]:
    """Return what became of the sections of a text."""
    parsed = [parse_sections(text) for text in (old, new)]
    before, after = (make_sections(sections) for sections in parsed)
    matches = map_sections(before, after)
    return compare_revisions(
        list_bodies(old, before, [s.start for s in parsed[0]]),
        list_bodies(new, after, [s.start for s in parsed[1]]),
        matches,
    )


def find(changes: list[SectionChange], title: str) -> SectionChange:
    """Return what became of the section of this title."""
    return next(c for c in changes if c.shown.title == title)


def tell(change: SectionChange) -> list[tuple[str, str]]:
    """Return the changed words of a section."""
    return [
        (words.change.value, words.text)
        for piece in change.pieces
        for words in piece.words
        if words.change is not Change.same
    ]


def test_equal_texts_have_no_change() -> None:
    assert not any(c.is_changed for c in compare(OLD, OLD))


def test_lines_that_are_broken_anew_are_no_change() -> None:
    new = OLD.replace("time that passed", "time\nthat passed")
    assert not any(c.is_changed for c in compare(OLD, new))


def test_words_that_changed_are_marked() -> None:
    changes = compare(OLD, OLD.replace("fires once", "rings twice"))
    assert [c.shown.title for c in changes if c.is_changed] == ["Timers"]
    assert tell(find(changes, "Timers")) == [
        ("removed", "fires once"),
        ("added", "rings twice"),
    ]


def test_a_paragraph_that_came_is_marked_whole() -> None:
    new = OLD.replace("## Timers\n", "## Timers\n\nQuite new words.\n")
    assert tell(find(compare(OLD, new), "Timers")) == [
        ("added", "Quite new words.")
    ]


def test_a_paragraph_in_another_section_has_moved() -> None:
    new = OLD.replace(f"{CLOCK}\n\n", "") + f"\n{CLOCK}\n"
    changes = compare(OLD, new)
    away = find(changes, "Clocks").pieces[0]
    here = find(changes, "Timers").pieces[-1]
    assert (away.change, here.change) == (
        Change.moved_away,
        Change.moved_here,
    )
    assert away.place is not None
    assert changes[away.place] is find(changes, "Timers")
    assert here.place is not None
    assert changes[here.place] is find(changes, "Clocks")
    assert not any(tell(c) for c in changes)


def test_a_paragraph_that_moved_and_changed_shows_its_words() -> None:
    long = f"{CLOCK} It never stops, not even while the guest is asleep."
    old = OLD.replace(CLOCK, long)
    new = (
        OLD.replace(f"{CLOCK}\n\n", "")
        + "\n"
        + long.replace("asleep", "halted")
        + "\n"
    )
    here = find(compare(old, new), "Timers").pieces[-1]
    assert here.change is Change.moved_here
    assert [w.text for w in here.words if w.change is Change.added] == [
        "halted"
    ]


def test_a_section_that_went_stands_where_it_was() -> None:
    new = OLD.replace(
        "## Clocks\n\n" + CLOCK + "\n\nThe rate is constant.\n\n", ""
    )
    changes = compare(OLD, new)
    assert [(c.shown.title, c.method) for c in changes] == [
        ("The title", MatchMethod.by_anchor),
        ("Clocks", MatchMethod.removed),
        ("Timers", MatchMethod.by_anchor),
    ]


def test_a_part_that_was_split_off_names_where_it_was() -> None:
    new = OLD.replace(ALARM, f"About timers.\n\n### Alarms\n\n{ALARM}")
    part = find(compare(OLD, new), "Alarms")
    assert part.method is MatchMethod.split_off
    assert [s.title for s in part.origins] == ["Timers"]
    assert part.pieces[0].change is Change.moved_here


def test_a_section_that_was_merged_names_where_it_is() -> None:
    changes = compare(OLD, OLD.replace("## Timers\n\n", ""))
    gone = find(changes, "Timers")
    assert gone.method is MatchMethod.merged
    assert [s.title for s in gone.origins] == ["Clocks"]


def test_a_new_title_is_a_change() -> None:
    change = find(
        compare(OLD, OLD.replace("## Clocks", "## 2) Clocks")), "Clocks"
    )
    assert change.is_renamed
    assert change.is_changed


def test_blocks_are_paragraphs_items_rows_and_code() -> None:
    text = (
        "A line\nand more\n- item\n  goes on\n- item\n| a | b |\n|---|---|\n"
        "```\ncode\n\nmore\n```\nend"
    )
    assert [(b.key, b.is_code) for b in part_blocks(text)] == [
        ("A line and more", False),
        ("- item goes on", False),
        ("- item", False),
        ("| a | b |", True),
        ("|---|---|", True),
        ("```\ncode\n\nmore\n```", True),
        ("end", False),
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a\n\n" * 100_000, "b\n\n" * 100_000),
        ("a b c d e f g\n\n" * 20_000, "a b c d e f h\n\n" * 20_000),
        ("a b " * 4_000, "b c " * 4_000),
        ("```\n" + "x y\n" * 40_000 + "```", "```\n" + "x z\n" * 40_000),
        ("- a\n" * 50_000, "- b\n" * 50_000),
    ],
    ids=["blocks", "alike", "words", "code", "items"],
)
def test_hostile_texts_are_compared_for_so_long_only(
    old: str, new: str
) -> None:
    sections = make_sections(parse_sections("# t"))
    before, after = ([sections[0]._replace(text=text)] for text in (old, new))
    matches = map_sections(sections, sections)
    begun = time.monotonic()
    compare_revisions(before, after, matches)
    assert time.monotonic() - begun < 8
