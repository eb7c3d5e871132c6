"""Core interface calls."""

from typing import Final

from app.sim.entry import settle_privilege, take_over
from app.sim.machine import CpuId, Machine, set_vcpu
from app.sim.registry import Eax, call

SUCCESS: Final = 0
FAILURE: Final = 0xFFFF_FFFF


@call("VMI_Init", number=4, section="A.core")
def init(machine: Machine, cpu: CpuId) -> tuple[Machine, Eax]:
    """Set up the hypervisor and enter paravirtual mode.

    From here on the kernel no longer runs at hardware privilege 0 (on a
    processor with VMX or SVM it keeps a CPL 0 of its own). The printed
    prototype returns void although a result is defined in EAX. The tables
    are those that the guest has loaded by then.

    Returns
    -------
    status : EAX
        0 if the switch worked, -1 if the environment could not be set up.
        A guest with native versions of the calls then goes on natively.

    Raises
    ------
    Unspecified
        If a live segment register cannot be loaded under the hypervisor.
    GuestFault
        If that is the reading of it, or if it is CS or SS.
    NotModelled
        If a live segment expands down or has 16 bits.

    RFC Appendix A / Core interface calls
    """
    # CHECKS
    host = machine.board.host
    if host.choose("init") == "fails":
        return machine, FAILURE
    # OPERATION
    vcpu = machine.vcpus[cpu].replace(paravirtual=1)
    machine = set_vcpu(machine, cpu, settle_privilege(vcpu, host, user=False))
    machine = take_over(machine, cpu)
    # RESULT
    return machine, SUCCESS
