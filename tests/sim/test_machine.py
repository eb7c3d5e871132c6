"""The machine: immutable, hashable, with memory, stacks and registers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sim.errors import NotModelled
from app.sim.layout import (
    DATA_BASE,
    KERNEL_STACK_TOP,
    ROM_BASE,
    USER_STACK_TOP,
)
from app.sim.machine import (
    GENERAL_REGISTERS,
    get_register,
    set_register,
    update,
)
from app.sim.memory import drop_dead_words, load, pop, push, store
from app.sim.physical import UNWRITTEN
from tests.sim.guest import build, get_vcpu

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


@given(
    address=st.integers(DATA_BASE, DATA_BASE + 7),
    size=st.sampled_from([1, 2, 4]),
    value=WORDS,
)
def test_memory_is_bytes(address: int, size: int, value: int) -> None:
    """Any alignment reads and writes as an array of bytes would."""
    content = bytearray(range(1, 9))
    offset = address - DATA_BASE
    if offset + size > len(content):
        with pytest.raises(NotModelled):
            load(MACHINE, 0, address, size)[1]
        return
    expected = int.from_bytes(content[offset : offset + size], "little")
    assert load(MACHINE, 0, address, size)[1] == expected
    machine = store(MACHINE, 0, address, size, value)
    written = value & (1 << 8 * size) - 1
    content[offset : offset + size] = written.to_bytes(size, "little")
    assert machine.data == (
        int.from_bytes(content[:4], "little"),
        int.from_bytes(content[4:], "little"),
    )


@pytest.mark.parametrize("address", [0, DATA_BASE - 4, KERNEL_STACK_TOP])
def test_memory_that_is_not_there(address: int) -> None:
    """Other memory is not modelled, for reading and for writing."""
    with pytest.raises(NotModelled, match=f"{address:#x}"):
        load(MACHINE, 0, address)[1]
    with pytest.raises(NotModelled, match=f"{address:#x}"):
        store(MACHINE, 0, address, 4, 0)


def test_the_rom_is_read_and_not_written() -> None:
    """Its header lies in memory; a write there is not modelled."""
    assert load(MACHINE, 0, ROM_BASE, 2)[1] == 0xAA55
    assert load(MACHINE, 0, ROM_BASE + 8)[1] == 0x696D_5663
    with pytest.raises(NotModelled):
        store(MACHINE, 0, ROM_BASE, 4, 0)


def test_push_and_pop() -> None:
    """What is pushed last is popped first."""
    machine = push(push(MACHINE, 0, 1), 0, 2)
    assert get_vcpu(machine).stack == (1, 2)
    assert get_vcpu(machine).esp == KERNEL_STACK_TOP - 8
    machine, value = pop(machine, 0)
    assert value == 2
    machine, value = pop(machine, 0)
    assert value == 1


def test_dead_words_are_dropped() -> None:
    """What was popped is no longer part of the state, and not read."""
    machine = push(MACHINE, 0, 1)
    machine, _ = pop(machine, 0)
    assert machine != MACHINE
    machine = drop_dead_words(machine, 0)
    assert machine == MACHINE
    with pytest.raises(NotModelled, match="below the stack"):
        load(machine, 0, KERNEL_STACK_TOP - 4)[1]


def test_allocated_words_are_marked() -> None:
    """A stack word that was never written has a value that stands out."""
    machine = update(MACHINE, 0, esp=KERNEL_STACK_TOP - 8)
    machine = drop_dead_words(machine, 0)
    assert get_vcpu(machine).stack == (UNWRITTEN, UNWRITTEN)
    assert load(machine, 0, KERNEL_STACK_TOP - 8)[1] == UNWRITTEN


def test_the_stacks_of_kernel_and_user() -> None:
    """Each is live in its own mode; the user stack stays in the kernel."""
    machine = update(MACHINE, 0, cpl=3, esp=USER_STACK_TOP)
    machine = drop_dead_words(push(machine, 0, 7), 0)
    assert get_vcpu(machine).user_stack == (7,)
    machine = update(machine, 0, cpl=0, esp=KERNEL_STACK_TOP)
    machine = drop_dead_words(push(machine, 0, 8), 0)
    assert get_vcpu(machine).user_stack == (7,)
    machine = update(machine, 0, cpl=3, esp=USER_STACK_TOP - 4)
    machine = drop_dead_words(machine, 0)
    assert (get_vcpu(machine).stack, get_vcpu(machine).user_stack) == (
        (),
        (7,),
    )


def test_a_stack_has_an_end() -> None:
    """A stack that grows beyond its bound is not modelled."""
    machine = update(MACHINE, 0, esp=KERNEL_STACK_TOP - 4 * 1024)
    with pytest.raises(NotModelled):
        push(machine, 0, 1)
