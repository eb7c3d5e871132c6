"""The choices that the RFC leaves open, or that the review asked about.

Each is named, so that an answer can list those that it depends on. The words
that the RFC lacks are policies too: they are declared in `gaps`, have the
value ``unspecified`` until a reading is chosen, and the explorer tries each.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from app.sim.gaps import GAPS, UNSPECIFIED


class Policy(NamedTuple):
    """One choice: its values, the default, what it means and who says so."""

    name: str
    values: tuple[str, ...]
    default: str
    text: str
    source: str

    @property
    def readings(self) -> tuple[str, ...]:
        """The values that settle the question."""
        return tuple(v for v in self.values if v != UNSPECIFIED)


_ALL: Final = (
    Policy(
        name="interrupt_delivery",
        values=("on-enable", "explicit", "asynchronous"),
        default="on-enable",
        text=(
            "When a software hypervisor hands over interrupts that became "
            "pending while the virtual flag was off: inside the call that "
            "enables them; when VMI_DeliverInterrupts, a return or a new "
            "interrupt asks for it; or at some later instruction."
        ),
        source="RFC A / VMI_EnableInterrupts, VMI_DeliverInterrupts",
    ),
    Policy(
        name="nmi",
        values=("not-delivered", "delivered"),
        default="not-delivered",
        text=(
            "Whether a hypervisor passes non-maskable interrupts on to the "
            "guest. The RFC does not; its author later called that a bug."
        ),
        source="RFC 2.11; 4421C9D4.3050806@vmware.com",
    ),
    Policy(
        name="machine_check",
        values=("stop-vm", "ignore", "deliver"),
        default="stop-vm",
        text=(
            "What a hypervisor does with a machine check: stop the virtual "
            "machine, ignore it, or deliver it to the guest."
        ),
        source="RFC 2.11; 4421C9D4.3050806@vmware.com",
    ),
    Policy(
        name="trapped_msr",
        values=("fault", "zero", "pass-through"),
        default="fault",
        text=(
            "What a hypervisor does when RDMSR or WRMSR itself traps for a "
            "register that it does not implement. Hardware raises #GP, and "
            "Linux's safe variants rely on that."
        ),
        source="SDM vol. 2B, RDMSR; patch 17/24",
    ),
    Policy(
        name="tsc",
        values=("pass-through", "offset", "trap"),
        default="pass-through",
        text=(
            "What RDTSC shows: the processor's own counter; the counter "
            "shifted by the hypervisor so that it does not jump (needs "
            "VMX/SVM, else as pass-through); or real time, by a trap."
        ),
        source="RFC A / VMI_RDTSC; SDM vol. 3C, 25.3",
    ),
    Policy(
        name="cpuid_mask",
        values=("on", "off"),
        default="on",
        text=(
            "Whether the hypervisor clears feature bits that it does not "
            "support wherever it controls what CPUID shows."
        ),
        source="RFC A / VMI_CPUID",
    ),
    Policy(
        name="user_rdtsc",
        values=("inject-gp", "emulate"),
        default="inject-gp",
        text=(
            "What a hypervisor does with RDTSC of a user program while the "
            "guest has CR4.TSD set: pass the fault on, or answer itself."
        ),
        source="SDM vol. 2B, RDTSC; 200603222121.34117.ak@suse.de",
    ),
    Policy(
        name="sti_shadow_nmi",
        values=("either", "held", "taken"),
        default="either",
        text=(
            "Whether the instruction after STI also holds off an NMI. "
            "Processors differ, so both are explored."
        ),
        source="SDM vol. 2B, STI",
    ),
    Policy(
        name="translation",
        values=("identity", "rom"),
        default="identity",
        text=(
            "What stands at a call where the hardware virtualizes: the "
            "native instruction left in place, or a jump to the ROM."
        ),
        source="RFC A, inlining; RFC A / CPU control calls",
    ),
    Policy(
        name="deferral",
        values=("queued", "immediate"),
        default="queued",
        text=(
            "What becomes of an update that VMI_SetDeferredMode allows to "
            "wait: it waits in the queue until something flushes that, or it "
            "is carried out at once, as the RFC permits too."
        ),
        source="RFC A / VMI_SetDeferredMode",
    ),
    Policy(
        name="queue_length",
        values=("16", "1", "2", "4", "8"),
        default="16",
        text=(
            "How many calls the fixed buffer of a processor holds. No call "
            "may fail for want of room, so a full buffer is flushed first."
        ),
        source="RFC A / VMI_SetDeferredMode; 441743BD.1070108@vmware.com",
    ),
    Policy(
        name="page_tables",
        values=("shadow", "direct"),
        default="shadow",
        text=(
            "What the processor walks under a hypervisor: tables of the "
            "hypervisor's own, which show what it was told of the guest's; "
            "or the guest's own tables, where an update that is deferred is "
            "not yet made."
        ),
        source="RFC 2.3, 2.10; 441A0806.80308@vmware.com",
    ),
    Policy(
        name="pte_filter",
        values=("published", "none"),
        default="published",
        text=(
            "Which changes of a page-table entry the ROM tells a hypervisor "
            "with shadow tables: those of P, R/W, U/S, D or bit 7 (mask "
            "0xC7), as in the published code, or all."
        ),
        source="441A0806.80308@vmware.com",
    ),
    Policy(
        name="spurious_fault",
        values=("hidden", "delivered"),
        default="hidden",
        text=(
            "What a hypervisor does with a page fault that is over once the "
            "deferred updates are made: run the instruction again, or "
            "deliver the fault, whose handler finds the entry as it wants "
            "it."
        ),
        source="RFC A / VMI_SetDeferredMode",
    ),
    Policy(
        name="kernel_cpl",
        values=("1", "2", "3"),
        default="1",
        text=(
            "The ring in which a software hypervisor runs the guest's "
            "kernel: 1 or 2 by the RFC; 3 where the hypervisor is itself a "
            "program."
        ),
        source="RFC 2.2; DE41DEAE-3CE5-43D8-8784-DDBC58CE2ABB@ira.uka.de",
    ),
    Policy(
        name="user_cli",
        values=("ignored", "fault", "honoured"),
        default="ignored",
        text=(
            "What a software hypervisor does with CLI and STI of a user "
            "program whose virtual IOPL is 3: carry on without an effect, as "
            "its author says; pass the fault on; or change the virtual flag, "
            "which PUSHF and POPF do not show."
        ),
        source="RFC 3, items 6 and 7; 44190D04.4070204@vmware.com",
    ),
    Policy(
        name="descriptor_image",
        values=("kept", "adjusted"),
        default="kept",
        text=(
            "Whether a hypervisor rewrites the guest's descriptor tables in "
            "memory, as it may, so that a descriptor reads with its DPL "
            "raised and its limit shortened."
        ),
        source="RFC A / VMI_SetGDT, VMI_WriteGDTEntry",
    ),
    Policy(
        name="debug_registers",
        values=("supported", "unsupported"),
        default="supported",
        text=(
            "Whether a software hypervisor gives the guest debug registers; "
            "where it does not, VMI_GetDR answers zero."
        ),
        source="RFC A / VMI_SetDR, VMI_GetDR",
    ),
    Policy(
        name="ipi_latency",
        values=("own-at-once", "immediate", "asynchronous"),
        default="own-at-once",
        text=(
            "When an inter-processor interrupt reaches its processor: one "
            "to the sender itself at once and others some time later; all "
            "at once; or all some time later."
        ),
        source="SDM vol. 3A, 10.6; 4418C06D.4050600@vmware.com",
    ),
    Policy(
        name="init",
        values=("succeeds", "fails"),
        default="succeeds",
        text="Whether VMI_Init can set up the hypervisor.",
        source="RFC A / VMI_Init",
    ),
)

_SILENT: Final = tuple(
    Policy(
        name=gap.name,
        values=(UNSPECIFIED, *gap.readings),
        default=UNSPECIFIED,
        text=gap.text,
        source=gap.section,
    )
    for gap in GAPS.values()
)

POLICIES: Final[Mapping[str, Policy]] = MappingProxyType(
    {policy.name: policy for policy in (*_ALL, *_SILENT)}
)
