"""A bare i386 in Unicorn: one flat memory, three rings, no devices.

Unicorn hands each interrupt and exception to a hook instead of taking it, so
a run ends with the first one. Rings are entered by an IRET of the guest, for
the host cannot set the CPL (see "Pitfalls" of the simulator's design).
"""

import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from unicorn import (
    UC_ARCH_X86,
    UC_HOOK_INSN_INVALID,
    UC_HOOK_INTR,
    UC_MODE_32,
    Uc,
)
from unicorn import x86_const as x86

from app.sim.layout import (
    DATA_BASE,
    KERNEL_BASE,
    KERNEL_STACK_TOP,
    USER_STACK_TOP,
)
from app.sim.machine import USER_CPL

GENERAL = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi")
FLAG_BITS = {
    "cf": 0,
    "pf": 2,
    "af": 4,
    "zf": 6,
    "sf": 7,
    "if": 9,
    "of": 11,
}
UD = 6

_NUMBERS = {
    name: getattr(x86, f"UC_X86_REG_{name.upper()}") for name in GENERAL
}
_RAM_BYTES = 8 << 20
_SYSTEM = 0xD000_0000
_BOOT = _SYSTEM + 0x1000
_FRAME = _SYSTEM + 0x1800
_PAGE = 0x1000
_FLAT = {
    0: (0x08, 0x10, 0x9B, 0x93),
    1: (0x19, 0x21, 0xBB, 0xB3),
    3: (0x2B, 0x33, 0xFB, 0xF3),
}
"""By ring: selectors of code and stack, access bytes of their descriptors."""

_BOOT_CODE = bytes.fromhex("1f 07 61 cf")  # pop ds; pop es; popa; iret


class End(NamedTuple):
    """How a run ended: where, by which vector if any, and in which state."""

    eip: int
    vector: int | None
    registers: Mapping[str, int]
    flags: int

    def get_flag(self, name: str) -> int:
        """Return one flag by its name."""
        return self.flags >> FLAG_BITS[name] & 1


class Core:
    """A Unicorn core with code at the simulator's kernel address."""

    def __init__(self, code: bytes) -> None:
        assert len(code) < DATA_BASE - KERNEL_BASE
        uc = self._uc = Uc(UC_ARCH_X86, UC_MODE_32)
        uc.mem_map(KERNEL_BASE, _RAM_BYTES)
        uc.mem_map(_SYSTEM, 2 * _PAGE)
        uc.mem_map(USER_STACK_TOP - _PAGE, _PAGE)
        uc.mem_write(KERNEL_BASE, code)
        uc.mem_write(_BOOT, _BOOT_CODE)
        table = bytes(8)
        for _, _, code_access, stack_access in _FLAT.values():
            for access in (code_access, stack_access):
                table += struct.pack("<HHBBBB", 0xFFFF, 0, 0, access, 0xCF, 0)
        uc.mem_write(_SYSTEM, table)
        uc.reg_write(x86.UC_X86_REG_GDTR, (0, _SYSTEM, len(table) - 1, 0))
        uc.reg_write(x86.UC_X86_REG_CS, _FLAT[0][0])
        uc.reg_write(x86.UC_X86_REG_SS, _FLAT[0][1])
        uc.hook_add(UC_HOOK_INTR, self._take_interrupt)
        uc.hook_add(UC_HOOK_INSN_INVALID, self._take_invalid)
        self._reset = uc.context_save()
        self._vector: int | None = None

    def _take_interrupt(self, uc: Uc, vector: int, _: object) -> None:
        self._vector = vector
        uc.emu_stop()

    def _take_invalid(self, uc: Uc, _: object) -> bool:
        self._vector = UD
        uc.emu_stop()
        return True

    def write_words(self, words: Iterable[int]) -> None:
        """Write the data words, from the first on."""
        data = b"".join(word.to_bytes(4, "little") for word in words)
        self._uc.mem_write(DATA_BASE, data)

    def read_words(self, count: int) -> tuple[int, ...]:
        """Read the first data words."""
        data = bytes(self._uc.mem_read(DATA_BASE, 4 * count))
        return struct.unpack(f"<{count}I", data)

    def read_bytes(self, address: int, count: int) -> bytes:
        """Read memory."""
        return bytes(self._uc.mem_read(address, count))

    def set_control(self, cr0: int, cr4: int) -> None:
        """Choose the control registers of the runs that follow."""
        self._uc.context_restore(self._reset)
        self._uc.reg_write(x86.UC_X86_REG_CR0, cr0)
        self._uc.reg_write(x86.UC_X86_REG_CR4, cr4)
        self._reset = self._uc.context_save()

    def run(
        self,
        start: int,
        stop: int,
        registers: Mapping[str, int],
        *,
        cpl: int = 0,
        flags: int = 2,
    ) -> End:
        """Run from one address to another, or to the first exception."""
        uc = self._uc
        uc.context_restore(self._reset)
        self._vector = None
        code, stack, _, _ = _FLAT[cpl]
        user = _FLAT[3][1]
        values = [registers.get(name, 0) for name in reversed(GENERAL)]
        frame = [user, user, *values, start, code, flags]
        esp = USER_STACK_TOP if cpl == USER_CPL else KERNEL_STACK_TOP
        frame += [esp, stack] if cpl else []
        place = _FRAME if cpl else esp - 4 * len(frame)
        uc.mem_write(place, struct.pack(f"<{len(frame)}I", *frame))
        uc.reg_write(x86.UC_X86_REG_ESP, place)
        uc.emu_start(_BOOT, stop)
        return End(
            eip=uc.reg_read(x86.UC_X86_REG_EIP),
            vector=self._vector,
            registers={
                name: uc.reg_read(number) for name, number in _NUMBERS.items()
            },
            flags=uc.reg_read(x86.UC_X86_REG_EFLAGS),
        )
