"""The words that the RFC lacks: each is declared here, once.

A gap is a case on which the text under review is silent. Semantics that come
to one ask `choose_or_raise` how it is read: as long as nobody has chosen,
they raise `Unspecified`, and the explorer answers with what each reading
leads to. A gap is a policy too, by the same name, whose default is silence.

To add one: a `Gap` below, and ``choose_or_raise(machine, "its_name")`` under
``# CHECKS`` of each call that it concerns.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from app.sim.errors import Unspecified
from app.sim.machine import Machine

UNSPECIFIED: Final = "unspecified"
"""The reading of a gap on which nobody has decided."""


class Gap(NamedTuple):
    """One case on which the RFC is silent.

    Parameters
    ----------
    name
        That of the policy by which a reading is chosen.
    section
        The clause in which the word is missing, such as ``RFC 2.4`` or
        ``RFC Appendix A / MMU calls``.
    case
        What is not said, as a noun phrase that continues the clause.
    text
        What the RFC does say, and what it leaves out.
    calls
        The calls that come to it; none where an event or an instruction
        does.
    readings
        Each reading and the sentence that the RFC would have to contain.
    """

    name: str
    section: str
    case: str
    text: str
    calls: tuple[str, ...]
    readings: Mapping[str, str]

    @property
    def clause(self) -> str:
        """The clause and the case, as an answer names them."""
        return f"{self.section}: {self.case}"


CPU_CONTROL: Final = "RFC Appendix A / CPU control calls"
PRIVILEGE: Final = "RFC Appendix A / Stack / privilege transition calls"
INPUT_OUTPUT: Final = "RFC Appendix A / I/O calls"
TIMER: Final = "RFC Appendix A / Timer calls"

_ALL: Final = (
    Gap(
        name="unimplemented_msr",
        section=CPU_CONTROL,
        case="an unimplemented MSR",
        text=(
            "A hypervisor may implement only part of the model-specific "
            "registers. What an access to one of the others does is not "
            "said, and the calls have no error channel."
        ),
        calls=("VMI_WRMSR", "VMI_RDMSR"),
        readings={
            "fault": "An access to an unimplemented register raises #GP.",
            "zero": (
                "An unimplemented register reads as zero and writes to it "
                "are dropped."
            ),
            "pass-through": (
                "An access to an unimplemented register goes to the "
                "processor's own."
            ),
        },
    ),
    Gap(
        name="msr_key",
        section=CPU_CONTROL,
        case="a key outside EAX, EDX and ECX",
        text=(
            "VMI_WRMSR passes three registers. Some processors write a "
            "register only while a key stands in a fourth; whether that "
            "reaches the processor is not said."
        ),
        calls=("VMI_WRMSR",),
        readings={
            "transported": (
                "All general registers are passed to the processor as they "
                "are at the call."
            ),
            "ignored": (
                "Only EAX, EDX and ECX are passed; a write that needs more "
                "is lost."
            ),
        },
    ),
    Gap(
        name="iret_user_if",
        section=PRIVILEGE,
        case="a return to user space with interrupts disabled",
        text=(
            "The RFC calls such a return invalid and its result undefined. "
            "A task with IOPL 3 does it whenever it is interrupted after "
            "CLI."
        ),
        calls=("VMI_IRET",),
        readings={
            "masked": "User code goes on with interrupts disabled.",
            "enabled": "Interrupts are enabled by the return.",
        },
    ),
    Gap(
        name="unreported_store",
        section="RFC 2.6",
        case="a store to a descriptor table that no call reported",
        text=(
            "The guest has to report changes of its tables by VMI_SetGDT, "
            "VMI_SetLDT, VMI_SetIDT and VMI_Write*Entry. Direct stores may be "
            "forbidden, but what one does that is made all the same is not "
            "said."
        ),
        calls=(
            "VMI_WriteGDTEntry",
            "VMI_WriteLDTEntry",
            "VMI_WriteIDTEntry",
        ),
        readings={
            "unseen": (
                "A store that is not reported has no effect until the table "
                "is loaded again or the entry is written by a call."
            ),
            "caught": (
                "The tables are write-protected; a store is carried out as "
                "the call would do it, and its privileges are adjusted."
            ),
            "as-is": (
                "The entry is used as the guest has written it; one whose "
                "privileges do not fit the kernel's ring faults when used."
            ),
        },
    ),
    Gap(
        name="live_segment_invalid",
        section="RFC 2.4",
        case="a live segment register whose descriptor is made invalid",
        text=(
            "After a change of the tables the segment registers are "
            "reloaded, and one that has become invalid has to be NULL or the "
            "reload faults. Whether the hypervisor or the guest, before the "
            "call, makes it NULL is not said."
        ),
        calls=(
            "VMI_SetGDT",
            "VMI_SetLDT",
            "VMI_WriteGDTEntry",
            "VMI_WriteLDTEntry",
        ),
        readings={
            "null": "The hypervisor loads NULL in place of what is invalid.",
            "fault": (
                "The call raises the fault of the reload; the guest has to "
                "load NULL before it."
            ),
        },
    ),
    Gap(
        name="feature_off",
        section=CPU_CONTROL,
        case="a control bit whose feature is on and shall be off",
        text=(
            "Which bits of CR0 and CR4 may be changed depends on the "
            "hypervisor. VMware's cannot switch features of the MMU and "
            "protected mode off again; what the attempt does is not said."
        ),
        calls=("VMI_SetCR0", "VMI_SetCR4"),
        readings={
            "kept": "The bit stays set and the rest is written.",
            "fault": "The call raises #GP and writes nothing.",
            "cleared": "The feature is switched off.",
        },
    ),
    Gap(
        name="missing_dr",
        section=CPU_CONTROL,
        case="a write to a debug register that is not supported",
        text=(
            "VMI_GetDR may answer zero where debug registers are not "
            "supported. What VMI_SetDR does there is not said."
        ),
        calls=("VMI_SetDR",),
        readings={
            "dropped": "The write has no effect.",
            "fault": "The call raises #GP.",
        },
    ),
    Gap(
        name="esp0_store",
        section=PRIVILEGE,
        case="whether the new stack pointer is stored in the TSS",
        text=(
            "VMI_UpdateKernelStack informs the hypervisor that ESP0 of the "
            "TSS was changed, and gets a pointer to the TSS. Whether the call "
            "itself stores the value there is not said."
        ),
        calls=("VMI_UpdateKernelStack",),
        readings={
            "stored": "The call stores the value in the TSS as well.",
            "told": "The guest has stored it before; the call does not.",
        },
    ),
    Gap(
        name="narrow_input",
        section=INPUT_OUTPUT,
        case="the rest of EAX after a byte or a word was read",
        text=(
            "VMI_INB and VMI_INW read into EAX with the effect of the native "
            "instruction, whose destination is AL or AX. Their prototypes "
            "return a byte or a word. What becomes of the other bits of EAX, "
            "which a dummy argument has filled, is not said."
        ),
        calls=("VMI_INB", "VMI_INW"),
        readings={
            "kept": "The other bits of EAX stay as they were.",
            "zero": "The other bits of EAX are cleared.",
        },
    ),
    Gap(
        name="iopl_mask_bits",
        section=INPUT_OUTPUT,
        case="bits of an IOPL mask outside IOPL",
        text=(
            "The mask of VMI_SetIOPLMask is an IOPL at its place in EFLAGS. "
            "What other bits in it do is not said."
        ),
        calls=("VMI_SetIOPLMask",),
        readings={
            "ignored": "Bits other than 0x3000 have no effect.",
            "fault": "A mask with other bits raises #GP.",
        },
    ),
    Gap(
        name="invalid_invd",
        section=INPUT_OUTPUT,
        case="what VMI_INVD does if it is used",
        text=(
            "VMI_INVD is deprecated and must not be executed in a virtual "
            "machine, but it has a number and a place in the ROM. What a "
            "guest meets that calls it is not said."
        ),
        calls=("VMI_INVD",),
        readings={
            "fault": "The call raises #UD.",
            "ignored": "The call returns and nothing happens.",
            "written-back": "The call does what VMI_WBINVD does.",
        },
    ),
    Gap(
        name="io_bitmap",
        section="RFC 2.5",
        case="the I/O permission bitmap of the guest's task-state segment",
        text=(
            "User programs get ports by the virtual IOPL. A processor also "
            "lets them use those that the bitmap of the TSS permits; the "
            "hypervisor runs with a TSS of its own, and whether it looks at "
            "the guest's is not said."
        ),
        calls=(),
        readings={
            "honoured": (
                "A port that the bitmap of the guest's TSS permits can be "
                "used by user code."
            ),
            "ignored": "Only the virtual IOPL permits ports to user code.",
        },
    ),
    Gap(
        name="apic_address",
        section="RFC Appendix A / APIC calls",
        case="an address that is not in the page of the local APIC",
        text=(
            "The calls take the address of a register, whose mapping has to "
            "start on a page boundary. What an address outside that mapping "
            "does is not said."
        ),
        calls=("VMI_APICRead", "VMI_APICWrite"),
        readings={
            "offset": "Only the low 12 bits of the address count.",
            "fault": "An address outside the page raises #GP.",
        },
    ),
    Gap(
        name="alarm_flags",
        section=TIMER,
        case="the format of an alarm's flags",
        text=(
            "The RFC marks the format of the flags as still to be defined; "
            "appendix B names a counter in bits 0 to 7, a mode in bit 8 and "
            "a wiring in bit 16. What the other bits do is not said."
        ),
        calls=("VMI_SetAlarm", "VMI_CancelAlarm"),
        readings={
            "ignored": "Bits that have no name have no effect.",
            "refused": "With such a bit set the call does nothing.",
        },
    ),
    Gap(
        name="alarm_irq0",
        section="RFC 2.12",
        case="an alarm wired to IRQ0 on another than the first processor",
        text=(
            "An alarm fires only on the processor that set it, as if it were "
            "attached to IRQ0. The interrupt controller passes IRQ0 on to "
            "the first processor. The wiring is marked as still to be "
            "defined."
        ),
        calls=("VMI_SetAlarm",),
        readings={
            "first": (
                "The interrupt goes where the controller passes IRQ0 on to."
            ),
            "own": (
                "The interrupt goes to the processor that set the alarm, "
                "with the vector of IRQ0."
            ),
        },
    ),
    Gap(
        name="wallclock_updated",
        section=TIMER,
        case="whose polling clears the answer of VMI_WallclockUpdated",
        text=(
            "The call answers whether wall clock and real time have drifted "
            "apart since it was last polled. Whether that is kept for the "
            "machine or for each of its processors is not said."
        ),
        calls=("VMI_WallclockUpdated",),
        readings={
            "machine": "Of all processors one gets the answer 1, once.",
            "processor": "Each processor gets the answer 1, once.",
        },
    ),
)

GAPS: Final[Mapping[str, Gap]] = MappingProxyType(
    {gap.name: gap for gap in _ALL}
)


def choose_or_raise(machine: Machine, policy: str) -> str:
    """Answer how a gap is read here.

    Raises
    ------
    Unspecified
        As long as no reading has been chosen.
    """
    reading = machine.board.host.choose(policy)
    if reading == UNSPECIFIED:
        gap = GAPS[policy]
        raise Unspecified(
            gap.clause, policy=policy, readings=tuple(gap.readings)
        )
    return reading
