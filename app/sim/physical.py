"""Physical memory: words by address, past segments and paging.

Named data words and the live words of the stacks are dense tuples; the rest
is sparse: an image that the board has, and the words that differ from it. A
stack keeps its live words alone, the first pushed first. What lies below the
stack pointer is dropped after each step, since an interrupt may overwrite it
at any time; code that reads it anyway is not modelled.
"""

from bisect import bisect_left
from typing import Final

from app.sim.errors import NotModelled
from app.sim.layout import (
    DATA_BASE,
    KERNEL_STACK_TOP,
    PAGE_OFFSET,
    ROM_AREA,
    STACK_STRIDE,
    USER_STACK_FRAMES_END,
)
from app.sim.machine import Machine, Window, update

WORD: Final = 4
WORD_MASK: Final = 0xFFFF_FFFF
STACK_WORDS: Final = 1024
UNWRITTEN: Final = 0xA5A5_A5A5
"""What a stack word holds that was allocated and never written."""

_DATA: Final = DATA_BASE - PAGE_OFFSET
_ROM: Final = ROM_AREA - PAGE_OFFSET
_KERNEL_STACK: Final = KERNEL_STACK_TOP - PAGE_OFFSET


def _find_stack(machine: Machine, address: int) -> tuple[int, str, int] | None:
    """Find the stack in which a word lies: processor, field and depth."""
    count = len(machine.vcpus)
    cpu, rest = divmod(address - _KERNEL_STACK + STACK_STRIDE, STACK_STRIDE)
    if 0 <= cpu < count:
        depth = (STACK_STRIDE - rest) // WORD
        return (cpu, "stack", depth) if depth <= STACK_WORDS else None
    cpu, rest = divmod(USER_STACK_FRAMES_END - address, STACK_STRIDE)
    if 0 <= cpu < count and rest:
        depth = rest // WORD
        return (cpu, "user_stack", depth) if depth <= STACK_WORDS else None
    return None


def get_word(machine: Machine, address: int) -> int:
    """Read the aligned word at an address."""
    index = (address - _DATA) // WORD
    data = machine.data
    if 0 <= index < len(data):
        return data[index]
    depth = (_KERNEL_STACK - address) // WORD
    stack = machine.vcpus[0].stack
    if 0 < depth <= len(stack):
        return stack[depth - 1]
    place = _find_stack(machine, address)
    if place is not None:
        cpu, field, depth = place
        words: tuple[int, ...] = getattr(machine.vcpus[cpu], field)
        if depth <= len(words):
            return words[depth - 1]
        raise NotModelled(f"a read below the stack, at {_say(address)}")
    board = machine.board
    if any(low <= address < high for low, high in board.regions):
        memory = machine.memory
        position = bisect_left(memory, (address,))
        if position < len(memory) and memory[position][0] == address:
            return memory[position][1]
        return board.image.get(address, 0)
    offset = address - _ROM
    if 0 <= offset < len(board.rom):
        return int.from_bytes(board.rom[offset : offset + WORD], "little")
    raise NotModelled(f"a read of memory at {_say(address)}")


def set_word(machine: Machine, address: int, value: int) -> Machine:
    """Write the aligned word at an address."""
    data = machine.data
    index = (address - _DATA) // WORD
    if 0 <= index < len(data):
        changed = (*data[:index], value, *data[index + 1 :])
        return machine.replace(data=changed)
    place = _find_stack(machine, address)
    if place is not None:
        cpu, field, depth = place
        words: tuple[int, ...] = getattr(machine.vcpus[cpu], field)
        missing = depth - len(words)
        if missing > 0:
            words = (*words, *(UNWRITTEN,) * missing)
        stack = (*words[: depth - 1], value, *words[depth:])
        return update(machine, cpu, **{field: stack})
    if any(low <= address < high for low, high in machine.board.regions):
        return _set_sparse(machine, address, value)
    raise NotModelled(f"a write to memory at {_say(address)}")


def _set_sparse(machine: Machine, address: int, value: int) -> Machine:
    """Write a word of the sparse rest; what equals the image is not kept."""
    memory = machine.memory
    position = bisect_left(memory, (address,))
    end = position
    if position < len(memory) and memory[position][0] == address:
        end += 1
    same = machine.board.image.get(address, 0) == value
    entry = () if same else ((address, value),)
    changed = (*memory[:position], *entry, *memory[end:])
    return machine if changed == memory else machine.replace(memory=changed)


def _say(address: int) -> str:
    """Name an address, and where the kernel sees it."""
    return f"{address:#x} (kernel {address + PAGE_OFFSET & WORD_MASK:#x})"


def find_window(machine: Machine, cpu: int, address: int) -> Window | None:
    """Find the device that answers at an address instead of memory."""
    for window in machine.board.windows:
        base = window.get_base(machine, cpu)
        if base is not None and base <= address < base + window.length:
            return window
    return None


def get_physical(machine: Machine, address: int, size: int = WORD) -> int:
    """Read ``size`` bytes (1, 2 or 4), little endian, at any alignment."""
    offset = address % WORD
    value = get_word(machine, address - offset) >> (8 * offset)
    if offset + size > WORD:
        high = get_word(machine, address - offset + WORD)
        value |= high << (8 * (WORD - offset))
    mask: int = (1 << (8 * size)) - 1
    return value & mask


def set_physical(
    machine: Machine, address: int, size: int, value: int
) -> Machine:
    """Write ``size`` bytes (1, 2 or 4), little endian, at any alignment."""
    offset = address % WORD
    mask = (1 << (8 * size)) - 1
    if size == WORD and not offset:
        return set_word(machine, address, value & mask)
    low, shift = address - offset, 8 * offset
    pair = get_word(machine, low)
    crosses = offset + size > WORD
    if crosses:
        pair |= get_word(machine, low + WORD) << (8 * WORD)
    pair = (pair & ~(mask << shift)) | ((value & mask) << shift)
    machine = set_word(machine, low, pair & WORD_MASK)
    if crosses:
        return set_word(machine, low + WORD, pair >> (8 * WORD))
    return machine
