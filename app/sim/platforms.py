"""How instructions, calls and events are carried out, platform by platform.

A platform is the host of a run. `Platform` behaves as bare hardware does;
`Native` is just that; `Software` and `Hardware` override what a hypervisor
without and with VMX/SVM takes over. What the RFC leaves open is asked of the
policies, and each question is noted, so that a report can say on which
policies it depends.
"""
# ruff: noqa: ARG002 - hooks have one silhouette, whatever a platform uses

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Final, NamedTuple

from app.sim.arrivals import arrive
from app.sim.entry import deliver_exception
from app.sim.errors import GuestFault, NotModelled
from app.sim.listing import Statement, Target
from app.sim.machine import (
    IF,
    IOPL,
    NO_SHADOW,
    USER_CPL,
    Code,
    CpuId,
    Machine,
    VCpu,
    set_vcpu,
    update,
)
from app.sim.memory import drop_dead_words, pop
from app.sim.policies import POLICIES
from app.sim.registry import (
    CALLS,
    CallSpec,
    InstructionSpec,
    get_instruction,
    perform_call,
)
from app.sim.rom import IN_ROM, NAMES, get_slot
from app.sim.timekeeping import advance
from app.sim.vectors import GP

KERNEL_CPL: Final = 1
"""The ring in which a software hypervisor runs the guest kernel."""

TSC_MSR: Final = 0x10

INTERCEPTED: Final = frozenset({"cpuid", "invd", "hlt", "rdmsr", "wrmsr"})
"""What VMX/SVM takes from the guest here, besides RDTSC by choice."""

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
        return KERNEL_CPL if self.is_virtual(vcpu) else 0

    def uses_rom(self, vcpu: VCpu, spec: CallSpec) -> bool:
        """Whether a call goes to the ROM, not to native code in its place.

        VMI_Init always does: the guest's own ROM answers it where no
        hypervisor is (RFC 2.7).
        """
        return spec.group == "core"

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
            if code is None and not get_slot(vcpu.eip):
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
        try:
            step = self._carry_out(started, cpu, code)
        except GuestFault as fault:
            undone = update(machine, cpu, shadow=NO_SHADOW)
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

    def _carry_out(
        self, machine: Machine, cpu: CpuId, code: Code | None
    ) -> Step:
        """Carry out what was fetched; no statement is a slot of the ROM."""
        if code is None:
            number = get_slot(machine.vcpus[cpu].eip)
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
        if not vcpu.paravirtual and spec.group != "core":
            raise NotModelled(f"{name} without a hypervisor")
        if vcpu.cpl == USER_CPL:
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
        user = machine.vcpus[cpu].cpl == USER_CPL
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
            name = NAMES[get_slot(machine.vcpus[cpu].eip)]
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


class _Virtual(Platform):
    """What a hypervisor takes over, with or without VMX/SVM."""

    has_hypervisor = True

    def get_msr(self, machine: Machine, cpu: CpuId, index: int) -> int:
        """Answer a trapped RDMSR."""
        treatment = self._treat(machine, index)
        if treatment == "zero":
            return 0
        return self.get_real_msr(machine, cpu, index)

    def set_msr(
        self, machine: Machine, cpu: CpuId, index: int, value: int
    ) -> Machine:
        """Carry out a trapped WRMSR."""
        treatment = self._treat(machine, index)
        if treatment == "zero":
            return machine
        return self.set_real_msr(machine, cpu, index, value)

    def _treat(self, machine: Machine, index: int) -> str:
        """Answer how a trapped access to a register is treated."""
        if index == TSC_MSR or index in machine.board.hypervisor_msrs:
            return "pass-through"
        treatment = self.choose("trapped_msr")
        if treatment == "fault":
            raise GuestFault(GP, 0)
        return treatment

    def _execute(
        self,
        machine: Machine,
        cpu: CpuId,
        spec: InstructionSpec,
        statement: Statement,
    ) -> Step:
        """Carry out an instruction; some faults are the hypervisor's."""
        try:
            return super()._execute(machine, cpu, spec, statement)
        except GuestFault as fault:
            if fault.vector != GP or not self._emulates(machine, cpu, spec):
                raise
        return Step(
            self._emulate(machine, cpu, spec, statement),
            spec.clause,
            "hypervisor",
            TRAP,
        )

    def _emulates(
        self, machine: Machine, cpu: CpuId, spec: InstructionSpec
    ) -> bool:
        """Whether the hypervisor answers a #GP of this instruction itself."""
        vcpu = machine.vcpus[cpu]
        if vcpu.cpl == USER_CPL:
            return (
                spec.name == "rdtsc" and self.choose("user_rdtsc") == "emulate"
            )
        return self.is_virtual(vcpu) and spec.sensitive == "traps"

    def _emulate(
        self,
        machine: Machine,
        cpu: CpuId,
        spec: InstructionSpec,
        statement: Statement,
    ) -> Machine:
        """Carry out an instruction on the virtual processor.

        The guest's processor is at CPL 0 with its virtual flag as IF, and
        does there what the SDM says; then the result is put back under the
        hypervisor's ring and flag.
        """
        before = machine.vcpus[cpu]
        virtual = self.is_virtual(before)
        flag = IF if before.virtual_if else 0
        flags = before.flags & ~IF | flag if virtual else before.flags
        seen = update(machine, cpu, cpl=0, flags=flags)
        after = spec.function(seen, cpu, *statement.operands)
        vcpu = after.vcpus[cpu]
        left = vcpu.cpl == USER_CPL
        cpl = USER_CPL if left else before.cpl
        if not virtual:
            return update(after, cpu, cpl=cpl)
        return update(
            after,
            cpu,
            cpl=cpl,
            virtual_if=int(bool(vcpu.flags & IF)),
            flags=vcpu.flags & ~IOPL | IF,
        )


