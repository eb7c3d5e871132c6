"""Linear memory: loads, stores and the stack, as guest code sees them.

Where a question has no paging, all that there is is mapped, and the kernel
sees what lies at a physical address `PAGE_OFFSET` above it.
"""

from typing import Final

from app.sim.debug import note_access
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
from app.sim.paging import PAGE, translate
from app.sim.physical import (
    STACK_WORDS,
    UNWRITTEN,
    WORD,
    WORD_MASK,
    find_window,
    get_physical,
    set_physical,
)
from app.sim.segments import SS_INDEX, is_user, to_linear
from app.sim.shadowing import holds_tables, is_shadowed, store_unseen

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
    if machine.vcpus[cpu].dr:
        machine = note_access(machine, cpu, linear, size, write=writes)
    if machine.board.paging:
        user = machine.vcpus[cpu].cpl == USER_CPL
        return _load_paged(machine, cpu, linear, size, (writes, user))
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
    if machine.vcpus[cpu].dr:
        machine = note_access(machine, cpu, linear, size, write=True)
    if machine.board.paging:
        user = machine.vcpus[cpu].cpl == USER_CPL
        return _store_paged(machine, cpu, linear, size, (value, user))
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
    if machine.board.paging:
        return _load_paged(machine, cpu, linear, size, (False, False))
    return load(machine, cpu, linear, size)


def store_system(
    machine: Machine, cpu: CpuId, linear: int, size: int, value: int
) -> Machine:
    """Write as the processor itself does to a descriptor: as supervisor."""
    if machine.board.paging:
        return _store_paged(machine, cpu, linear, size, (value, False))
    return store(machine, cpu, linear, size, value)


def reach(
    machine: Machine, cpu: CpuId, linear: int, *, writes: bool
) -> tuple[Machine, int]:
    """Answer the physical address of memory that is about to be used."""
    if not machine.board.paging:
        return machine, to_physical(linear & WORD_MASK)
    user = machine.vcpus[cpu].cpl == USER_CPL
    return translate(machine, cpu, linear, writes=writes, user=user)


def require_code(machine: Machine, cpu: CpuId, linear: int) -> Machine:
    """Fetch from a page, or raise #PF."""
    user = machine.vcpus[cpu].cpl == USER_CPL
    machine, _ = translate(machine, cpu, linear, writes=False, user=user)
    return machine


def _split(linear: int, size: int) -> list[tuple[int, int]]:
    """Split an access at the end of a page: addresses and sizes."""
    linear &= WORD_MASK
    room = PAGE - linear % PAGE
    if size <= room:
        return [(linear, size)]
    return [(linear, room), (linear + room & WORD_MASK, size - room)]


def _load_paged(
    machine: Machine,
    cpu: CpuId,
    linear: int,
    size: int,
    how: tuple[bool, bool],
) -> tuple[Machine, int]:
    """Read through the page tables."""
    writes, user = how
    value = shift = 0
    for start, length in _split(linear, size):
        machine, address = translate(
            machine, cpu, start, writes=writes, user=user
        )
        window = find_window(machine, cpu, address)
        if window is not None:
            return window.read(machine, cpu, address, size)
        value |= get_physical(machine, address, length) << shift
        shift += 8 * length
    return machine, value


def _store_paged(
    machine: Machine,
    cpu: CpuId,
    linear: int,
    size: int,
    what: tuple[int, bool],
) -> Machine:
    """Write through the page tables; nothing is written if one page fails."""
    value, user = what
    pieces = []
    for start, length in _split(linear, size):
        machine, address = translate(
            machine, cpu, start, writes=True, user=user
        )
        pieces.append((address, length))
    for address, length in pieces:
        window = find_window(machine, cpu, address)
        if window is not None:
            return window.write(machine, cpu, address, size, value)
        part = value & (1 << 8 * length) - 1
        value >>= 8 * length
        machine = _write(machine, cpu, address, length, part)
    return machine


def _write(
    machine: Machine, cpu: CpuId, address: int, size: int, value: int
) -> Machine:
    """Write memory; a hypervisor does not see it in page tables."""
    if holds_tables(machine, address) and is_shadowed(machine, cpu):
        return store_unseen(machine, address, size, value)
    return set_physical(machine, address, size, value)


def push(machine: Machine, cpu: CpuId, value: int) -> Machine:
    """Push a word on the current stack."""
    esp = (machine.vcpus[cpu].esp - WORD) & WORD_MASK
    place = to_linear(machine, cpu, SS_INDEX, esp, WORD, write=True)
    machine = store(machine, cpu, place, WORD, value)
    return update(machine, cpu, esp=esp)


def pop(machine: Machine, cpu: CpuId) -> tuple[Machine, int]:
    """Pop a word from the current stack."""
    esp = machine.vcpus[cpu].esp
    place = to_linear(machine, cpu, SS_INDEX, esp, WORD, write=False)
    machine, value = load(machine, cpu, place)
    return update(machine, cpu, esp=(esp + WORD) & WORD_MASK), value


def drop_dead_words(machine: Machine, cpu: CpuId) -> Machine:
    """Drop the words below the stack pointer, allocate those above it.

    In user mode the kernel stack is live down to where the next entry will
    start to push; in the kernel the user stack stays as it is.
    """
    vcpu = machine.vcpus[cpu]
    user = is_user(vcpu)
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
