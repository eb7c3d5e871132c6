"""Unicorn and the simulator agree on segment loads and far transfers.

Each instruction meets every kind of descriptor with every sort of selector,
at CPL 0 and CPL 3. What Unicorn is known to do otherwise than the manual is
listed with its clause, and a listed cell in which the two agree fails the
test.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from app.sim.errors import NotModelled
from app.sim.layout import (
    DATA_BASE,
    KERNEL_BASE,
    KERNEL_STACK_TOP,
    PAGE_OFFSET,
    USER_BASE,
    USER_STACK_TOP,
)
from app.sim.machine import ZF, Machine, Segment, update
from app.sim.memory import store_system
from app.sim.segments import encode
from app.sim.start import Start
from app.sim.tables import LDT_SELECTOR, build_image, get_gdtr
from tests.oracles.binutils import assemble, link, read_image
from tests.sim.guest import build, get_vcpu, step

unicorn = pytest.importorskip(
    "unicorn", reason="unicorn is not installed: pip install unicorn"
)
x86 = pytest.importorskip("unicorn.x86_const")

pytestmark = pytest.mark.oracle

FAULTS = ("ud", "ts", "np", "ss", "gp")
VECTORS = {6: "ud", 10: "ts", 11: "np", 12: "ss", 13: "gp"}
SELECTORS = ("es", "cs", "ss", "ds", "fs", "gs")
COMPARED = ("eax", "ebx", "esp", *SELECTORS)
ENTRY = 0x30
GDT = get_gdtr(0).base
MEGABYTE = 1 << 20

CODE = {
    **{f"mov {name}": f"mov {name}, eax" for name in ("ds", "es", "fs", "gs")},
    "mov ss": "mov ss, eax",
    "pop es": "push eax\npop es",
    "pop ss": "push eax\npop ss",
    "lfs": "push eax\npush ebx\nlfs ebx, fword ptr [esp]",
    "lss": "push eax\npush ebx\nlss ebx, fword ptr [esp]",
    "lar": "lar ebx, eax",
    "lar of 16 bits": "lar bx, ax",
    "lsl": "lsl ebx, eax",
    "lsl of 16 bits": "lsl bx, ax",
    "verr": "verr ax",
    "verw": "verw ax",
    "arpl": "arpl ax, bx",
    "based load": "mov fs, eax\nmov ebx, dword ptr fs:[4]",
    "based store": "mov fs, eax\nmov dword ptr fs:[4], ebx",
    "limited load": "mov fs, eax\nmov ebx, dword ptr fs:[4]",
    "jmp": "push eax\npush offset done\njmp fword ptr [esp]",
    "call": "push eax\npush offset done\ncall fword ptr [esp]",
    "retf": "mov ecx, esp\npush 0x7b\npush ecx\npush eax\npush offset done\n"
    "retf",
    "iret": "mov ecx, esp\npush 0x7b\npush ecx\npush 2\npush eax\n"
    "push offset done\niretd",
}
"""What is done with the selector in EAX; ``done`` is behind it."""

ACCESS = (
    *(0x91, 0x93, 0xF1, 0xF3, 0xB3, 0x13, 0x73, 0x95, 0x97),
    *(0x99, 0x9B, 0x9D, 0x9F, 0xF9, 0xFB, 0xFD, 0xFF, 0xBF, 0x1B, 0x7F),
    *(0x82, 0x89, 0x8B, 0xE2, 0x02, 0x80, 0x8E),
)
"""Data, code and system descriptors of each privilege and type."""

OWN = (0, 3, 0x34, 0x100, 0x60, 0x61, 0x63, 0x68, 0x6B, 0x73, 0x7B)
"""Selectors of what is there already, or of nothing."""

TAG = 0xC0DE_0001


class Cell(NamedTuple):
    """One case: an instruction, a descriptor, a selector, a ring."""

    name: str
    access: int
    selector: int
    cpl: int


class End(NamedTuple):
    """How it ended: a fault's name or nothing, the state, and ZF."""

    fault: str
    state: Mapping[str, int]
    zero: bool


