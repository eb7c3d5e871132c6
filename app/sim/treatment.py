"""How a platform treats each sensitive instruction of a guest kernel."""

from enum import StrEnum
from types import MappingProxyType
from typing import Final

from app.sim.machine import VCpu
from app.sim.platforms import Platform
from app.sim.registry import INSTRUCTIONS, InstructionSpec


class Treatment(StrEnum):
    """What becomes of an instruction where the kernel executes it."""

    as_is = "as-is"
    taken = "taken"
    traps = "traps"
    silent = "silent"
    reveals = "reveals"
    may_fault = "may-fault"


TREATMENTS: Final = MappingProxyType(
    {
        Treatment.as_is: "does what it does on bare hardware",
        Treatment.taken: "leaves the guest and is done by the hypervisor",
        Treatment.traps: "faults outside CPL 0, and the hypervisor does it",
        Treatment.silent: "does something else, without a sign",
        Treatment.reveals: "shows the machine beneath",
        Treatment.may_fault: "faults where the guest does not expect it",
    }
)

_PARAVIRTUAL: Final = VCpu(paravirtual=1)


def get_treatment(platform: Platform, spec: InstructionSpec) -> Treatment:
    """Answer how a platform treats an instruction of its guest's kernel."""
    if platform.has_hypervisor and platform.intercepts(spec):
        return Treatment.taken
    if spec.sensitive is None or not platform.is_virtual(_PARAVIRTUAL):
        return Treatment.as_is
    return Treatment(spec.sensitive)


def list_sensitive() -> tuple[InstructionSpec, ...]:
    """List the instructions that some hypervisor has to look after."""
    return tuple(s for s in INSTRUCTIONS.values() if s.sensitive is not None)
