"""The idle loop of ``explore.py``, explored by stepping Unicorn.

Unicorn carries out the instructions; what it lacks is done by hand, as every
user of it has to: arrival, delivery, the shadow of STI and HLT. Each edge
puts a state into the core, runs one instruction and reads the state back.
"""

import struct
import time
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from unicorn import UC_ARCH_X86, UC_MODE_32, Uc
from unicorn import x86_const as x86

_CODE = 0xC010_0000
_HANDLER = _CODE + 0x100
_WORK = 0xC040_0000
_STACK_TOP = 0xC050_0000
_PAGE = 0x1000
_SELECTOR = 0x08
_IF = 0x200
_STI = 0xFB
_HLT = 0xF4

_ABSOLUTE = _WORK.to_bytes(4, "little").hex()
_IDLE = bytes.fromhex(
    f"fa 833d{_ABSOLUTE}00 7504 fb f4 ebf2"  # cli cmp jne sti hlt jmp
    f"ff0d{_ABSOLUTE} fb ebe9"  # dec sti jmp
)
_IRQ = bytes.fromhex(f"ff05{_ABSOLUTE} cf")  # inc iretd


class State(NamedTuple):
    """What differs between two machines of this question."""

    eip: int
    esp: int
    flags: int
    work: int
    frame: bytes
    shadow: bool
    halted: bool
    pending: bool
    budget: int


class Loop:
    """The loop in a core of its own."""

    def __init__(self) -> None:
        uc = self._uc = Uc(UC_ARCH_X86, UC_MODE_32)
        for page in (_CODE, _WORK, _STACK_TOP - _PAGE):
            uc.mem_map(page, _PAGE)
        uc.mem_write(_CODE, _IDLE)
        uc.mem_write(_HANDLER, _IRQ)
        table = struct.pack("<QHHBBBB", 0, 0xFFFF, 0, 0, 0x9B, 0xCF, 0)
        table += struct.pack("<HHBBBB", 0xFFFF, 0, 0, 0x93, 0xCF, 0)
        uc.mem_write(_WORK + _PAGE // 2, table)
        gdtr = (0, _WORK + _PAGE // 2, len(table) - 1, 0)
        uc.reg_write(x86.UC_X86_REG_GDTR, gdtr)
        uc.reg_write(x86.UC_X86_REG_CS, _SELECTOR)
        uc.reg_write(x86.UC_X86_REG_SS, 2 * _SELECTOR)

    def list_following(self, state: State) -> Iterable[State]:
        """Return the states after one arrival, delivery or instruction."""
        if state.budget:
            yield state._replace(pending=True, budget=state.budget - 1)
        if state.pending and state.flags & _IF and not state.shadow:
            yield self._deliver(state)
        elif not state.halted:
            yield self._step(state)

    def _deliver(self, state: State) -> State:
        frame = struct.pack("<3I", state.eip, _SELECTOR, state.flags)
        return state._replace(
            eip=_HANDLER,
            esp=state.esp - len(frame),
            flags=state.flags & ~_IF,
            frame=frame,
            halted=False,
            pending=False,
        )

    def _step(self, state: State) -> State:
        uc = self._uc
        uc.reg_write(x86.UC_X86_REG_ESP, state.esp)
        uc.reg_write(x86.UC_X86_REG_EFLAGS, state.flags)
        uc.mem_write(_WORK, state.work.to_bytes(4, "little"))
        if state.frame:
            uc.mem_write(state.esp, state.frame)
        (opcode,) = uc.mem_read(state.eip, 1)
        if opcode == _HLT:
            return state._replace(eip=state.eip + 1, shadow=False, halted=True)
        uc.emu_start(state.eip, 0, count=1)
        esp = uc.reg_read(x86.UC_X86_REG_ESP)
        return state._replace(
            eip=uc.reg_read(x86.UC_X86_REG_EIP),
            esp=esp,
            flags=uc.reg_read(x86.UC_X86_REG_EFLAGS),
            work=int.from_bytes(uc.mem_read(_WORK, 4), "little"),
            frame=bytes(uc.mem_read(esp, _STACK_TOP - esp)),
            shadow=opcode == _STI and not state.flags & _IF,
        )


def explore(interrupts: int) -> tuple[int, int, float]:
    """Explore the loop.

    Returns
    -------
    tuple
        States, transitions, and the seconds from the first state on.
    """
    loop = Loop()
    first = State(
        _CODE, _STACK_TOP, _IF | 2, 0, b"", *(False,) * 3, interrupts
    )
    start = time.perf_counter()
    seen = {first}
    queue = deque([first])
    transitions = 0
    while queue:
        for after in loop.list_following(queue.popleft()):
            transitions += 1
            if after not in seen:
                seen.add(after)
                queue.append(after)
    return len(seen), transitions, time.perf_counter() - start
