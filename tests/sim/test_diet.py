"""A diet drops what no answer needs, and says what it cannot decide."""

from typing import Any

import pytest

from app.sim import CALLS, Limits, Scenario, parse_scenario
from app.sim.diet import (
    STANDS,
    CallDiet,
    Change,
    Diet,
    Stand,
    compute_diet,
    find_calls,
    traps,
)

LIMITS = Limits(seconds=60)


def ask(slug: str, kernel: str, outcome: str, rest: str = "") -> Scenario:
    text = f"""
question = "?"
[code]
kernel = '''
{kernel}
stop:   jmp stop
'''
[outcomes]
asked = {{ is = "at stop and {outcome}" }}
{rest}
"""
    return parse_scenario(text, slug=slug)


def get_call(diet: Diet, name: str) -> CallDiet:
    (found,) = (call for call in diet.calls if call.name == name)
    return found


MASK = ask("mask", "call VMI_GetInterruptMask", "eax == 0")
"""PUSHF shows the hardware's flag, which is on; the call does not."""

PAUSE = ask("pause", "call VMI_Pause", "eip != 0")

SPOILT = ask(
    "spoilt",
    "mov ecx, 5\ncall VMI_Pause\ncall VMI_RDTSC",
    "ecx == 5",
)
"""Either call spoils ECX, so one of the two has to stay."""

EQUAL = ask(
    "equal",
    """
        mov ecx, 5
        call VMI_Pause
        mov esi, ecx
        mov ecx, 5
        call VMI_RDTSC
        mov edi, ecx
    """,
    "esi == edi",
)
"""Both spoil ECX or none does, so both go or none."""


def test_a_call_whose_native_form_lies_is_needed() -> None:
    """The answer that changes is told, with that of bare hardware."""
    start = "[start]\ninterrupts = false"
    mask = ask("mask", "call VMI_GetInterruptMask", "eax == 0", start)
    diet = compute_diet([mask], "software", LIMITS)
    call = get_call(diet, "VMI_GetInterruptMask")
    assert call.stand is Stand.needed
    assert not call.traps
    assert call.deciding == ("mask",)
    assert diet.kept == ("VMI_GetInterruptMask",)
    (change,) = call.changes
    assert (change.before, change.after) == ("always", "never")
    assert change.native == "never"
    assert not change.was_silent


def test_a_call_that_changes_nothing_is_spare() -> None:
    """PAUSE does natively what the call does."""
    diet = compute_diet([PAUSE], "software", LIMITS)
    call = get_call(diet, "VMI_Pause")
    assert call.stand is Stand.spare
    assert call.changes == ()
    assert diet.dropped == ("VMI_Pause",)
    assert diet.kept == ()


def test_what_no_question_makes_is_undecided() -> None:
    """Nothing is concluded from silence."""
    diet = compute_diet([PAUSE], "software", LIMITS)
    stands = {call.name: call.stand for call in diet.calls}
    assert stands.pop("VMI_Pause") is Stand.spare
    assert set(stands) == set(CALLS) - {"VMI_Pause"}
    assert set(stands.values()) == {Stand.undecided, Stand.bare}
    assert not set(stands) & {*diet.dropped, *diet.kept}


@pytest.mark.parametrize("platform", ["native", "hardware"])
def test_what_is_left_native_is_not_there_to_drop(platform: str) -> None:
    """On these platforms no ROM stands behind the call."""
    diet = compute_diet([PAUSE], platform, LIMITS)
    assert get_call(diet, "VMI_Pause").stand is Stand.native
    assert diet.dropped == diet.kept == ()


def test_a_call_without_native_form_cannot_fall_back() -> None:
    """The timer calls have nothing that could stand in their place."""
    timer = ask("timer", "call VMI_GetWallclockTime", "eax == 0")
    diet = compute_diet([timer], "software", LIMITS)
    call = get_call(diet, "VMI_GetWallclockTime")
    assert call.stand is Stand.bare
    assert call.traps is None
    assert diet.kept == ("VMI_GetWallclockTime",)


def test_two_spare_calls_may_need_one_another() -> None:
    """What is dropped together is run together."""
    diet = compute_diet([SPOILT], "software", LIMITS)
    assert get_call(diet, "VMI_Pause").stand is Stand.spare
    assert get_call(diet, "VMI_RDTSC").stand is Stand.spare
    assert diet.dropped == ("VMI_RDTSC",)
    assert diet.kept == ("VMI_Pause",)
    assert diet.restored == {
        "VMI_Pause": (
            Change("spoilt", None, "asked", "never", "always", "always"),
        )
    }
    assert diet.restored["VMI_Pause"][0].is_cure


def test_two_needed_calls_may_go_together() -> None:
    """What cannot go alone is tried in pairs."""
    diet = compute_diet([EQUAL], "software", LIMITS)
    assert get_call(diet, "VMI_Pause").stand is Stand.needed
    assert get_call(diet, "VMI_RDTSC").stand is Stand.needed
    assert diet.dropped == diet.traded == ("VMI_RDTSC", "VMI_Pause")
    assert diet.kept == ()


def test_the_smallest_interface_changes_no_answer() -> None:
    """With all questions at once the joint run agrees with the table."""
    questions = [MASK, PAUSE, SPOILT, EQUAL]
    told: list[tuple[int, int]] = []
    diet = compute_diet(
        questions, "software", LIMITS, tell=lambda *far: told.append(far)
    )
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert diet.questions == 4
    assert set(diet.kept).isdisjoint(diet.dropped)
    made = frozenset().union(*map(find_calls, questions))
    assert made == {*diet.kept, *diet.dropped}
    assert diet.runs >= sum(1 + len(find_calls(each)) for each in questions)


def test_what_the_simulator_lacks_decides_nothing() -> None:
    """A fallback that is not modelled is unknown, not needed."""
    text = """
question = "?"
[code]
kernel = '''
        push dword ptr 0x202
        push dword ptr 0x61
        push dword ptr offset stop
        call VMI_IRET
stop:   jmp stop
'''
[outcomes]
asked = { is = "at stop" }
[platforms]
software = {}
"""
    iret = parse_scenario(text.replace("dword ptr ", ""), slug="iret")
    diet = compute_diet([iret], "software", LIMITS)
    call = get_call(diet, "VMI_IRET")
    assert call.stand in STANDS
    assert bool(call.changes) is (call.stand is not Stand.spare)


def test_the_rule_of_thumb() -> None:
    """What traps can be emulated; what misbehaves in silence cannot."""
    assert traps(CALLS["VMI_EnableInterrupts"])
    assert traps(CALLS["VMI_Halt"])
    assert not traps(CALLS["VMI_SetInterruptMask"])
    assert not traps(CALLS["VMI_IRET"])
    assert not traps(CALLS["VMI_Pause"])
    assert traps(CALLS["VMI_GetWallclockTime"]) is None


def test_a_diet_as_json() -> None:
    """The parts have the names of the interface."""
    content: Any = compute_diet([SPOILT], "software", LIMITS).to_dict()
    assert content["dropped"] == ["VMI_RDTSC"]
    assert content["restored"]["VMI_Pause"][0] == {
        "scenario": "spoilt",
        "variant": None,
        "outcome": "asked",
        "before": "never",
        "after": "always",
        "native": "always",
    }
    (call,) = (c for c in content["calls"] if c["name"] == "VMI_Pause")
    assert call == {
        "name": "VMI_Pause",
        "stand": "spare",
        "native": ["pause"],
        "traps": False,
        "deciding": ["spoilt"],
        "changes": [],
    }
