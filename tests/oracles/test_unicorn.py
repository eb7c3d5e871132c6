"""Unicorn and the simulator agree on sensitive and on integer instructions.

The sensitive ones go through every ring, IOPL and state of IF; where Unicorn
is known to be wrong, the cell is listed with its reason, and a listed cell in
which the two agree fails the test. Integer code is in `test_programs`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from app.sim import INSTRUCTIONS as SIMULATED
from app.sim.forms import ALIASES
from app.sim.layout import (
    DESCRIPTORS_BASE,
    KERNEL_BASE,
    KERNEL_STACK_TOP,
    USER_BASE,
)
from app.sim.listing import SLOT
from app.sim.machine import USER_CPL
from tests.oracles.binutils import (
    assemble,
    get_slots,
    link,
    mark,
    read_image,
)
from tests.oracles.cells import (
    CR4_PCE,
    CR4_TSD,
    HANDLERS,
    INSTRUCTIONS,
    RINGS,
    WITH_CODE,
    Cell,
    Sensitive,
    get_cells,
)
from tests.oracles.programs import SYSTEM
from tests.oracles.questions import Question, ask

pytest.importorskip(
    "unicorn", reason="unicorn is not installed: pip install unicorn"
)
from tests.oracles.unicorn_core import Core

pytestmark = pytest.mark.oracle

DONE = "done"
GP = "gp"
RING_1_CS = DESCRIPTORS_BASE + 0x90
RING_1_SS = DESCRIPTORS_BASE + 0x98
FLAT_LOW, FLAT_HIGH = 0x0000FFFF, 0x00CF0000
PROTECTED = 0x11
"""CR0 with PE and ET, as Unicorn starts."""


class Wrong(NamedTuple):
    """What the manual says of a cell, where, and what Unicorn does instead."""

    manual: str
    reason: str
    reference: str


_NO_COUNTER = Wrong(
    DONE,
    "it knows no counters and raises #UD",
    "SDM vol. 2B, RDPMC: at CPL 0 always, elsewhere if CR4.PCE is set",
)
_PCE = "its test of CR4.PCE is inverted"
_RDPMC = "SDM vol. 2B, RDPMC: #GP(0) if CPL is not 0 and CR4.PCE is clear"

KNOWN_WRONG: Mapping[str, Mapping[int, Wrong]] = {
    "rdmsr unimplemented": {
        0: Wrong(
            GP,
            "it reads 0",
            "SDM vol. 2B, RDMSR: #GP(0) if ECX names no implemented register",
        )
    },
    "wrmsr unimplemented": {
        0: Wrong(
            GP,
            "it drops the write",
            "SDM vol. 2D, WRMSR: #GP(0) if ECX names no implemented register",
        )
    },
    "rdpmc": {
        0: _NO_COUNTER,
        **dict.fromkeys((1, 3), Wrong(GP, _PCE, _RDPMC)),
    },
    "rdpmc under PCE": {
        0: _NO_COUNTER,
        **dict.fromkeys((1, 3), Wrong(DONE, _PCE, _RDPMC)),
    },
    "int to a closed gate": dict.fromkeys(
        (1, 3),
        Wrong(
            GP,
            "its hook comes before the check of the gate's DPL",
            "SDM vol. 3A, 6.12.1.1: INT n with CPL > DPL of the gate is #GP",
        ),
    ),
    "mov to cr4, reserved bit": {
        0: Wrong(
            GP,
            "reserved bits are accepted",
            "SDM vol. 2B, MOV CRn: #GP(0) on a 1 to a reserved bit of CR4",
        )
    },
    "sysenter": dict.fromkeys(
        RINGS,
        Wrong(
            "entered",
            "it does nothing where no system is emulated",
            "SDM vol. 2B, SYSENTER: CS, EIP, SS and ESP from MSRs 174h-176h",
        ),
    ),
}
"""By instruction and ring, at each IOPL and state of IF; elsewhere Unicorn
is right."""


class Observed(NamedTuple):
    """How Unicorn left a cell: where to, and the state there."""

    where: str
    outcome: str


def _link(directory: Path, text: str) -> tuple[bytes, dict[str, int]]:
    """Make code of a text, at the address of the simulator's kernel."""
    options = [f"-Ttext={KERNEL_BASE:#x}", "-e", "0"]
    linked, labels = link(assemble(directory, text), options, {})
    return read_image(linked), labels


def _observe(
    core: Core,
    labels: Mapping[str, int],
    sensitive: Sensitive,
    cell: Cell,
) -> Observed:
    """Run a cell on Unicorn and write its end as an outcome."""
    end = core.run(
        KERNEL_BASE, labels[DONE], {}, cpl=cell.cpl, flags=cell.flags
    )
    if end.vector is None:
        registers = {name: end.registers[name] for name in sensitive.compared}
        registers |= {
            "hardware_if": end.get_flag("if"),
            "iopl": end.flags >> 12 & 3,
        }
        return Observed(DONE, f"at done and {_describe(registers)}")
    (name,) = (name for name in HANDLERS if HANDLERS[name] == end.vector)
    base = USER_BASE if cell.cpl == USER_CPL else KERNEL_BASE
    base += SLOT * len(_get_preamble(cell))
    saved = get_slots(labels, {"kernel": base})[end.eip]
    return Observed(name, f"at in_{name} and saved == {saved}")


