"""Ports: IN, OUT and their string forms, and who may use which port.

A processor lets code use a port if CPL <= IOPL or if the map in the TSS has
a clear bit for each byte of the access (SDM vol. 1, 18.5). Where a hypervisor
runs the kernel outside CPL 0, its own TSS has no such map: every access
faults, and the hypervisor decides by the virtual IOPL (RFC 3, item 7).
"""

from typing import Final

from app.sim import devices as bus
from app.sim.errors import GuestFault, NotModelled
from app.sim.gaps import choose_or_raise
from app.sim.instructions.access import compute_mask, get_size, read, write
from app.sim.instructions.strings import advance_index, define_repeat
from app.sim.listing import Immediate, Operand, Register
from app.sim.machine import (
    IOPL,
    IOPL_SHIFT,
    USER_CPL,
    CpuId,
    Machine,
    get_register,
    set_register,
)
from app.sim.memory import load_system
from app.sim.registry import instruction
from app.sim.timekeeping import get_ticks
from app.sim.vectors import GP

NAMES: Final = frozenset({"in", "out", "ins", "outs", "rep ins", "rep outs"})
"""The instructions that use ports."""

_MAP_BASE: Final = 0x66
_MAP_BYTES: Final = 2
_BITS: Final = 8


# ------------------------------------------------------------- permission


def require_port(
    machine: Machine, cpu: CpuId, port: int, size: int
) -> Machine:
    """Raise #GP unless the code that runs may use a port."""
    vcpu = machine.vcpus[cpu]
    if vcpu.cpl <= (vcpu.flags & IOPL) >> IOPL_SHIFT:
        return machine
    if machine.board.host.is_virtual(vcpu):
        raise GuestFault(GP, 0)
    machine, permitted = is_in_map(machine, cpu, port, size)
    if not permitted:
        raise GuestFault(GP, 0)
    return machine


def is_in_map(
    machine: Machine, cpu: CpuId, port: int, size: int
) -> tuple[Machine, bool]:
    """Whether the map in the TSS permits all bytes of an access."""
    tss = machine.vcpus[cpu].tss
    if tss.limit < _MAP_BASE + _MAP_BYTES - 1:
        return machine, False
    machine, base = load_system(machine, cpu, tss.base + _MAP_BASE, _MAP_BYTES)
    place = base + port // _BITS
    if place + 1 > tss.limit:
        return machine, False
    machine, bits = load_system(machine, cpu, tss.base + place, _MAP_BYTES)
    wanted = (1 << size) - 1 << port % _BITS
    return machine, not bits & wanted


def is_granted(
    machine: Machine, cpu: CpuId, operands: tuple[Operand, ...]
) -> bool:
    """Whether a hypervisor carries out a port instruction of user code."""
    if machine.vcpus[cpu].virtual_iopl == USER_CPL:
        return True
    port, size = _find_access(machine, cpu, operands)
    _, permitted = is_in_map(machine, cpu, port, size)
    return permitted and choose_or_raise(machine, "io_bitmap") == "honoured"


def _find_access(
    machine: Machine, cpu: CpuId, operands: tuple[Operand, ...]
) -> tuple[int, int]:
    """Find port and size: the port is DX or a number, the other has a size."""
    first, second = operands
    if isinstance(first, Immediate) or first == Register("dx"):
        first, second = second, first
    return _get_port(machine, cpu, second), get_size(first)


def _get_port(machine: Machine, cpu: CpuId, operand: Operand) -> int:
    """Read the number of a port."""
    if isinstance(operand, Immediate):
        return operand.value
    return get_register(machine, cpu, "dx")


# ----------------------------------------------------------------- devices


def read_port(machine: Machine, port: int, size: int) -> tuple[Machine, int]:
    """Read a port of the machine's devices."""
    if machine.devices is None:
        _require_nobody(port, size)
        return machine, compute_mask(size)
    devices, value = bus.read_port(
        machine.devices, port, size, get_ticks(machine)
    )
    return machine.replace(devices=devices), value


def write_port(machine: Machine, port: int, size: int, value: int) -> Machine:
    """Write to a port of the machine's devices."""
    if machine.devices is None:
        _require_nobody(port, size)
        return machine
    devices = bus.write_port(
        machine.devices, port, size, value, get_ticks(machine)
    )
    return machine.replace(devices=devices)


def _require_nobody(port: int, size: int) -> None:
    """Raise that a device is missing, if a port is one of a device."""
    if any(place in bus.PORTS for place in range(port, port + size)):
        raise NotModelled(
            f"the device at port {port:#x} where [start] has no "
            '"devices = true"'
        )


# ------------------------------------------------------------ instructions


@instruction("in", section="SDM vol. 2A, IN", sensitive="traps")
def in_(
    machine: Machine, cpu: CpuId, destination: Operand, port: Operand
) -> Machine:
    """Read a port to AL, AX or EAX."""
    # CHECKS
    assert isinstance(destination, Register)  # noqa: S101 - the parser's
    number, size = _get_port(machine, cpu, port), get_size(destination)
    machine = require_port(machine, cpu, number, size)
    # OPERATION
    machine, value = read_port(machine, number, size)
    return set_register(machine, cpu, destination.name, value)


@instruction("out", section="SDM vol. 2B, OUT", sensitive="traps")
def out(
    machine: Machine, cpu: CpuId, port: Operand, source: Operand
) -> Machine:
    """Write AL, AX or EAX to a port."""
    # CHECKS
    assert isinstance(source, Register)  # noqa: S101 - the parser's word
    number, size = _get_port(machine, cpu, port), get_size(source)
    machine = require_port(machine, cpu, number, size)
    # OPERATION
    value = get_register(machine, cpu, source.name)
    return write_port(machine, number, size, value)


@instruction("ins", section="SDM vol. 2A, INS", sensitive="traps")
def ins(
    machine: Machine, cpu: CpuId, destination: Operand, port: Operand
) -> Machine:
    """Read a port to memory at ES:EDI and move EDI on."""
    # CHECKS
    number, size = _get_port(machine, cpu, port), get_size(destination)
    machine = require_port(machine, cpu, number, size)
    # OPERATION
    machine, value = read_port(machine, number, size)
    machine = write(machine, cpu, destination, value)
    return advance_index(machine, cpu, "edi", size)


@instruction("outs", section="SDM vol. 2B, OUTS", sensitive="traps")
def outs(
    machine: Machine, cpu: CpuId, port: Operand, source: Operand
) -> Machine:
    """Write the element at ESI to a port and move ESI on."""
    # CHECKS
    number, size = _get_port(machine, cpu, port), get_size(source)
    machine = require_port(machine, cpu, number, size)
    # OPERATION
    machine, value = read(machine, cpu, source, size)
    machine = write_port(machine, number, size, value)
    return advance_index(machine, cpu, "esi", size)


for _name in ("ins", "outs"):
    define_repeat("rep", _name)