class Wrong(NamedTuple):
    """What Unicorn does otherwise, and where the manual says so."""

    what: str
    clause: str


def list_cells(name: str) -> Iterator[Cell]:
    """Go through the cells of one instruction."""
    for cpl in (0, 3):
        for access in ACCESS:
            for rpl in (0, 1, 3):
                yield Cell(name, access, ENTRY | rpl, cpl)
        for selector in OWN:
            yield Cell(name, 0x93, selector, cpl)


def get_descriptor(cell: Cell) -> Segment:
    """Build the descriptor of a cell; code and stacks have no base."""
    if cell.name == "limited load":
        return Segment(DATA_BASE, 6, cell.access, 0x4)
    based = cell.name.startswith("based")
    return Segment(DATA_BASE if based else 0, 0xFFFF_FFFF, cell.access, 0xC)


# ------------------------------------------------------------------ unicorn


class Core:
    """A Unicorn core with the tables of the simulator's first processor."""

    def __init__(self, code: bytes) -> None:
        uc = self._uc = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_32)
        uc.mem_map(PAGE_OFFSET, 16 * MEGABYTE)
        uc.mem_map(USER_BASE & -MEGABYTE, MEGABYTE)
        uc.mem_map(USER_STACK_TOP - MEGABYTE // 16, MEGABYTE // 16)
        uc.mem_write(KERNEL_BASE, code)
        for address, word in build_image({}, 1).items():
            self.put(address + PAGE_OFFSET, word)
        self.put(DATA_BASE + 4, TAG)
        uc.reg_write(x86.UC_X86_REG_GDTR, (0, *get_gdtr(0), 0))
        uc.reg_write(x86.UC_X86_REG_CS, 0x60)
        uc.reg_write(x86.UC_X86_REG_SS, 0x68)
        uc.hook_add(unicorn.UC_HOOK_INTR, self._take)
        uc.hook_add(unicorn.UC_HOOK_INSN_INVALID, self._take_invalid)
        self._reset = uc.context_save()
        self._fault = ""

    def put(self, address: int, word: int) -> None:
        """Write a word of memory."""
        self._uc.mem_write(address, word.to_bytes(4, "little"))

    def _take(self, _: object, vector: int, __: object) -> None:
        self._fault = VECTORS.get(vector, str(vector))
        self._uc.emu_stop()

    def _take_invalid(self, _: object, __: object) -> bool:
        self._fault = "ud"
        self._uc.emu_stop()
        return True

    def _read(self, name: str) -> int:
        number = getattr(x86, f"UC_X86_REG_{name.upper()}")
        return int(self._uc.reg_read(number))

    def run(self, labels: Mapping[str, int], cell: Cell) -> End:
        """Run a cell from the boot code of its ring to its end."""
        uc = self._uc
        uc.context_restore(self._reset)
        self._fault = ""
        for place, word in enumerate(encode(get_descriptor(cell))):
            self.put(GDT + ENTRY + 4 * place, word)
        uc.reg_write(x86.UC_X86_REG_ESP, KERNEL_STACK_TOP)
        uc.reg_write(x86.UC_X86_REG_ESI, labels["start"])
        uc.reg_write(x86.UC_X86_REG_EDI, cell.selector)
        try:
            uc.emu_start(labels[f"boot{cell.cpl}"], labels["done"])
        except unicorn.UcError:
            self._fault = "unmapped"
        return End(
            self._fault,
            {name: self._read(name) for name in COMPARED},
            bool(self._read("eflags") & ZF),
        )


BOOT = f"""
boot0:
        mov     eax, 0x7b
        mov     ds, eax
        mov     es, eax
        mov     eax, {LDT_SELECTOR}
        lldt    ax
        push    2
        push    0x60
        push    esi
        mov     eax, edi
        mov     ebx, 1
        mov     edi, 0
        mov     fs, edi
        mov     gs, edi
        iretd
boot3:
        mov     eax, 0x7b
        mov     ds, eax
        mov     es, eax
        mov     eax, {LDT_SELECTOR}
        lldt    ax
        push    0x7b
        push    {USER_STACK_TOP}
        push    2
        push    0x73
        push    esi
        mov     eax, edi
        mov     ebx, 1
        mov     edi, 0
        mov     fs, edi
        mov     gs, edi
        iretd
"""
"""Enters the code at ESI in a ring, with the selector in EAX."""


# ---------------------------------------------------------------- simulator


def simulate(machine: Machine, cell: Cell) -> End | None:
    """Run a cell in the simulator; None if it is not modelled."""
    for place, word in enumerate(encode(get_descriptor(cell))):
        at = GDT + ENTRY + 4 * place
        machine = store_system(machine, 0, at, 4, word)
    machine = update(machine, 0, eax=cell.selector, ebx=1)
    before = machine
    done = get_vcpu(machine).eip + 16 * (CODE[cell.name].count("\n") + 1)
    for _ in range(20):
        vcpu = get_vcpu(machine)
        if vcpu.eip == done:
            return _describe("", machine)
        for name in FAULTS:
            vector = next(v for v, n in VECTORS.items() if n == name)
            if vcpu.eip == machine.board.gates[vector].address:
                return _describe(name, before)
        before = machine
        try:
            machine = step(machine)
        except NotModelled:
            return None
    raise AssertionError(cell)


def _describe(fault: str, machine: Machine) -> End:
    vcpu = get_vcpu(machine)
    state = {name: int(getattr(vcpu, name)) for name in COMPARED}
    return End(fault, state, bool(vcpu.flags & ZF))


def _build(name: str, cpl: int) -> Machine:
    """Build the machine that stands before an instruction."""
    text = f"{CODE[name]}\ndone: jmp done"
    handlers = dict.fromkeys(FAULTS, "nop")
    data = {"zero": 0, "tag": TAG}
    if cpl:
        start = Start(user=True)
        return build(start=start, data=data, handlers=handlers, user=text)
    return build(text, start=Start(), data=data, handlers=handlers)


NO_LIMITS = Wrong("it checks no limits", "SDM vol. 3A, 5.3")
NO_TYPES = Wrong("it writes what is read-only", "SDM vol. 3A, 5.5")
NO_NULL = Wrong("it uses a null selector", "SDM vol. 3A, 5.4.1")


def find_wrong(cell: Cell, expected: End) -> Wrong | None:
    """Say what Unicorn is known to get wrong in a cell.

    It loads registers as the manual says, and then looks at their bases
    alone. A selector that cannot be loaded is a fault in both.
    """
    used = cell.name in {"based load", "based store", "limited load"}
    loaded = expected.state["fs"] == cell.selector
    if expected.fault != "gp" or not used or not loaded:
        return None
    if not cell.selector & ~3:
        return NO_NULL
    if cell.name == "based store" and cell.access & 0x0A != 0x02:
        return NO_TYPES
    return NO_LIMITS


@pytest.mark.parametrize("name", CODE)
def test_segments_as_unicorn_has_them(name: str, tmp_path: Path) -> None:
    """Faults, selectors, results and ZF agree, or the cell is listed."""
    text = f"{BOOT}\nstart: {CODE[name]}\ndone: nop\n"
    options = [f"-Ttext={KERNEL_BASE:#x}", "-e", "0"]
    linked, labels = link(assemble(tmp_path, text), options, {})
    core = Core(read_image(linked))
    machines = {cpl: _build(name, cpl) for cpl in (0, 3)}
    compared = 0
    for cell in list_cells(name):
        expected = simulate(machines[cell.cpl], cell)
        if expected is None:
            continue
        observed = core.run(labels, cell)
        compared += 1
        wrong = find_wrong(cell, expected)
        if wrong is None:
            assert observed == expected, cell
        else:
            assert observed != expected, f"stale: {cell}"
    assert compared > len(OWN)