class Software(_Virtual):
    """A hypervisor on a processor without VMX/SVM."""

    name = "software"
    title = "Software hypervisor"
    text = (
        "A processor without VMX or SVM: from VMI_Init on the guest kernel "
        "runs at CPL 1, user code at CPL 3. Calls go to the ROM. Privileged "
        "instructions fault and the hypervisor carries them out; those of "
        "appendix C do not fault and misbehave in silence. The hardware "
        "interrupt flag stays on, and the guest has a virtual one."
    )

    def is_virtual(self, vcpu: VCpu) -> bool:
        """From VMI_Init on the guest kernel runs at CPL 1."""
        return bool(vcpu.paravirtual)

    def uses_rom(self, vcpu: VCpu, spec: CallSpec) -> bool:
        """From VMI_Init on all calls go to the ROM."""
        return bool(vcpu.paravirtual) or super().uses_rom(vcpu, spec)

    def get_tsc(self, machine: Machine, cpu: CpuId) -> int:
        """RDTSC shows the processor's counter unless it is made to trap."""
        if self.hides_tsc():
            return machine.real
        return machine.vcpus[cpu].tsc

    def intercepts(self, spec: InstructionSpec) -> bool:
        """RDTSC is made to trap where the counter must not be seen."""
        return spec.name == "rdtsc" and self.policies["tsc"] == "trap"

    def hides_tsc(self) -> bool:
        """Without VMX or SVM the counter can be trapped, not shifted."""
        return self.choose("tsc") == "trap"


class Hardware(_Virtual):
    """A hypervisor that uses VMX or SVM."""

    name = "hardware"
    title = "Hardware virtualization"
    text = (
        "A processor with VMX or SVM: the guest kernel runs at a CPL 0 of "
        "its own with its own interrupt flag and STI shadow. CPUID, RDMSR, "
        "WRMSR and, by choice, RDTSC are intercepted, for user code too. "
        "Calls with a native equivalent are left native by default."
    )

    def uses_rom(self, vcpu: VCpu, spec: CallSpec) -> bool:
        """Use the ROM where native code is not left in place."""
        if super().uses_rom(vcpu, spec):
            return True
        if not vcpu.paravirtual:
            return False
        return not spec.native or self.choose("translation") == "rom"

    def intercepts(self, spec: InstructionSpec) -> bool:
        """Answer what leaves the guest: SDM vol. 3C, 25.1.2 and 25.1.3."""
        if spec.name == "rdtsc":
            return self.policies["tsc"] == "trap"
        return spec.name in INTERCEPTED

    def get_cpuid(self, machine: Machine, cpu: CpuId, leaf: int) -> Leaf:
        """CPUID is intercepted at every privilege."""
        return self.get_masked_cpuid(machine, cpu, leaf)

    def get_tsc(self, machine: Machine, cpu: CpuId) -> int:
        """RDTSC shows the counter with its offset, or is intercepted."""
        if self.choose("tsc") == "trap":
            return machine.real
        return machine.vcpus[cpu].tsc

    def hides_tsc(self) -> bool:
        """With VMX or SVM the counter can be trapped or shifted."""
        return self.choose("tsc") != "pass-through"


def get_call_name(statement: Statement) -> str | None:
    """Name the VMI call that a statement makes, if it makes one."""
    for operand in statement.operands:
        if isinstance(operand, Target) and operand.address is None:
            return operand.name
    return None


PLATFORMS: Final[Mapping[str, Platform]] = MappingProxyType(
    {
        "native": Native(),
        "software": Software(),
        "hardware": Hardware(),
    }
)


def build_platform(
    name: str,
    policies: Mapping[str, str],
    dropped: frozenset[str] = frozenset(),
) -> Platform:
    """Build a platform for one run, which notes what is asked of it."""
    return type(PLATFORMS[name])(policies, dropped)
