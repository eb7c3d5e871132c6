"""The tables with which a guest begins."""

import pytest

from app.sim.machine import FLAT, WORD, Machine
from app.sim.memory import load
from app.sim.segments import decode, decode_gate, encode
from app.sim.selectors import read_descriptor
from app.sim.tables import (
    BITMAP_BYTES,
    IO_MAP_BASE,
    NO_BITMAP,
    REGIONS,
    TABLES_STRIDE,
    build_image,
    get_base,
    get_gdtr,
    get_idtr,
    get_ldt,
    get_tss,
)
from tests.sim.guest import build, get_vcpu


def _read(machine: Machine, address: int) -> tuple[int, int]:
    machine, low = load(machine, 0, address)
    _, high = load(machine, 0, address + WORD)
    return low, high


@pytest.mark.parametrize(
    ("selector", "index"), [(0x60, 1), (0x68, 2), (0x7B, 3)]
)
def test_the_gdt_says_what_the_registers_hold(
    selector: int, index: int
) -> None:
    """A reload of a register finds its hidden part in memory."""
    machine = build()
    _, segment = read_descriptor(machine, 0, selector)
    assert segment == FLAT[index]
    assert segment == get_vcpu(machine).segments[index]


def test_the_idt_has_the_handlers() -> None:
    """A gate in memory leads where the handler lies."""
    machine = build(gp="nop", int80="nop")
    base = get_vcpu(machine).idtr.base
    gate = decode_gate(*_read(machine, base + 8 * 13))
    assert gate.address == machine.board.gates[13].address
    assert (gate.selector, gate.access) == (0x60, 0x8E)
    assert decode_gate(*_read(machine, base + 8 * 0x80)).access == 0xEF
    assert _read(machine, base + 8 * 14) == (0, 0)


def test_the_tss_has_the_stack_and_no_open_port() -> None:
    """Its map of ports begins beyond its limit."""
    machine = build()
    vcpu = get_vcpu(machine)
    assert _read(machine, vcpu.tss.base + 4) == (0xC050_0000, 0x68)
    _, offset = load(machine, 0, vcpu.tss.base + IO_MAP_BASE, 2)
    assert offset == NO_BITMAP > vcpu.tss.limit > BITMAP_BYTES
    _, segment = read_descriptor(machine, 0, vcpu.tr)
    assert segment == vcpu.tss


def test_each_processor_has_tables_of_its_own() -> None:
    """They do not overlap, and lie in the region made for them."""
    image = build_image({}, 4)
    (low, high), *_ = REGIONS
    assert all(low <= address < high for address in image)
    ends = [get_base(cpu) for cpu in range(5)]
    for cpu in range(4):
        tss = get_tss(cpu)
        parts = (get_gdtr(cpu), get_idtr(cpu), get_ldt(cpu)[:2], tss[:2])
        starts = [base for base, _ in parts]
        assert starts == sorted(starts)
        assert starts[0] == ends[cpu]
        assert tss.base + tss.limit < ends[cpu + 1]
    assert ends[1] - ends[0] == TABLES_STRIDE
    assert decode(*encode(get_ldt(2))) == get_ldt(2)
