"""Core interface calls."""

from typing import Final

from app.sim.entry import settle_privilege
from app.sim.machine import CpuId, Machine, set_vcpu
from app.sim.registry import Eax, call

SUCCESS: Final = 0
FAILURE: Final = 0xFFFF_FFFF


@call("VMI_Init", number=4, section="A.core")
def init(machine: Machine, cpu: CpuId) -> tuple[Machine, Eax]:
    """Set up the hypervisor and enter paravirtual mode.

    From here on the kernel no longer runs at hardware privilege 0 (on a
    processor with VMX or SVM it keeps a CPL 0 of its own). The printed
    prototype returns void although a result is defined in EAX.

    Returns
    -------
    status : EAX
        0 if the switch worked, -1 if the environment could not be set up.
        A guest with native versions of the calls then goes on natively.

    RFC Appendix A / Core interface calls
    """
    # CHECKS
    host = machine.board.host
    if host.choose("init") == "fails":
        return machine, FAILURE
    # OPERATION
    vcpu = machine.vcpus[cpu].replace(paravirtual=1)
    machine = set_vcpu(machine, cpu, settle_privilege(vcpu, host, user=False))
    # RESULT
    return machine, SUCCESS
