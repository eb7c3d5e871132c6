"""Memory without paging: words, bytes and stacks; what is not there."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sim.errors import NotModelled
from app.sim.layout import (
    DATA_BASE,
    FRAMES_BASE,
    KERNEL_STACK_TOP,
    PAGE_OFFSET,
    ROM_BASE,
    USER_STACK_FRAMES_END,
    USER_STACK_TOP,
)
from app.sim.machine import Machine, Window, update
from app.sim.memory import drop_dead_words, load, pop, push, store
from app.sim.physical import UNWRITTEN, get_physical, set_physical
from tests.sim.guest import build, get_vcpu

MACHINE = build(data={"first": 0x0403_0201, "second": 0x0807_0605})
WORDS = st.integers(0, 0xFFFF_FFFF)


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
    machine = build(platform="software")
    assert load(machine, 0, ROM_BASE, 2)[1] == 0xAA55
    assert load(machine, 0, ROM_BASE + 8)[1] == 0x696D_5663
    with pytest.raises(NotModelled):
        store(machine, 0, ROM_BASE, 4, 0)


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


def test_sparse_memory_is_canonical() -> None:
    """Equal memory is an equal machine, in whatever order it was written."""
    low, high = FRAMES_BASE, FRAMES_BASE + 0x2000
    one = store(store(MACHINE, 0, low, 4, 1), 0, high, 4, 2)
    other = store(store(MACHINE, 0, high, 4, 2), 0, low, 4, 1)
    assert one == other != MACHINE
    assert [address for address, _ in one.memory] == [
        low - PAGE_OFFSET,
        high - PAGE_OFFSET,
    ]
    assert store(store(one, 0, low, 4, 0), 0, high, 4, 0) == MACHINE


@given(offset=st.integers(0, 8), size=st.sampled_from([1, 2, 4]), value=WORDS)
def test_sparse_memory_is_bytes(offset: int, size: int, value: int) -> None:
    """What is written at any alignment is read again, and nothing else."""
    address = FRAMES_BASE + offset
    machine = store(MACHINE, 0, address, size, value)
    written = (value & (1 << 8 * size) - 1) << 8 * offset
    content = [load(machine, 0, FRAMES_BASE + i, 1)[1] for i in range(16)]
    assert int.from_bytes(bytes(content), "little") == written


def test_stacks_lie_in_physical_memory() -> None:
    """The hypervisor reaches a stack past translation, by its frame."""
    machine = push(MACHINE, 0, 0x1234)
    place = KERNEL_STACK_TOP - PAGE_OFFSET - 4
    assert get_physical(machine, place) == 0x1234
    machine = set_physical(machine, place, 1, 0x56)
    assert get_vcpu(machine).stack == (0x1256,)
    machine = update(MACHINE, 0, cpl=3, esp=USER_STACK_TOP)
    machine = push(machine, 0, 7)
    assert get_physical(machine, USER_STACK_FRAMES_END - 4) == 7


def test_a_device_answers_instead_of_memory() -> None:
    """A window sees reads and writes at its addresses, and no others."""
    seen: list[tuple[int, ...]] = []

    def read(
        machine: Machine, cpu: int, address: int, size: int
    ) -> tuple[Machine, int]:
        seen.append((cpu, address, size))
        return machine, 0x77

    def write(
        machine: Machine, cpu: int, address: int, size: int, value: int
    ) -> Machine:
        seen.append((cpu, address, size, value))
        return machine

    window = Window(0x1000, lambda _machine, _cpu: 0xFEE0_0000, read, write)
    board = replace(MACHINE.board, windows=(window,))
    machine = MACHINE.replace(board=board)
    assert load(machine, 0, 0xFEE0_0020)[1] == 0x77
    store(machine, 0, 0xFEE0_0FFC, 4, 9)
    assert load(machine, 0, DATA_BASE)[1] == 0x0403_0201
    assert seen == [(0, 0xFEE0_0020, 4), (0, 0xFEE0_0FFC, 4, 9)]
