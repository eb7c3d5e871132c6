"""How instructions, calls and events are carried out on bare hardware.

A platform is the host of a run. `Platform` behaves as bare hardware does, and
`Native` is just that; what a hypervisor takes over is in `hypervisors`. What
the RFC leaves open is asked of the policies, and each question is noted, so
that a report can say on which policies it depends.
"""
# ruff: noqa: ARG002 - hooks have one silhouette, whatever a platform uses

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Final, NamedTuple

from app.sim.arrivals import arrive
from app.sim.debug import note_fault, take_trap, watch
from app.sim.entry import deliver_exception
from app.sim.errors import GuestFault, NotModelled
from app.sim.listing import Statement, Target
from app.sim.machine import (
    NO_SHADOW,
    RF,
    TF,
    Code,
    CpuId,
    Machine,
    VCpu,
    set_vcpu,
    update,
)
from app.sim.memory import drop_dead_words, pop, require_code
from app.sim.policies import POLICIES
from app.sim.registry import (
    CALLS,
    CallSpec,
    InstructionSpec,
    get_instruction,
    perform_call,
)
from app.sim.rom import IN_ROM, NAMES
from app.sim.segments import is_user
from app.sim.timekeeping import advance
from app.sim.vectors import DB, GP

TSC_MSR: Final = 0x10

INSTRUCTION: Final = "instruction"
TRAP: Final = "trap"
ROM: Final = "rom"
HYPERCALL: Final = "hypercall"
DELIVERY: Final = "delivery"
ARRIVAL: Final = "arrival"
WAYS: Final[Mapping[str, str]] = MappingProxyType(
    {
        INSTRUCTION: "the processor executes an instruction of the guest",
        TRAP: "an instruction is taken from the guest by the hypervisor",
        ROM: "a call ends in the ROM, without entering the hypervisor",
        HYPERCALL: "a call enters the hypervisor",
        DELIVERY: "an interrupt or exception enters its handler",
        ARRIVAL: "an event comes from outside",
    }
)
"""How a step was carried out, and what that means."""

Leaf = tuple[int, int, int, int]


class Step(NamedTuple):
    """The machine after a step, and how the step was carried out.

    ``way`` is one of `WAYS`; a step that ends in a fault of the guest is a
    delivery.
    """

    machine: Machine
    clause: str
    lane: str
    way: str
    fault: GuestFault | None = None


