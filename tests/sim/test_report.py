"""Reports are plain data."""

import json

from app.sim.report import (
    Answer,
    PlatformReport,
    Report,
    WitnessStep,
    compute_id,
)

STEP = WitnessStep(
    cpu=0,
    at="idle+2",
    text="call VMI_EnableInterrupts",
    clause="RFC A / VMI_EnableInterrupts",
    kind="step",
    lane="hypervisor",
    way="rom",
    line=("kernel", 3),
    changes={"if": (0, 1)},
)


def test_a_step_as_json() -> None:
    """Keys stand in the order of the interface, tuples are lists."""
    assert json.dumps(STEP.to_dict()) == (
        '{"cpu": 0, "at": "idle+2", "text": "call VMI_EnableInterrupts", '
        '"clause": "RFC A / VMI_EnableInterrupts", "kind": "step", '
        '"lane": "hypervisor", "way": "rom", '
        '"line": {"listing": "kernel", "line": 3}, '
        '"changes": {"if": [0, 1]}}'
    )


def test_a_report_as_json() -> None:
    """It can be written and read without loss."""
    answer = Answer(
        answer="sometimes",
        clauses=("RFC 2.5",),
        witness=(STEP,),
        counter=None,
        readings={},
    )
    platform = PlatformReport(
        platform="native",
        variant=None,
        policies={"nmi": "delivered"},
        relevant=("nmi",),
        states=1,
        transitions=0,
        limit=None,
        initial={"if": 0},
        answers={"it": answer},
    )
    report = Report(
        id="0",
        model="1",
        scenario="slug",
        question="?",
        limits={"states": 1, "transitions": 2, "seconds": 0.5},
        platforms=(platform,),
    )
    content = report.to_dict()
    assert json.loads(json.dumps(content)) == content


def test_an_id_does_not_depend_on_the_order_of_keys() -> None:
    """It is that of canonical JSON."""
    assert compute_id({"a": 1, "b": [2]}) == compute_id({"b": [2], "a": 1})
    assert compute_id({"a": 1}) != compute_id({"a": 2})
