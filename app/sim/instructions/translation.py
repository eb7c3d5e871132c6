"""The instruction that drops a page from the TLB."""

from app.sim.instructions.access import address_of
from app.sim.instructions.system import require_ring_0
from app.sim.listing import Memory
from app.sim.machine import CpuId, Machine
from app.sim.paging import invalidate_page
from app.sim.registry import instruction


@instruction("invlpg", section="SDM vol. 2A, INVLPG", sensitive="traps")
def invlpg(machine: Machine, cpu: CpuId, page: Memory) -> Machine:
    """Drop what the TLB remembers of the page that contains an address."""
    # CHECKS
    require_ring_0(machine, cpu)
    # OPERATION
    linear = address_of(machine, cpu, page, 1, writes=False)
    return invalidate_page(machine, cpu, linear)
