"""Verdicts: one sentence for each answer, differences named."""

import pytest

from app.services.verdicts import (
    Cell,
    Line,
    build_lines,
    build_sentences,
    list_columns,
    read_scenario,
)

TEXT = """
question = "Does it sleep?"
[code]
kernel = "hlt"
[outcomes]
sleeps = { when = "end", is = "halted", text = "the processor sleeps" }
[expect]
native = { sleeps = "never" }
[variants.quiet]
platform = "software"
title = "a quiet one"
expect = { sleeps = "always" }
"""


def part(
    platform: str,
    answer: str,
    variant: str | None = None,
    nmi: str = "not-delivered",
) -> object:
    """Return a report's part with one answer."""
    return {
        "platform": platform,
        "variant": variant,
        "relevant": ["nmi"],
        "policies": {"nmi": nmi},
        "answers": {
            "sleeps": {
                "answer": answer,
                "clauses": [],
                "witness": [{}],
                "counter": None,
                "readings": {},
            }
        },
    }


def make_line(**answers: str) -> Line:
    """Return a line with these answers."""
    cells = tuple(
        Cell(name, None, "sleeps", word, None, {}, ())
        for name, word in answers.items()
    )
    return Line("sleeps", "it sleeps", None, None, cells)


def speak(line: Line) -> list[str]:
    """Return the sentences with what is strong between stars."""
    return [
        "".join(f"*{p.text}*" if p.strong else p.text for p in sentence)
        for sentence in build_sentences(line)
    ]


def test_platforms_with_one_answer_share_a_sentence() -> None:
    line = make_line(native="never", software="sometimes", hardware="never")
    assert speak(line) == [
        "On a software hypervisor it *can happen* that it sleeps.",
        (
            "On native hardware and on a hypervisor with hardware support it "
            "*never happens*."
        ),
    ]


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("always", "it *always happens* that it sleeps."),
        ("never", "it *never happens* that it sleeps."),
        ("unspecified", "the RFC *does not say* whether it sleeps."),
        ("not-modelled", "the simulator *cannot tell* whether it sleeps."),
        (
            "limit",
            (
                "the search hit a limit, so there is *no answer* whether it "
                "sleeps."
            ),
        ),
    ],
)
def test_each_answer_has_its_sentence(answer: str, sentence: str) -> None:
    assert speak(make_line(native=answer)) == [
        f"On native hardware {sentence}"
    ]


def test_answers_stand_beside_what_was_expected() -> None:
    scenario = read_scenario(TEXT, "posted")
    report = {
        "platforms": [
            part("software", "always"),
            part("native", "always"),
            part("software", "always", "quiet"),
        ]
    }
    columns = list_columns([report])
    assert columns == ("native", "software")
    base, variant = build_lines(report, scenario, columns)
    assert base.phrase == "the processor sleeps"
    assert [(c.expected, c.differs) for c in base.answered] == [
        ("never", True),
        (None, False),
    ]
    assert (variant.title, variant.cells[0]) == ("a quiet one", None)
    (cell,) = variant.answered
    assert (cell.expected, cell.differs, cell.ways) == (
        "always",
        False,
        ("witness",),
    )
    assert cell.query == {
        "platform": "software",
        "outcome": "sleeps",
        "variant": "quiet",
    }


def test_nothing_is_expected_of_a_run_by_other_policies() -> None:
    report = {"platforms": [part("native", "always", nmi="delivered")]}
    scenario = read_scenario(TEXT, "posted")
    (line,) = build_lines(report, scenario, ("native",))
    assert [(c.expected, c.differs) for c in line.answered] == [(None, False)]


def test_a_text_that_is_read_no_more_leaves_the_names() -> None:
    assert read_scenario("question = 1", "posted") is None
    report = {"platforms": [part("native", "never", "quiet")]}
    (line,) = build_lines(report, None, ("native",))
    assert (line.phrase, line.title) == ("sleeps", "quiet")
