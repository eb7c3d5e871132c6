"""The machine: immutable, hashable, with registers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sim.machine import (
    GENERAL_REGISTERS,
    get_register,
    set_register,
    update,
)
from tests.sim.guest import build

MACHINE = build(data={"first": 0x0403_0201, "second": 0x0807_0605})
WORDS = st.integers(0, 0xFFFF_FFFF)


def test_machines_are_values() -> None:
    """Equal content is equal and hashes alike."""
    same = update(update(MACHINE, 0, eax=5), 0, eax=0)
    assert same == MACHINE
    assert hash(same) == hash(MACHINE)
    assert update(MACHINE, 0, eax=5) != MACHINE


def test_an_unknown_field_is_our_mistake() -> None:
    """A field that there is not cannot be changed."""
    with pytest.raises(KeyError):
        update(MACHINE, 0, rax=1)


@given(value=WORDS, name=st.sampled_from(GENERAL_REGISTERS))
def test_parts_of_registers(value: int, name: str) -> None:
    """A written part is read again, and the rest of the register stays."""
    old = 0x1122_3344
    machine = MACHINE
    for register in ("eax", "ecx", "edx", "ebx", "esi", "edi", "ebp", "esp"):
        machine = set_register(machine, 0, register, old)
    machine = set_register(machine, 0, name, value)
    size = 32 if name.startswith("e") else 8 if name[-1] in "lh" else 16
    assert get_register(machine, 0, name) == value & (1 << size) - 1
    if name == "ah":
        assert get_register(machine, 0, "eax") & 0xFFFF_00FF == 0x1122_0044
