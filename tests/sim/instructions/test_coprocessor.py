"""FNOP and FWAIT: #NM as long as the coprocessor is another task's."""

import pytest

from app.sim.layout import HANDLER_BASE
from app.sim.machine import update
from tests.sim.guest import build, get_vcpu, step

MP, EM, TS = 0x2, 0x4, 0x8


@pytest.mark.parametrize("cr0", range(0, 16, 2))
def test_device_not_available(cr0: int) -> None:
    """SDM vol. 3A, table 2-2: which bits of CR0 make which of them fault."""
    faults = {
        "fnop": bool(cr0 & (EM | TS)),
        "fwait": bool(cr0 & MP and cr0 & TS),
    }
    for code, expected in faults.items():
        machine = build(f"{code}\nnop", nm="nop")
        machine = step(update(machine, 0, cr0=cr0 | 1))
        assert (get_vcpu(machine).eip == HANDLER_BASE) == expected
