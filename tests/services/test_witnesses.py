"""Witnesses: replayed to the state that the simulator itself had."""

import json
from typing import Any

import pytest

from app.config import ROOT
from app.services import witnesses
from app.services.witnesses import (
    Moment,
    Omission,
    compute_state,
    format_value,
    read_steps,
)
from app.sim import explore, parse_scenario

SCENARIOS = sorted((ROOT / "app/corpus/vmi/scenarios").glob("*.toml"))


def get_report(slug: str) -> dict[str, Any]:
    """Return the report of a question of the corpus, as it is stored."""
    (path,) = (path for path in SCENARIOS if path.stem == slug)
    report = explore(parse_scenario(path.read_text(), slug=slug))
    stored: dict[str, Any] = json.loads(json.dumps(report.to_dict()))
    return stored


@pytest.mark.parametrize("slug", [path.stem for path in SCENARIOS])
def test_each_step_begins_where_the_one_before_ended(slug: str) -> None:
    for part in get_report(slug)["platforms"]:
        for answer in part["answers"].values():
            for way in (answer["witness"] or [], answer["counter"] or []):
                state = dict(part["initial"])
                for step in way:
                    for name, (before, after) in step["changes"].items():
                        assert state.get(name) == before
                        state[name] = after
                steps = read_steps(way)
                assert (
                    compute_state(part["initial"], steps, len(steps)) == state
                )


def make_steps(count: int) -> list[dict[str, object]]:
    """Return a witness that counts; every fifth step is a call."""
    return [
        {
            "cpu": 0,
            "at": f"idle+{number}",
            "text": "call VMI_Halt" if number % 5 == 0 else "inc eax",
            "clause": "",
            "kind": "delivery" if number == 7 else "step",
            "lane": "kernel",
            "way": "instruction",
            "line": {"listing": "kernel", "line": number},
            "changes": {"eax": [number - 1, number], "work": [0, 1]}
            if number == 3
            else {"eax": [number - 1, number]},
        }
        for number in range(1, count + 1)
    ]


def build_moment(
    initial: dict[str, int],
    witness: list[dict[str, object]],
    number: int,
    kept: frozenset[int] | None = None,
) -> Moment:
    """Return a stored witness at a step."""
    return witnesses.build_moment(initial, read_steps(witness), number, kept)


INITIAL = {"eax": 0, "if": 1, "pending irq0": 0, "tsc": 5, "work": 0}


def test_a_step_shows_what_it_changed_and_nothing_that_never_changes() -> None:
    moment = build_moment(INITIAL, make_steps(8), 3)
    fields = {
        field.name: (field.value, field.before)
        for group in moment.groups
        for field in group.fields
    }
    assert fields == {
        "eax": ("00000003", "00000002"),
        "if": ("1", None),
        "work": ("1", "0"),
    }
    assert moment.step is not None
    assert (moment.step.listing, moment.step.line) == ("kernel", 3)


def test_before_the_first_step_nothing_has_changed() -> None:
    moment = build_moment(INITIAL, make_steps(8), 0)
    assert moment.step is None
    assert all(
        field.before is None
        for group in moment.groups
        for field in group.fields
    )


@pytest.mark.parametrize(
    ("number", "previous", "following"),
    [(0, 0, 5), (4, 0, 5), (5, 0, 7), (6, 5, 7), (8, 7, 8)],
)
def test_jumps_go_from_one_delivery_or_call_to_the_next(
    number: int, previous: int, following: int
) -> None:
    moment = build_moment(INITIAL, make_steps(8), number)
    assert (moment.previous_jump, moment.next_jump) == (previous, following)


@pytest.mark.parametrize("number", [0, 1, 500, 999, 1000])
def test_a_long_timeline_is_shown_around_the_step(number: int) -> None:
    moment = build_moment(INITIAL, make_steps(1000), number)
    shown = [step.number for step in moment.window]
    assert len(shown) == witnesses.SHOWN_STEPS
    assert number == 0 or number in shown
    steps = [s for s in moment.shown if not isinstance(s, Omission)]
    hidden = [s for s in moment.shown if isinstance(s, Omission)]
    assert [step.number for step in steps] == shown
    assert sum(each.length for each in hidden) == 800


def test_folded_steps_are_left_out_and_stepped_over() -> None:
    """Only what matters is shown, and the step that is looked at."""
    kept = frozenset({2, 5, 8})
    moment = build_moment(INITIAL, make_steps(9), 4, kept)
    assert [
        line.number if not isinstance(line, Omission) else line.length
        for line in moment.shown
    ] == [1, 2, 1, 4, 5, 2, 8, 1]
    assert (moment.preceding, moment.following) == (2, 5)
    first = build_moment(INITIAL, make_steps(9), 0, kept)
    assert (first.preceding, first.following) == (0, 2)
    last = build_moment(INITIAL, make_steps(9), 8, kept)
    assert (last.preceding, last.following) == (5, 9)


def test_the_state_of_each_processor_has_its_own_sheets() -> None:
    """With several processors each heading says whose the fields are."""
    initial = INITIAL | {"cpu1.eax": 1, "cpu1.if": 0, "cpu1.tsc": 2}
    moment = build_moment(initial, make_steps(3), 3)
    titles = [group.title for group in moment.groups]
    assert titles == [
        "Registers, processor 0",
        "Flags, processor 0",
        "Memory words",
        "Registers, processor 1",
        "Flags, processor 1",
    ]


@pytest.mark.parametrize(
    ("change", "way"),
    [
        ({"kind": "arrival", "lane": "hardware"}, "arrival"),
        ({"kind": "delivery", "lane": "hypervisor"}, "delivery"),
        ({"text": "(12 transitions)"}, ""),
        ({"lane": "hypervisor", "text": "call VMI_Halt"}, "hypercall"),
        ({"lane": "hypervisor", "text": "cli"}, "trap"),
        ({"lane": "hardware", "text": "rdmsr: #GP(0x0)"}, "delivery"),
        ({"lane": "kernel", "text": "cli"}, "instruction"),
    ],
)
def test_a_report_of_before_has_ways_too(
    change: dict[str, object], way: str
) -> None:
    """A step that was stored without its way is told by what it has."""
    (stored,) = make_steps(1)
    del stored["way"]
    (step,) = read_steps([{**stored, "kind": "step", **change}])
    assert step.way == way


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("eip", 0xC0100000, "c0100000"),
        ("cs", 0x60, "0060"),
        ("if", 1, "1"),
        ("work", 12, "12"),
        ("work", 0xFFFFFFFF, "0xffffffff"),
        ("msr 0x10", 16, "00000010"),
        ("msr 0x10", None, "absent"),
    ],
)
def test_values_are_written_as_a_data_sheet_does(
    name: str, value: int | None, text: str
) -> None:
    assert format_value(name, value) == text
