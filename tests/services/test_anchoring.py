"""Quotes found again in a later text, and the laws that this keeps."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.models import AnchorState
from app.services.anchoring import Crossing, Method, Placing, Quote
from app.services.annotations import make_passage
from app.services.differences import SectionText, map_sections
from app.services.texts import Text

HALT = (
    "The halt call enables interrupts and stops the processor until the next "
    "one arrives, which must not be lost."
)
TIMER = (
    "The hypervisor keeps three clocks: real time, available time and stolen "
    "time, and a guest sets alarms on the first two."
)
PAGES = (
    "A page that holds page tables is registered before its first use and "
    "released after the last."
)


def make_text(*sections: tuple[str, str]) -> Text:
    return Text(
        [
            SectionText(0, None, 2, "", anchor, anchor.title(), text)
            for anchor, text in sections
        ]
    )


def make_quote(text: Text, section: int, start: int, end: int) -> Quote:
    passage = make_passage(text.sections[section].text, start, end)
    return Quote(section, *passage)


def quote_words(text: Text, section: int, words: str) -> Quote:
    start = text.sections[section].text.index(words)
    return make_quote(text, section, start, start + len(words))


def place(old: Text, new: Text, quote: Quote) -> Placing:
    matches = map_sections(old.sections, new.sections)
    return Crossing(old, new, matches).place(quote)


def read(text: Text, placing: Placing) -> str:
    assert placing.section is not None
    words = text.sections[placing.section].text
    return words[placing.start : placing.end]


PART = HALT.replace("must not be", "is never")
OLD = make_text(("halt", HALT), ("timer", TIMER), ("pages", PAGES))


def test_the_same_clause_is_exact() -> None:
    quote = quote_words(OLD, 1, "three clocks")
    new = make_text(("halt", "Gone."), ("timer", TIMER))
    found = place(OLD, new, quote)
    assert found == Placing(
        AnchorState.exact, Method.digest, 1000, 1, quote.start, quote.end
    )


def test_words_that_stay_in_a_changed_clause_are_moved() -> None:
    quote = quote_words(OLD, 0, "stops the processor")
    new = make_text(("halt", "First of all. " + HALT.replace("must", "shall")))
    found = place(OLD, new, quote)
    assert (found.state, found.method) == (
        AnchorState.moved,
        Method.unchanged,
    )
    assert found.score == 990
    assert read(new, found) == "stops the processor"


def test_lines_broken_anew_change_nothing() -> None:
    quote = quote_words(OLD, 0, "stops the processor until the next")
    new = make_text(("halt", "New. " + HALT.replace(" ", "\n")))
    found = place(OLD, new, quote)
    assert found.method == Method.unchanged
    assert read(new, found).split() == quote.exact.split()


def test_half_a_word_stays_half_a_word() -> None:
    at = HALT.index("processor")
    quote = make_quote(OLD, 0, at + 3, at + 19)
    new = make_text(("halt", "So. " + HALT))
    assert read(new, place(OLD, new, quote)) == quote.exact


def test_a_renamed_clause_takes_its_quotes_with_it() -> None:
    quote = quote_words(OLD, 1, "three clocks")
    new = make_text(("halt", HALT), ("time-keeping", TIMER))
    found = place(OLD, new, quote)
    assert (found.state, found.section) == (AnchorState.moved, 1)
    assert read(new, found) == "three clocks"


def test_a_paragraph_that_went_elsewhere_is_found() -> None:
    words = "A guest that waits is woken by whatever comes first of the two."
    old = make_text(("halt", f"{HALT}\n{words}"), ("timer", TIMER))
    new = make_text(("halt", HALT), ("timer", f"{TIMER}\n{words} So be it."))
    found = place(old, new, quote_words(old, 0, "is woken by whatever"))
    assert (found.state, found.method) == (AnchorState.moved, Method.block)
    assert (found.section, read(new, found)) == (1, "is woken by whatever")


def test_a_changed_quote_is_moved_if_it_is_sure() -> None:
    quote = quote_words(OLD, 1, TIMER[4:100])
    new = make_text(("timer", TIMER.replace("three", "3")), ("halt", HALT))
    found = place(OLD, new, quote)
    assert (found.state, found.method) == (AnchorState.moved, Method.search)
    assert 900 <= found.score < 990
    assert "3 clocks" in read(new, found)


def test_a_quote_that_changed_much_is_proposed() -> None:
    quote = quote_words(OLD, 1, "The hypervisor keeps three clocks")
    changed = TIMER.replace("keeps three", "keeps two kinds of")
    found = place(OLD, make_text(("timer", changed)), quote)
    assert found.state == AnchorState.proposed
    assert 600 <= found.score < 900
    assert found.rivals[0].score == found.score


def test_one_of_several_copies_is_proposed_with_its_rivals() -> None:
    """A place is not moved while another is as good."""
    words = "Interrupts that come in between are held back by the hypervisor."
    old = make_text(("halt", f"Note. {words} End."), ("timer", TIMER))
    new = make_text(
        ("timer", f"Note. {words} End. {TIMER}"),
        ("more", f"Note. {words} End. {PAGES}"),
        ("halt", "Something else stands here now, of another kind."),
    )
    found = place(old, new, quote_words(old, 0, words))
    assert found.state == AnchorState.proposed
    assert {rival.section for rival in found.rivals[:2]} == {0, 1}
    assert all(rival.exact == words for rival in found.rivals[:2])


def test_equal_words_are_told_apart_by_their_row() -> None:
    text = "Once the bit. Twice the bit. Thrice the bit."
    old = make_text(("bits", text))
    new = make_text(("bits", f"New words. {text}"))
    for word in ("Once", "Twice", "Thrice"):
        at = text.index(word) + len(word) + 1
        quote = make_quote(old, 0, at, at + 7)
        found = place(old, new, quote)
        assert found.state == AnchorState.moved
        assert found.start == at + len("New words. ")


def test_a_copy_less_is_no_reason_to_guess() -> None:
    """Which of equal passages went cannot be known: a person is asked."""
    old = make_text(("nops", "nop nop nop nop nop"), ("pages", PAGES))
    new = make_text(("nops", "nop nop nop"), ("pages", PAGES))
    found = place(old, new, make_quote(old, 0, 8, 11))
    assert found.state == AnchorState.proposed
    assert len(found.rivals) == 3


def test_a_short_quote_is_not_found_in_every_corner() -> None:
    old = make_text(("halt", f"It stops. {HALT}"), ("pages", PAGES))
    new = make_text(("timer", TIMER), ("pages", PAGES))
    found = place(old, new, quote_words(old, 0, "stop"))
    assert (found.state, found.section) == (AnchorState.orphan, None)


def test_what_is_gone_is_an_orphan_of_its_clause() -> None:
    new = make_text(("timer", TIMER), ("halt", "It was all taken out."))
    found = place(OLD, new, quote_words(OLD, 0, HALT))
    assert found.state == AnchorState.orphan
    assert (found.section, found.start, found.end) == (1, None, None)


def test_offsets_count_code_points() -> None:
    """Signs beyond the basic plane are one character each."""
    old = make_text(("signs", "\U0001f600 \U0001f601 the clock stops here"))
    quote = quote_words(old, 0, "the clock stops")
    new = make_text(("signs", "\U0001f680" * 3 + old.sections[0].text))
    found = place(old, new, quote)
    assert found.start == quote.start + 3
    assert read(new, found) == "the clock stops"


@pytest.mark.parametrize(
    ("new", "state", "section"),
    [
        ([("halt", HALT)], AnchorState.exact, 0),
        ([("halt", "Other words.")], AnchorState.moved, 0),
        ([("timer", TIMER), ("stop", HALT)], AnchorState.moved, 1),
        ([("timer", TIMER), ("stop", PART)], AnchorState.proposed, 1),
        ([("timer", TIMER)], AnchorState.orphan, None),
    ],
)
def test_a_clause_as_a_whole(
    new: list[tuple[str, str]], state: AnchorState, section: int | None
) -> None:
    """Its name finds it, or its text; a part of that only proposes it."""
    text = make_text(*new)
    matches = map_sections(OLD.sections, text.sections)
    found = Crossing(OLD, text, matches).place(Quote(0))
    assert (found.state, found.section) == (state, section)


words = st.lists(
    st.sampled_from(
        [*"abcdefgh", "the", "call", "page", "é", "\U0001f600", ".", ","]
    ),
    min_size=1,
    max_size=40,
).map(" ".join)
texts = st.lists(words, min_size=1, max_size=5).map(
    lambda parts: make_text(*((f"s{n}", t) for n, t in enumerate(parts)))
)


@st.composite
def quotes(draw: st.DrawFn, text: Text) -> Quote:
    """Draw a passage of a text that is not blank."""
    section = draw(st.integers(0, len(text.sections) - 1))
    places = text.squeezed[section].places
    start = draw(st.integers(0, len(places) - 1))
    end = draw(st.integers(start, len(places) - 1))
    return make_quote(text, section, places[start], places[end] + 1)


@given(st.data())
def test_nothing_moves_in_a_text_that_stays(data: st.DataObject) -> None:
    """Over an unchanged text every quote is exact."""
    text = data.draw(texts)
    quote = data.draw(quotes(text))
    found = place(text, text, quote)
    assert found.state == AnchorState.exact
    assert (found.section, found.start, found.end) == (
        quote.section,
        quote.start,
        quote.end,
    )


@given(st.data())
def test_an_edit_around_a_quote_never_loses_it(data: st.DataObject) -> None:
    """Whatever is written around it, its words are among the places."""
    text = data.draw(texts)
    quote = data.draw(quotes(text))
    before, after = data.draw(st.tuples(words, words))
    parts = [
        (s.anchor, data.draw(st.one_of(st.just(s.text), words)))
        for s in text.sections
    ]
    anchor = parts[quote.section][0]
    parts[quote.section] = (anchor, f"{before} {quote.exact} {after}")
    new = make_text(*parts)
    found = place(text, new, quote)
    assert found.state != AnchorState.orphan
    wanted = quote.exact.split()
    if found.state == AnchorState.proposed:
        assert any(rival.exact.split() == wanted for rival in found.rivals)
    else:
        assert read(new, found).split() == wanted


@given(st.data())
def test_what_is_placed_is_text_of_the_new_revision(
    data: st.DataObject,
) -> None:
    """Any two texts: a state, a score in bounds, spans within the text."""
    old, new = data.draw(texts), data.draw(texts)
    found = place(old, new, data.draw(quotes(old)))
    assert 0 <= found.score <= 1000
    if found.state != AnchorState.orphan:
        assert read(new, found).strip()
    assert (found.state == AnchorState.exact) <= (found.score == 1000)
    scores = [rival.score for rival in found.rivals]
    assert scores == sorted(scores, reverse=True)
    for rival in found.rivals:
        text = new.sections[rival.section].text
        assert text[rival.start : rival.end] == rival.exact


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a" * 100_000, "a" * 99_000 + "b"),
        ("a b " * 30_000, "b a " * 30_000 + "c"),
        ("ab" * 50_000, "ba" * 50_000 + "c"),
        ("".join(map(chr, range(0x4E00, 0x9E00))) * 4, "\u4e00" * 100_000),
    ],
    ids=["one letter", "words", "pairs", "many letters"],
)
def test_hostile_texts_cost_little_time(old: str, new: str) -> None:
    one, other = make_text(("s", old)), make_text(("s", new))
    matches = map_sections(one.sections, other.sections)
    crossing = Crossing(one, other, matches)
    begun = time.process_time()
    for start in range(0, 1000, 250):
        crossing.place(make_quote(one, 0, 2 * start, 2 * start + 400))
    assert time.process_time() - begun < 6
