"""The matrix of sensitive instructions: ring, IOPL, IF, instruction.

Each instruction comes with what it needs to end at the label ``done`` if
nothing stops it. Which exception it ends in otherwise is the answer that
Unicorn and the simulator are compared in.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

RINGS = (0, 1, 3)
CR4_TSD = 0x4
CR4_PCE = 0x100
SYSTEM_CALL = 0x80
CLOSED_GATE = 0x21

HANDLERS = {
    "de": 0,
    "bp": 3,
    "of": 4,
    "ud": 6,
    "np": 11,
    "ss": 12,
    "gp": 13,
    "irq1": CLOSED_GATE,
    "int80": SYSTEM_CALL,
}
"""Handlers whose entry tells the vector; the last is open to CPL 3."""

WITH_CODE = frozenset({"np", "ss", "gp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitive:
    """An instruction with its surroundings.

    ``compared`` names the registers that have to agree afterwards; what the
    processor measures or identifies itself by has none.
    """

    code: str
    compared: tuple[str, ...] = ("eax", "ebx", "ecx", "edx", "esp")
    cr4: int = 0


class Cell(NamedTuple):
    """One place of the matrix."""

    cpl: int
    iopl: int
    interrupts: bool

    @property
    def flags(self) -> int:
        """EFLAGS at the start of the cell."""
        return 0x2 | self.iopl << 12 | self.interrupts << 9


def get_cells() -> Iterator[Cell]:
    """Go through the matrix of one instruction."""
    for cpl in RINGS:
        for iopl in range(4):
            for interrupts in (False, True):
                yield Cell(cpl, iopl, interrupts)


_NOTHING: tuple[str, ...] = ()

INSTRUCTIONS = {
    "cli": Sensitive(code="cli"),
    "sti": Sensitive(code="sti"),
    "hlt": Sensitive(code="hlt"),
    "clts": Sensitive(code="clts"),
    "pushf": Sensitive(code="pushfd\npop eax"),
    "popf all on": Sensitive(code="push 0x3ad7\npopfd\npushfd\npop eax"),
    "popf all off": Sensitive(code="push 0x2\npopfd\npushfd\npop eax"),
    "nop": Sensitive(code="nop"),
    "pause": Sensitive(code="pause"),
    "ud2": Sensitive(code="ud2"),
    "cpuid": Sensitive(code="mov eax, 0\ncpuid", compared=_NOTHING),
    "rdtsc": Sensitive(code="rdtsc", compared=_NOTHING),
    "rdtsc under TSD": Sensitive(code="rdtsc", compared=_NOTHING, cr4=CR4_TSD),
    "rdpmc": Sensitive(code="mov ecx, 0\nrdpmc", compared=_NOTHING),
    "rdpmc under PCE": Sensitive(
        code="mov ecx, 0\nrdpmc", compared=_NOTHING, cr4=CR4_PCE
    ),
    "rdmsr": Sensitive(code="mov ecx, 0x175\nrdmsr", compared=_NOTHING),
    "rdmsr unimplemented": Sensitive(
        code="mov ecx, 0x4321\nrdmsr", compared=_NOTHING
    ),
    "wrmsr": Sensitive(
        code="mov ecx, 0x175\nmov eax, 5\nmov edx, 0\nwrmsr\nmov eax, 0\nrdmsr"
    ),
    "wrmsr unimplemented": Sensitive(
        code="mov ecx, 0x4321\nmov eax, 5\nmov edx, 0\nwrmsr"
    ),
    "int3": Sensitive(code="int3"),
    "into": Sensitive(code="mov eax, 0x7fffffff\nadd eax, 1\ninto"),
    "into without overflow": Sensitive(code="mov eax, 0\nadd eax, 1\ninto"),
    "int 0x80": Sensitive(code=f"int {SYSTEM_CALL}"),
    "int to a closed gate": Sensitive(code=f"int {CLOSED_GATE}"),
    "iret": Sensitive(
        code="push 0x3202\nmov eax, cs\npush eax\npush offset target\n"
        "iretd\nud2\ntarget: pushfd\npop ebx\nmov eax, 0"
    ),
    "mov from cr0": Sensitive(code="mov eax, cr0", compared=_NOTHING),
    "mov to cr0": Sensitive(
        code="mov eax, cr0\nmov cr0, eax", compared=_NOTHING
    ),
    "mov to cr4": Sensitive(code="mov eax, 0x104\nmov cr4, eax\nmov eax, cr4"),
    "mov to cr4, reserved bit": Sensitive(
        code="mov eax, 0x80000000\nmov cr4, eax"
    ),
    "mov from ss": Sensitive(code="mov eax, ss\nand eax, 3"),
    "mov from cs": Sensitive(code="mov eax, cs\nand eax, 3"),
    "sysenter": Sensitive(code="sysenter", compared=_NOTHING),
}
