"""Evidence, scores and decisions."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.alignment import (
    LEAD,
    SURE,
    Candidate,
    Effort,
    Method,
    Scores,
    decide,
    find_exactly,
    find_nearly,
    score_order,
)
from app.services.outlines import Outline, OutlineSection, Place, pack
from app.services.quote_alignment import Knowledge, align
from app.services.quoted_blocks import find_blocks

ONE, TWO = Place(1, None), Place(2, None)
CALL, OTHER_CALL = Place(1, 1), Place(1, 2)


def make_outline(*texts: str) -> Outline:
    return Outline(
        [
            OutlineSection(id=n, number="", title=f"Clause {n}", text=text)
            for n, text in enumerate(texts)
        ],
        [],
    )


@pytest.mark.parametrize(
    ("candidates", "place"),
    [
        ([], None),
        ([(ONE, 0.89)], None),
        ([(ONE, 0.90)], ONE),
        ([(ONE, 0.99), (TWO, 0.90)], None),
        ([(ONE, 0.99), (TWO, 0.80)], ONE),
        ([(CALL, 0.99), (ONE, 0.98)], CALL),
        ([(CALL, 0.99), (OTHER_CALL, 0.98)], None),
        ([(ONE, 0.99), (CALL, 0.98)], ONE),
    ],
)
def test_decision_takes_score_and_lead(
    candidates: list[tuple[Place, float]], place: Place | None
) -> None:
    """A section is no rival of its own call; two calls are rivals."""
    listed = [Candidate(*one, Method.source) for one in candidates]
    assert decide(listed) == place


@given(
    st.lists(
        st.tuples(
            st.sampled_from([ONE, TWO, CALL, OTHER_CALL]),
            st.sampled_from(list(Method)),
            st.floats(0, 1),
        ),
        max_size=12,
    )
)
def test_scores_are_ranked_and_bounded(
    evidence: list[tuple[Place, Method, float]],
) -> None:
    """Whatever the evidence: scores stay below 1, what is sure leads."""
    scores = Scores()
    for one in evidence:
        scores.add(*one)
    ranked = scores.rank()
    values = [candidate.score for candidate in ranked]
    assert values == sorted(values, reverse=True)
    assert all(value < 1 for value in values)
    place = decide(ranked)
    if place is not None:
        assert values[0] >= SURE
        others = [c.score for c in ranked if c.place.section != place.section]
        assert all(values[0] - other >= LEAD for other in others)


def test_name_is_not_counted_beside_words() -> None:
    """A name is one of the words, so the two do not strengthen each other."""
    scores = Scores()
    scores.add(ONE, Method.words, 0.8)
    scores.add(ONE, Method.named, 0.88)
    assert scores.rank()[0].score == pytest.approx(0.88)
    scores.add(ONE, Method.reply, 0.5)
    assert scores.rank()[0].score == pytest.approx(0.94)


def test_all_places_are_found() -> None:
    """A quote that stands twice is found twice, also with faults."""
    wanted = pack("the interrupt flag is virtual and the guest has control")
    text = f"one{wanted}two{wanted}three"
    assert len(find_exactly(text, wanted)) == 2
    broken = wanted.replace("virtual", "virtuel")
    found = find_nearly(text, broken, Effort())
    assert [start for start, _, _ in found] == [3, 6 + len(wanted)]
    assert all(0.9 < likeness < 1 for _, _, likeness in found)


def test_effort_is_bounded() -> None:
    """Once a mail has had its share, nothing is compared any more."""
    wanted = pack("the interrupt flag is virtual and the guest has control")
    text = f"one{wanted}two"
    effort = Effort(len(text) * len(wanted) + 1)
    assert find_nearly(text, wanted[:-1] + "x", effort)
    assert not find_nearly(text, wanted[:-1] + "x", effort)


def test_order_tells_alike_places_apart() -> None:
    """Between two known places, the one that stands between them is meant."""
    outline = make_outline("apple", "the same words", "pear", "same words")
    alike = {1: 14.0, 3: 14.0}
    known = [Place(0, None), None, Place(2, None)]
    found = score_order(outline, [{}, alike, {}], known)[1]
    assert found[1] > 0.7
    assert found.get(3, 0) < found[1] / 3
    alone = score_order(outline, [alike], [None])[0]
    assert alone[1] == pytest.approx(alone[3])


def test_quote_of_something_else_has_no_place() -> None:
    """A word or two in common say nothing."""
    outline = make_outline("apple pie", "pear tree", "plum jam", "cherry")
    likely = score_order(outline, [{0: 1.4}], [None])[0]
    assert max(likely.values()) < 0.15


def test_document_itself_is_found_in_a_quote() -> None:
    """Who quotes the document word for word is understood."""
    outline = make_outline(
        "The guest does not control the hardware interrupt flag at all.",
        "Calls may be queued until they are flushed by somebody.",
    )
    source = outline.read_parts(
        (place, outline.sections[place.section].text)
        for place in outline.places
    )
    blocks = find_blocks(
        "> Calls may be queued\n> until they are flushed\n\nA"
    )
    (found,) = align(blocks, Knowledge(outline=outline, sources=[source]))
    assert found.place == Place(1, None)
    assert found.candidates[0].method == Method.source
    assert found.candidates[0].span == (0, 42)


def test_place_of_the_words_is_known_where_they_are_once() -> None:
    """White space, case and marks of a patch do not count."""
    outline = make_outline("So:\n+ It is\n+\tÄhnlich, STRASSE.", "a b a b")
    span = outline.find_span(Place(0, None), pack("is ähnlich, straße"))
    assert span == (9, 30)
    assert outline.find_span(Place(1, None), "ab") is None
    assert outline.find_span(Place(1, None), "ba") == (2, 5)
    assert outline.find_span(Place(1, None), "c") is None


def test_hostile_quotes_take_bounded_time() -> None:
    """Long blocks, many blocks and near misses keep nobody waiting."""
    words = "alarm counter cycles expire period wallclock stolen available "
    outline = make_outline(words * 200, words, "another " + words)
    source = outline.read(words * 5000)
    near = words.replace("expire", "expyre").strip()
    body = "".join(
        f"{'> ' * (1 + n % 7)}{near * 20} {n}\nreply\n" for n in range(1000)
    )
    started = time.process_time()
    blocks = find_blocks(body + "> " + "x" * 500_000)
    align(blocks, Knowledge(outline=outline, sources=[source] * 4))
    assert time.process_time() - started < 20