def _describe(values: Mapping[str, int]) -> str:
    """Write a state as an outcome."""
    return " and ".join(f"{name} == {value}" for name, value in values.items())


def _get_preamble(cell: Cell) -> list[str]:
    """Return the statements before the instruction, ring by ring.

    The first is where SYSENTER leads; ring 1 is entered by IRET, with
    descriptors of its own in free places of the GDT.
    """
    if cell.cpl == USER_CPL:
        return []
    lines = ["in_entered: jmp in_entered"]
    if cell.cpl:
        lines += [
            f"begin: mov dword ptr ds:{RING_1_CS}, {FLAT_LOW:#x}",
            f"mov dword ptr ds:{RING_1_CS + 4}, {FLAT_HIGH | 0xBB00:#x}",
            f"mov dword ptr ds:{RING_1_SS}, {FLAT_LOW:#x}",
            f"mov dword ptr ds:{RING_1_SS + 4}, {FLAT_HIGH | 0xB300:#x}",
            f"push {RING_1_SS - DESCRIPTORS_BASE | cell.cpl}",
            f"push {KERNEL_STACK_TOP}",
            f"push {cell.flags}",
            f"push {RING_1_CS - DESCRIPTORS_BASE | cell.cpl}",
            "push offset inner",
            "iretd",
        ]
    return lines


def _build_question(sensitive: Sensitive, cell: Cell) -> Question:
    """Put a cell the way the simulator takes it."""
    user = cell.cpl == USER_CPL
    label = {0: "begin:", 1: "inner:", 3: ""}[cell.cpl]
    body = f"{label} {sensitive.code}\ndone: jmp done\n"
    kernel = "\n".join(_get_preamble(cell)) + "\n" + ("" if user else body)
    code = {"kernel": "in_entered: jmp in_entered\n" if user else kernel}
    code |= {"user": body} if user else {}
    for name in HANDLERS:
        pops = "pop dword ptr [code]\n" if name in WITH_CODE else ""
        pops += "pop dword ptr [saved]\n"
        code[name] = f"{pops}in_{name}: jmp in_{name}\n"
    bits = {CR4_TSD: '["tsd"]', CR4_PCE: '["pce"]'}
    return Question(
        code=code,
        words={"code": 0, "saved": 0},
        start={
            "mode": '"user"' if user else '"kernel"',
            "at": '"user"' if user else '"begin"',
            "interrupts": str(cell.interrupts).lower(),
            "iopl": str(cell.iopl),
            "cr4": bits.get(sensitive.cr4, "[]"),
            "pmcs": "[7]",
            "msrs": f'{{ "0x176" = {{ value = {KERNEL_BASE} }} }}',
        },
    )


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_a_sensitive_instruction_in_every_ring(
    name: str, tmp_path: Path
) -> None:
    """Where a cell is listed, the simulator says what the manual says.

    Everywhere else it says what Unicorn says; a listed cell in which Unicorn
    has come to agree with the manual is stale.
    """
    sensitive = INSTRUCTIONS[name]
    code, labels = _link(
        tmp_path, f"{mark('kernel', sensitive.code)}done: jmp done\n"
    )
    core = Core(code)
    if sensitive.cr4:
        core.set_control(PROTECTED, sensitive.cr4)
    for cell in get_cells():
        observed = _observe(core, labels, sensitive, cell)
        wrong = KNOWN_WRONG.get(name, {}).get(cell.cpl)
        expected = observed.outcome
        if wrong is not None:
            assert observed.where != wrong.manual, f"stale: {cell}"
            at = wrong.manual
            expected = f"at {at}" if at == DONE else f"at in_{at}"
        question = _build_question(sensitive, cell)
        answers = ask(question, {"observed": expected})
        assert answers == {"observed": "always"}, (cell, expected)


@pytest.mark.parametrize(
    ("name", "mnemonic"),
    [
        *((name, name) for name in ("cli", "sti", "hlt", "clts")),
        *((name, name) for name in ("pushf", "cpuid", "rdmsr", "wrmsr")),
        *((name, name) for name in ("iret", "nop", "pause")),
        *(("popf all on", "popf"), ("rdtsc under TSD", "rdtsc")),
        *(("mov from cr0", "mov-cr"), ("mov to cr4", "mov-cr")),
        *(("mov from ss", "mov-seg"), ("mov from cs", "mov-seg")),
    ],
)
def test_a_hypervisor_catches_what_faults_in_ring_1(
    name: str, mnemonic: str, tmp_path: Path
) -> None:
    """RFC appendix C: what does not fault there misbehaves in silence."""
    sensitive = INSTRUCTIONS[name]
    code, labels = _link(
        tmp_path, f"{mark('kernel', sensitive.code)}done: jmp done\n"
    )
    core = Core(code)
    core.set_control(PROTECTED, sensitive.cr4)
    observed = _observe(core, labels, sensitive, Cell(1, 0, True))
    traps = SIMULATED[mnemonic].sensitive == "traps"
    assert traps == (observed.where == GP)


def test_each_system_instruction_is_in_the_matrix() -> None:
    """SYSEXIT alone is left to QEMU: Unicorn does not carry it out."""
    mnemonics = {
        line.rpartition(":")[2].split()[0]
        for sensitive in INSTRUCTIONS.values()
        for line in sensitive.code.splitlines()
    }
    mnemonics = {ALIASES.get(name, name) for name in mnemonics}
    assert SYSTEM - {"sysexit"} <= mnemonics
