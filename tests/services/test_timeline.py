"""The timeline: each step in its lane, each span where it held."""

from typing import Any

import pytest

from app.services import costs
from app.services.timeline import Score, build_score, list_interrupts
from app.services.witnesses import Step, read_steps
from tests.services.test_witnesses import get_report

INITIAL = {"if": 1, "pending": 0, "nmi_blocked": 0, "halted": 0}


def make_step(number: int, **given: Any) -> Step:
    """Return a step of the kernel, but for what is given."""
    values: dict[str, Any] = {
        "cpu": 0,
        "at": "idle",
        "text": "nop",
        "clause": "",
        "kind": "step",
        "lane": "kernel",
        "way": "instruction",
        "listing": None,
        "line": None,
        "changes": {},
    }
    return Step(number=number, **{**values, **given})


STEPS = (
    make_step(1, text="cli", changes={"if": (1, 0)}),
    make_step(
        2,
        text="arrival of irq0",
        kind="arrival",
        way="arrival",
        lane="hardware",
        changes={"pending": (0, 1)},
    ),
    make_step(3, text="sti", way="trap", lane="hypervisor"),
    make_step(
        4,
        text="delivery of irq0",
        kind="delivery",
        way="delivery",
        lane="hypervisor",
        changes={"pending": (1, 0), "if": (0, 1)},
    ),
)


def draw(
    steps: tuple[Step, ...],
    initial: dict[str, int],
    shown: slice = slice(None),
    kept: frozenset[int] | None = None,
    current: int = 0,
) -> Score:
    """Draw steps by the table's costs on a software hypervisor."""
    bill = costs.build_bill(costs.read_table(), "software", steps)
    return build_score(
        initial, steps, steps[shown], current, kept=kept, bill=bill
    )


def test_each_step_stands_in_the_lane_where_it_was_done() -> None:
    score = draw(STEPS, INITIAL)
    assert [lane.title for lane in score.lanes] == [
        "guest user",
        "guest kernel",
        "hypervisor",
        "hardware",
    ]
    rows = {lane.y: lane.title for lane in score.lanes}
    assert [(rows[mark.y], mark.shape) for mark in score.marks] == [
        ("guest kernel", "step"),
        ("hardware", "arrival"),
        ("hypervisor", "trap"),
        ("hypervisor", "delivery"),
    ]
    assert [mark.x for mark in score.marks] == [
        "12.500%",
        "37.500%",
        "62.500%",
        "87.500%",
    ]


def test_a_turn_goes_from_the_lane_of_the_step_before() -> None:
    """An arrival is beside the processor's way, and does not bend it."""
    kernel, arrival, trap, _ = draw(STEPS, INITIAL).marks
    assert kernel.from_y == kernel.y
    assert arrival.from_y == arrival.y
    assert trap.from_y == kernel.y != trap.y


def test_spans_begin_and_end_with_the_steps_that_change_them() -> None:
    tracks = {track.title: track for track in draw(STEPS, INITIAL).tracks}
    assert set(tracks) == {"interrupts off", "an event pending"}
    (off,) = tracks["interrupts off"].spans
    assert off == (
        "12.500%",
        "75.000%",
        "interrupts off from step 1 to step 4",
    )
    (pending,) = tracks["an event pending"].spans
    assert pending.title == "an event pending from step 2 to step 4"


def test_a_span_reaches_to_both_ends() -> None:
    initial = {**INITIAL, "if": 0, "halted": 1}
    steps = (make_step(1), make_step(2))
    tracks = {track.title: track for track in draw(steps, initial).tracks}
    (off,) = tracks["interrupts off"].spans
    assert off.title == "interrupts off from the beginning to the end"
    assert (off.x, off.width) == ("0.000%", "100.000%")
    assert tracks["halted"].spans


def test_a_part_of_a_long_execution_fills_the_width() -> None:
    """What is shown takes all the width; spans are cut at its edges."""
    score = draw(STEPS, INITIAL, slice(2, 4), current=1)
    assert [mark.x for mark in score.marks] == ["25.000%", "75.000%"]
    assert score.current is None
    (off,) = next(t for t in score.tracks if t.title == "interrupts off").spans
    assert (off.x, off.width) == ("0.000%", "75.000%")
    assert draw(STEPS, INITIAL, current=3).current == "62.500%"


def test_folded_steps_are_marked() -> None:
    score = draw(STEPS, INITIAL, kept=frozenset({2, 4}))
    assert [mark.folded for mark in score.marks] == [True, False, True, False]


def test_a_bar_is_as_high_as_its_cycles_dear() -> None:
    bars = draw(STEPS, INITIAL).bars
    assert bars[2].height == max(bar.height for bar in bars)
    assert bars[2].title == "step 3: 2,389 cycles"
    assert bars[0].height < bars[1].height < bars[2].height


def test_several_processors_have_their_own_lanes_and_spans() -> None:
    steps = (
        make_step(1),
        make_step(2, cpu=1, text="cli", changes={"cpu1.if": (1, 0)}),
    )
    initial = {**INITIAL, "cpu1.if": 1, "cpu1.pending": 0}
    score = draw(steps, initial)
    assert [lane.title for lane in score.lanes] == [
        "processor 0, guest kernel",
        "processor 1, guest kernel",
    ]
    assert [track.title for track in score.tracks] == [
        "interrupts off",
        "processor 1, interrupts off",
    ]
    assert list_interrupts(initial, steps) == ("on", "off")


def test_the_interrupt_flag_is_told_after_each_step() -> None:
    steps = (*STEPS, make_step(5, changes={"shadow": (0, 1)}))
    words = list_interrupts({**INITIAL, "shadow": 0}, steps)
    assert words == ("off", "off", "off", "on", "shadow")


def test_nothing_is_drawn_of_no_steps() -> None:
    score = draw((), INITIAL)
    assert (len(score.marks), len(score.bars)) == (0, 0)
    assert score.current is None


@pytest.mark.parametrize("slug", ["kleen-sti-shadow", "kleen-mce-ecc-nmi"])
def test_every_execution_of_a_question_can_be_drawn(slug: str) -> None:
    for part in get_report(slug)["platforms"]:
        for answer in part["answers"].values():
            for way in (answer["witness"], answer["counter"]):
                steps = read_steps(way or [])
                score = draw(steps, part["initial"])
                assert len(score.marks) == len(steps)
                ys = {lane.y for lane in score.lanes}
                assert {mark.y for mark in score.marks} <= ys
