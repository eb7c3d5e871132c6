"""Linear memory: loads, stores and the stack, as guest code sees them.

Where a question has no paging, all that there is is mapped, and the kernel
sees what lies at a physical address `PAGE_OFFSET` above it.
"""

from typing import Final

from app.sim.errors import NotModelled
from app.sim.layout import (
    DEVICES_BASE,
    PAGE_OFFSET,
    USER_BASE,
    USER_CODE_FRAMES,
    USER_SPACE,
    USER_STACK_FRAMES_END,
    USER_STACK_TOP,
    get_kernel_stack_top,
    get_user_stack_top,
)
from app.sim.machine import (
    USER_CPL,
    CpuId,
    Machine,
    update,
)
from app.sim.physical import (
    STACK_WORDS,
    UNWRITTEN,
    WORD,
    WORD_MASK,
    find_window,
    get_physical,
    set_physical,
)

_USER_STACK: Final = USER_STACK_TOP - USER_STACK_FRAMES_END
_USER_CODE: Final = USER_BASE - USER_CODE_FRAMES


def to_physical(linear: int) -> int:
    """Answer the physical address where there is no paging."""
    if linear >= DEVICES_BASE:
        return linear
    if linear >= PAGE_OFFSET:
        return linear - PAGE_OFFSET
    if USER_STACK_TOP - USER_SPACE <= linear < USER_STACK_TOP:
        return linear - _USER_STACK
    if USER_BASE <= linear < USER_BASE + USER_SPACE:
        return linear - _USER_CODE
    raise NotModelled(f"memory at {linear:#x}")


def load(
    machine: Machine,
    cpu: CpuId,
    linear: int,
    size: int = WORD,
    *,
    writes: bool = False,
) -> tuple[Machine, int]:
    """Read ``size`` bytes (1, 2 or 4), little endian, at any alignment.

    ``writes`` says that the same access writes them next.
    """
    del writes
    address = to_physical(linear & WORD_MASK)
    if machine.board.windows:
        window = find_window(machine, cpu, address)
        if window is not None:
            return window.read(machine, cpu, address, size)
    return machine, get_physical(machine, address, size)


def store(
    machine: Machine, cpu: CpuId, linear: int, size: int, value: int
) -> Machine:
    """Write ``size`` bytes (1, 2 or 4), little endian, at any alignment."""
    address = to_physical(linear & WORD_MASK)
    if machine.board.windows:
        window = find_window(machine, cpu, address)
        if window is not None:
            return window.write(machine, cpu, address, size, value)
    return set_physical(machine, address, size, value)


def load_system(
    machine: Machine, cpu: CpuId, linear: int, size: int = WORD
) -> tuple[Machine, int]:
    """Read as the processor itself does for a descriptor: as supervisor."""
    return load(machine, cpu, linear, size)


def store_system(
    machine: Machine, cpu: CpuId, linear: int, size: int, value: int
) -> Machine:
    """Write as the processor itself does to a descriptor: as supervisor."""
    return store(machine, cpu, linear, size, value)


def push(machine: Machine, cpu: CpuId, value: int) -> Machine:
    """Push a word on the current stack."""
    esp = (machine.vcpus[cpu].esp - WORD) & WORD_MASK
    machine = store(machine, cpu, esp, WORD, value)
    return update(machine, cpu, esp=esp)


def pop(machine: Machine, cpu: CpuId) -> tuple[Machine, int]:
    """Pop a word from the current stack."""
    esp = machine.vcpus[cpu].esp
    machine, value = load(machine, cpu, esp)
    return update(machine, cpu, esp=(esp + WORD) & WORD_MASK), value


def drop_dead_words(machine: Machine, cpu: CpuId) -> Machine:
    """Drop the words below the stack pointer, allocate those above it.

    In user mode the kernel stack is live down to where the next entry will
    start to push; in the kernel the user stack stays as it is.
    """
    vcpu = machine.vcpus[cpu]
    user = vcpu.cpl == USER_CPL
    depth = _count_words(
        get_kernel_stack_top(cpu), vcpu.esp0 if user else vcpu.esp
    )
    if depth is not None and depth != len(vcpu.stack):
        machine = update(machine, cpu, stack=_resize(vcpu.stack, depth))
    depth = _count_words(get_user_stack_top(cpu), vcpu.esp)
    if depth is not None and depth != len(vcpu.user_stack):
        words = _resize(vcpu.user_stack, depth)
        machine = update(machine, cpu, user_stack=words)
    return machine


def _count_words(top: int, pointer: int) -> int | None:
    """Count the words from a pointer to the top; None if outside."""
    depth = -((pointer - top) // WORD)
    return depth if 0 <= depth <= STACK_WORDS else None


def _resize(words: tuple[int, ...], depth: int) -> tuple[int, ...]:
    """Cut a stack to a depth, or fill it up to that."""
    return words[:depth] + (UNWRITTEN,) * (depth - len(words))
