"""What an editor offers is all that the parser takes, and nothing else."""

import pytest

from app.sim import CALLS, INSTRUCTIONS
from app.sim.completion import (
    KINDS,
    MAXIMUM,
    SECTIONS,
    complete,
    list_suggestions,
)
from app.sim.forms import ALIASES, FORMS, SHORT
from app.sim.operands import REGISTERS
from app.sim.policies import POLICIES
from app.sim.rom import NUMBERS
from app.sim.scenario import check_scenario


def get_texts(kind: str) -> set[str]:
    return {each.text for each in list_suggestions(kind)}


def test_every_word_is_offered() -> None:
    prefixes = {"lock", "rep", "repe", "repz", "repne", "repnz"}
    assert get_texts("instruction") == {*FORMS, *SHORT, *ALIASES} | prefixes
    assert get_texts("call") == {*CALLS, *NUMBERS}
    assert get_texts("register") == set(REGISTERS)
    assert get_texts("policy") == set(POLICIES)


@pytest.mark.parametrize("kind", KINDS)
def test_every_word_has_a_meaning(kind: str) -> None:
    """One line each, and no word twice."""
    words = list_suggestions(kind)
    assert len({each.text for each in words}) == len(words)
    for each in words:
        executable = kind != "instruction" or each.text in INSTRUCTIONS
        assert each.meaning or not executable, each
        assert "\n" not in each.meaning


def test_every_section_is_offered() -> None:
    """The parser names its sections where it does not know one."""
    (error,) = check_scenario(
        "zzzzzzzz = 1\nquestion = 'x'\n[code]\nkernel = 'nop'\n"
        "[outcomes]\na = { is = '1' }\n"
    )
    named = error.expected.removeprefix("one of ").split(", ")
    assert set(named) <= set(SECTIONS)


def test_what_begins_so_comes_first() -> None:
    """Then what has a part that begins so: a call without VMI_."""
    assert [each.text for each in complete("instruction", "rdt")] == ["rdtsc"]
    assert complete("call", "hal")[0].text == "VMI_Halt"
    assert complete("call", "vmi_hal")[0].text == "VMI_Halt"
    assert complete("call", "nowhere") == ()
    assert len(complete("call", "")) == MAXIMUM


def test_forms_are_in_words() -> None:
    (word,) = [
        each for each in complete("instruction", "bt") if each.text == "bt"
    ]
    assert word.forms == (
        "bt register or memory, register",
        "bt register or memory, 8-bit number",
    )
    (call,) = complete("call", "VMI_WRMSR")[:1]
    assert call.forms[0].startswith("EDX:EAX: ")


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(KeyError):
        complete("wishes", "")
