"""What a hypervisor takes over, with and without help by the processor.

Each overrides what differs from bare hardware, and no more.
"""

from typing import Final

from app.sim.bare import TRAP, TSC_MSR, Leaf, Platform, Step
from app.sim.errors import GuestFault
from app.sim.instructions import ports
from app.sim.listing import Statement
from app.sim.machine import IF, IOPL, USER_CPL, CpuId, Machine, VCpu, update
from app.sim.registry import CallSpec, InstructionSpec
from app.sim.segments import is_user
from app.sim.vectors import GP

INTERCEPTED: Final = ports.NAMES | {"cpuid", "invd", "hlt", "rdmsr", "wrmsr"}
"""What VMX/SVM takes from the guest here, besides RDTSC by choice."""

FLAG_NAMES: Final = frozenset({"cli", "sti"})
"""What changes the interrupt flag and traps where IOPL is too low."""


class Virtual(Platform):
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
            if fault.vector != GP or not self._emulates(
                machine, cpu, spec, statement
            ):
                raise
        return Step(
            self._emulate(machine, cpu, spec, statement),
            spec.clause,
            "hypervisor",
            TRAP,
        )

    def _emulates(
        self,
        machine: Machine,
        cpu: CpuId,
        spec: InstructionSpec,
        statement: Statement,
    ) -> bool:
        """Whether the hypervisor answers a #GP of this instruction itself."""
        vcpu = machine.vcpus[cpu]
        virtual = self.is_virtual(vcpu)
        if virtual and is_user(vcpu) and spec.name in ports.NAMES:
            return ports.is_granted(machine, cpu, statement.operands)
        if virtual and is_user(vcpu) and spec.name in FLAG_NAMES:
            return (
                vcpu.virtual_iopl == USER_CPL
                and self.choose("user_cli") != "fault"
            )
        if is_user(vcpu):
            return (
                spec.name == "rdtsc" and self.choose("user_rdtsc") == "emulate"
            )
        return virtual and spec.sensitive == "traps"

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
        hypervisor's ring and flag. User code that may use a port stays user
        code, with an IOPL that lets it.
        """
        before = machine.vcpus[cpu]
        virtual = self.is_virtual(before)
        if virtual and is_user(before) and spec.name in FLAG_NAMES:
            if self.choose("user_cli") == "ignored":
                return machine
            return update(machine, cpu, virtual_if=int(spec.name == "sti"))
        flag = IF if before.virtual_if else 0
        flags = before.flags & ~IF | flag if virtual else before.flags
        if is_user(before) and spec.name in ports.NAMES:
            seen = update(machine, cpu, flags=flags | IOPL)
        else:
            seen = update(machine, cpu, cpl=0, flags=flags)
        after = spec.function(seen, cpu, *statement.operands)
        vcpu = after.vcpus[cpu]
        left = is_user(vcpu)
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


class Software(Virtual):
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


class OwnRing(Virtual):
    """A hypervisor that lets the guest kernel have a CPL 0 of its own."""

    def uses_rom(self, vcpu: VCpu, spec: CallSpec) -> bool:
        """Use the ROM where native code is not left in place."""
        if super().uses_rom(vcpu, spec):
            return True
        if not vcpu.paravirtual:
            return False
        return not spec.native or self.choose("translation") == "rom"

    def get_cpuid(self, machine: Machine, cpu: CpuId, leaf: int) -> Leaf:
        """CPUID is the hypervisor's at every privilege."""
        return self.get_masked_cpuid(machine, cpu, leaf)

    def get_tsc(self, machine: Machine, cpu: CpuId) -> int:
        """RDTSC shows the counter with its offset, or is intercepted."""
        if self.choose("tsc") == "trap":
            return machine.real
        return machine.vcpus[cpu].tsc

    def hides_tsc(self) -> bool:
        """Whether the counter is trapped or shifted; either is possible."""
        return self.choose("tsc") != "pass-through"


class Hardware(OwnRing):
    """A hypervisor that uses VMX or SVM."""

    name = "hardware"
    title = "Hardware virtualization"
    text = (
        "A processor with VMX or SVM: the guest kernel runs at a CPL 0 of "
        "its own with its own interrupt flag and STI shadow. CPUID, RDMSR, "
        "WRMSR and, by choice, RDTSC are intercepted, for user code too. "
        "Calls with a native equivalent are left native by default."
    )

    def intercepts(self, spec: InstructionSpec) -> bool:
        """Answer what leaves the guest: SDM vol. 3C, 25.1.2 and 25.1.3."""
        if spec.name == "rdtsc":
            return self.policies["tsc"] == "trap"
        return spec.name in INTERCEPTED


class Translator(OwnRing):
    """A full emulator by binary translation."""

    name = "translator"
    title = "Binary translator"
    text = (
        "No guest code runs as it stands: all of it, user code too, is "
        "translated before it runs, so that every instruction acts as on a "
        "processor of the guest's own, also those of appendix C that a "
        "software hypervisor cannot catch. CPUID and MSRs are the "
        "translator's. Calls with a native equivalent are left native by "
        "default."
    )

    def intercepts(self, spec: InstructionSpec) -> bool:
        """Answer what is translated into a call of the translator."""
        if spec.name == "rdtsc":
            return self.policies["tsc"] == "trap"
        return spec.sensitive is not None or spec.name in INTERCEPTED