class Platform:
    """Bare hardware, and the common part of all platforms.

    Parameters
    ----------
    policies
        Values that differ from the platform's defaults.
    dropped
        Calls that the interface does not have here.
    """

    name: str = "native"
    title: str = "Native hardware"
    text: str = ""
    defaults: ClassVar[Mapping[str, str]] = {}
    has_hypervisor: bool = False

    def __init__(
        self,
        policies: Mapping[str, str] | None = None,
        dropped: frozenset[str] = frozenset(),
    ) -> None:
        self.policies: Final = {
            **{policy.name: policy.default for policy in POLICIES.values()},
            **self.defaults,
            **(policies or {}),
        }
        self.consulted: Final[set[str]] = set()
        self.dropped: Final = dropped
        self.fallen: Final[set[str]] = set()

    def choose(self, policy: str) -> str:
        """Answer the value of a policy, and note that it was asked for."""
        self.consulted.add(policy)
        return self.policies[policy]

    # ------------------------------------------------- what a run may ask

    def is_virtual(self, vcpu: VCpu) -> bool:
        """Whether the guest kernel runs outside CPL 0, its IF virtual."""
        return False

    def get_kernel_cpl(self, vcpu: VCpu) -> int:
        """Answer the ring in which the guest kernel runs."""
        return int(self.policies["kernel_cpl"]) if self.is_virtual(vcpu) else 0

    def uses_rom(self, vcpu: VCpu, spec: CallSpec) -> bool:
        """Whether a call goes to the ROM, not to native code in its place.

        VMI_Init always does, as does what no one instruction stands for: the
        guest's own ROM answers it where no hypervisor is (RFC 2.7).
        """
        return spec.group == "core" or spec.built_in

    def get_cpuid(self, machine: Machine, cpu: CpuId, leaf: int) -> Leaf:
        """Answer what the instruction CPUID shows."""
        return machine.board.cpuid.get(leaf, (0, 0, 0, 0))

    def get_masked_cpuid(
        self,
        machine: Machine,
        cpu: CpuId,
        leaf: int,
    ) -> Leaf:
        """Answer what the hypervisor lets the guest see."""
        a, b, c, d = machine.board.cpuid.get(leaf, (0, 0, 0, 0))
        if self.choose("cpuid_mask") == "off":
            return a, b, c, d
        clear = machine.board.cpuid_clear.get(leaf, (0, 0, 0, 0))
        return a & ~clear[0], b & ~clear[1], c & ~clear[2], d & ~clear[3]

    def get_tsc(self, machine: Machine, cpu: CpuId) -> int:
        """Answer what the instruction RDTSC shows."""
        return machine.vcpus[cpu].tsc

    def hides_tsc(self) -> bool:
        """Whether the guest does not see its processor's counter jump."""
        return False

    def get_msr(self, machine: Machine, cpu: CpuId, index: int) -> int:
        """Answer what RDMSR shows."""
        return self.get_real_msr(machine, cpu, index)

    def set_msr(
        self, machine: Machine, cpu: CpuId, index: int, value: int
    ) -> Machine:
        """Carry out WRMSR."""
        return self.set_real_msr(machine, cpu, index, value)

    def get_real_msr(self, machine: Machine, cpu: CpuId, index: int) -> int:
        """Read the processor's own register: SDM vol. 2B, RDMSR."""
        if index == TSC_MSR:
            return self.get_tsc(machine, cpu)
        for number, value in machine.vcpus[cpu].msrs:
            if number == index:
                return value
        raise GuestFault(GP, 0)

    def set_real_msr(
        self, machine: Machine, cpu: CpuId, index: int, value: int
    ) -> Machine:
        """Write the processor's own register: SDM vol. 2D, WRMSR.

        A register that needs a key is written only while the key is there;
        without it the write faults.
        """
        vcpu = machine.vcpus[cpu]
        if index == TSC_MSR:
            return update(machine, cpu, tsc=value)
        msrs = dict(vcpu.msrs)
        register, key = machine.board.keys.get(index, ("eax", vcpu.eax))
        if index not in msrs or getattr(vcpu, register) != key:
            raise GuestFault(GP, 0)
        msrs[index] = value
        return update(machine, cpu, msrs=tuple(msrs.items()))

    def intercepts(self, spec: InstructionSpec) -> bool:
        """Whether an instruction goes to the hypervisor without a fault."""
        return False

    def arrive(self, machine: Machine, event: str) -> list[Machine]:
        """Let an event arrive; more than one answer is a free choice."""
        return arrive(machine, event)

    # -------------------------------------------------------------- a step

    def fetch(self, machine: Machine, cpu: CpuId) -> Code | None:
        """Find the statement at EIP; None for a slot of the ROM."""
        vcpu = machine.vcpus[cpu]
        board = machine.board
        code = board.code.get(vcpu.eip)
        if code is None:
            code = board.native.get(vcpu.eip)
            if code is None and vcpu.eip not in board.slots:
                raise NotModelled(
                    f"execution outside the listings, at {vcpu.eip:#x}"
                )
            return code
        name = get_call_name(code.statement)
        spec = CALLS.get(name) if name else None
        if spec and (not self.uses_rom(vcpu, spec) or self.falls_back(spec)):
            return board.native.get(vcpu.eip, code)
        return code

    def falls_back(self, spec: CallSpec) -> bool:
        """Whether a dropped call leaves native code in its place; noted."""
        if spec.name not in self.dropped or not spec.native:
            return False
        self.fallen.add(spec.name)
        return True

    def step(self, machine: Machine, cpu: CpuId) -> Step:
        """Carry out the instruction or the call at EIP.

        EIP points past it and the shadow of the one before is over when it
        runs; a fault undoes what it did and enters the handler.
        """
        vcpu = machine.vcpus[cpu]
        code = self.fetch(machine, cpu)
        following = vcpu.eip if code is None else code.following
        started = set_vcpu(
            machine, cpu, vcpu.replace(eip=following, shadow=NO_SHADOW)
        )
        watched = vcpu.dr or vcpu.flags & (TF | RF)
        try:
            if watched:
                started = watch(machine, started, cpu)
            if machine.board.paging:
                started = require_code(started, cpu, vcpu.eip)
            step = self._carry_out(started, cpu, code)
            if watched:
                step = self._take_trap(step, cpu, vcpu, code)
        except GuestFault as fault:
            undone = update(machine, cpu, shadow=NO_SHADOW)
            if fault.vector == DB:
                undone = note_fault(undone, cpu)
            step = Step(
                deliver_exception(undone, cpu, fault),
                self._get_clause(machine, cpu),
                "hardware",
                DELIVERY,
                fault,
            )
        after = drop_dead_words(step.machine, cpu)
        if machine.board.cycles_per_step:
            after = advance(after, machine.board.cycles_per_step)
        return step._replace(machine=after)

    def _take_trap(
        self, step: Step, cpu: CpuId, before: VCpu, code: Code | None
    ) -> Step:
        """Let #DB follow a step that was single or met a breakpoint."""
        mnemonic = "" if code is None else code.statement.mnemonic
        machine, trapped = take_trap(step.machine, cpu, before, mnemonic)
        if trapped:
            machine = update(machine, cpu, halted=0)
            machine = deliver_exception(machine, cpu, GuestFault(DB))
        return step._replace(machine=machine)

    def _carry_out(
        self, machine: Machine, cpu: CpuId, code: Code | None
    ) -> Step:
        """Carry out what was fetched; no statement is a slot of the ROM."""
        if code is None:
            number = machine.board.slots[machine.vcpus[cpu].eip]
            machine, address = pop(machine, cpu)
            machine = update(machine, cpu, eip=address)
            name = NAMES.get(number, f"call {number}")
            return self._call(machine, cpu, name)
        name_of_call = get_call_name(code.statement)
        if name_of_call:
            return self._call(machine, cpu, name_of_call)
        spec = get_instruction(code.statement)
        return self._execute(machine, cpu, spec, code.statement)

    def _call(self, machine: Machine, cpu: CpuId, name: str) -> Step:
        """Carry out a call through the ROM."""
        spec = CALLS.get(name)
        if spec is None:
            raise NotModelled(f"the code of {name}")
        vcpu = machine.vcpus[cpu]
        own = spec.group == "core" or spec.built_in
        if not vcpu.paravirtual and not own:
            raise NotModelled(f"{name} without a hypervisor")
        if is_user(vcpu):
            raise NotModelled(f"{name} from user code")
        lane = "hypervisor" if self.has_hypervisor else "kernel"
        stays = not self.has_hypervisor or name in IN_ROM
        after = perform_call(machine, cpu, spec)
        return Step(after, spec.clause, lane, ROM if stays else HYPERCALL)

    def _execute(
        self,
        machine: Machine,
        cpu: CpuId,
        spec: InstructionSpec,
        statement: Statement,
    ) -> Step:
        """Carry out an instruction as the processor does."""
        user = is_user(machine.vcpus[cpu])
        return Step(
            spec.function(machine, cpu, *statement.operands),
            spec.clause,
            "user" if user else "kernel",
            TRAP if self.intercepts(spec) else INSTRUCTION,
        )

    def _get_clause(self, machine: Machine, cpu: CpuId) -> str:
        """Name the clause of the instruction or call at EIP."""
        code = self.fetch(machine, cpu)
        if code is None:
            name = NAMES[machine.board.slots[machine.vcpus[cpu].eip]]
            return CALLS[name].clause
        name_of_call = get_call_name(code.statement)
        if name_of_call:
            return CALLS[name_of_call].clause
        return get_instruction(code.statement).clause


class Native(Platform):
    """No hypervisor."""

    text = (
        "No hypervisor: the kernel runs at CPL 0. At each call the native "
        "instructions have been left in place, as transparent "
        "paravirtualization does it, and VMI_Init answers that there is no "
        "hypervisor."
    )
    defaults = MappingProxyType({"init": "fails"})


def get_call_name(statement: Statement) -> str | None:
    """Name the VMI call that a statement makes, if it makes one."""
    for operand in statement.operands:
        if isinstance(operand, Target) and operand.address is None:
            return operand.name
    return None
